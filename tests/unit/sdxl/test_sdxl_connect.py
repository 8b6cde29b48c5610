"""`sdxl connect` and `sdxl local env`: what a shell gets, and where the API key does not go."""

import json
import shlex
import socket
import subprocess

import httpx2
import pytest
from typer.testing import CliRunner

from sdxl import Client
from sdxl.cli import app
from sdxl.commands import connect as command
from sdxl.commands import local
from sdxl.deployment.record import Deployment, LocalTarget
from sdxl.deployment.smoke_test import smoke_test
from sdxl.errors import SdxlError
from sdxl.local import emulator

KEY = "it's a key"
DEPLOYMENT = Deployment(
    kind="aws",
    api_url="https://api.example/api",
    api_key=KEY,
    environment="dev",
    account="210987654321",
    region="eu-west-1",
)
RUNNING = emulator.Emulator(
    pid=7, gateway_url="http://127.0.0.1:4580", aws_endpoint_url="http://127.0.0.1:4581", account="210987654321"
)


@pytest.fixture
def chosen(monkeypatch):
    targets = []
    monkeypatch.setattr(command, "choose_deployment", lambda target, note: targets.append(target) or DEPLOYMENT)
    return targets


@pytest.mark.parametrize("options", [[], ["--export"], ["--json"], ["--curl"]], ids=str)
def test_the_key_goes_to_stdout_alone_with_a_warning_on_stderr(chosen, options):
    done = CliRunner().invoke(app, ["connect", "--env", "dev", "--aws", *options])
    assert done.exit_code == 0
    assert DEPLOYMENT.api_url in done.stdout
    assert KEY not in done.stderr
    assert "history" in done.stderr
    assert (chosen[0].environment, chosen[0].place) == ("dev", "aws")


def test_export_is_read_by_a_shell_as_it_is(chosen):
    lines = CliRunner().invoke(app, ["connect", "--export"]).stdout
    shell = ["sh", "-c", f'{lines}printf "%s %s" "$SDXL_API_URL" "$SDXL_API_KEY"']
    done = subprocess.run(shell, capture_output=True, text=True, check=True)
    assert done.stdout == f"{DEPLOYMENT.api_url} {KEY}"


def test_json_and_curl_have_address_and_key(chosen):
    content = json.loads(CliRunner().invoke(app, ["connect", "--json"]).stdout)
    assert (content["api_url"], content["api_key"], content["region"]) == (DEPLOYMENT.api_url, KEY, "eu-west-1")
    words = shlex.split(CliRunner().invoke(app, ["connect", "--curl"]).stdout)
    assert words[0] == "curl"
    assert f"x-api-key: {KEY}" in words


@pytest.fixture
def page(monkeypatch, chosen):
    """Runs `sdxl connect --page` against a deployment whose page gives an answer."""

    def run_against(answer):
        def get(url, timeout):
            assert url == f"{DEPLOYMENT.api_url}/console/access.json"
            if isinstance(answer, Exception):
                raise answer
            return httpx2.Response(answer)

        monkeypatch.setattr(command.httpx2, "get", get)
        return CliRunner().invoke(app, ["connect", "--page"])

    return run_against


def test_the_link_to_the_page_has_the_key_in_its_fragment_only(page):
    done = page(200)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"{DEPLOYMENT.api_url}/#key=")
    assert KEY not in done.stderr


def test_no_link_without_a_page(page):
    done = page(404)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "console.enabled" in done.stderr


def test_no_link_to_what_does_not_answer(page):
    done = page(httpx2.ConnectError("refused"))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "does not answer: refused" in done.stderr


def test_two_formats_are_refused(chosen):
    done = CliRunner().invoke(app, ["connect", "--json", "--curl"])
    assert (done.exit_code, chosen) == (2, [])


def test_local_env_replaces_the_shells_credentials_by_the_emulators(monkeypatch):
    monkeypatch.setattr(emulator, "find_running", lambda: RUNNING)
    target = LocalTarget(environment="dev", account="210987654321", region="eu-west-1")
    monkeypatch.setattr(local, "read_local_target", lambda: target)
    done = CliRunner().invoke(app, ["local", "env"])
    shell = ["sh", "-c", f"{done.stdout}env"]
    before = {"PATH": "/usr/bin:/bin", "AWS_PROFILE": "work", "AWS_SESSION_TOKEN": "x", "AWS_ACCESS_KEY_ID": "AKIAREAL"}
    after = subprocess.run(shell, env=before, capture_output=True, text=True, check=True).stdout.splitlines()
    variables = dict(line.split("=", 1) for line in after)
    assert variables["AWS_ENDPOINT_URL"] == RUNNING.aws_endpoint_url
    assert variables["AWS_ACCESS_KEY_ID"].endswith("210987654321")
    assert variables["AWS_REGION"] == variables["AWS_DEFAULT_REGION"] == "eu-west-1"
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN"} & set(variables)
    assert json.loads(CliRunner().invoke(app, ["local", "env", "--json"]).stdout).items() <= variables.items()


def test_local_env_without_an_emulator_says_so(monkeypatch):
    monkeypatch.setattr(emulator, "find_running", lambda: None)
    done = CliRunner().invoke(app, ["local", "env"])
    assert (done.exit_code, done.stdout, "make up" in done.stderr) == (5, "", True)


def test_the_smoke_test_does_not_wait_for_a_name_that_does_not_resolve(clock):
    def refuse(request):
        raise httpx2.ConnectError("no name") from socket.gaierror(-2, "Name or service not known")

    client = Client("https://nowhere.invalid", "key", transport=httpx2.MockTransport(refuse))
    with pytest.raises(SdxlError, match=r"nowhere\.invalid .*does not resolve"):
        smoke_test(DEPLOYMENT, check="health", note=print, sleep=clock.sleep, clock=lambda: clock.now, client=client)
    assert clock.slept == []
