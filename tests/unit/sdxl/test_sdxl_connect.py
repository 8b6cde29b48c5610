"""`sdxl connect`: the link to the creators' page, and what it says where there is no page."""

import httpx2
import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.commands import connect
from sdxl.deployment.record import Deployment

LOCAL = Deployment(kind="local", api_url="http://127.0.0.1:4580", api_key="secret-key", environment="dev")


@pytest.fixture
def run(monkeypatch):
    def run_against(answer):
        def get(url, timeout):
            assert url == "http://127.0.0.1:4580/console/access.json"
            if isinstance(answer, Exception):
                raise answer
            return httpx2.Response(answer)

        monkeypatch.setattr(connect, "choose_deployment", lambda target, note: LOCAL)
        monkeypatch.setattr(connect.httpx2, "get", get)
        return CliRunner().invoke(app, ["connect"])

    return run_against


def test_the_link_has_the_key_in_its_fragment_only(run):
    done = run(200)

    assert (done.exit_code, done.stdout) == (0, "http://127.0.0.1:4580/#key=secret-key\n")
    assert "secret-key" not in done.stderr


def test_no_link_without_a_page(run):
    done = run(404)

    assert done.exit_code != 0
    assert done.stdout == ""
    assert "console.enabled" in done.stderr


def test_no_link_to_what_does_not_answer(run):
    done = run(httpx2.ConnectError("refused"))

    assert done.exit_code != 0
    assert "does not answer: refused" in done.stderr
