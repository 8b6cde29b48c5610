"""`sdxl presets`: what a deployment offers, as a table and as JSON."""

import json
from functools import partial

import httpx2
import pytest
from image_api.presets import SIZES_BY_NAME
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.client import Client
from sdxl.commands import presets
from sdxl.commands.generate import SIZES
from sdxl.deployment.record import Deployment

LOCAL = Deployment(kind="local", api_url="http://127.0.0.1:4580", api_key="secret-key", environment="dev")
ANSWER = {
    "sizes": [{"name": "widescreen", "label": "Widescreen", "ratio": "16:9", "width": 1344, "height": 768}],
    "styles": [
        {"name": "anime", "description": "A frame of Japanese animation"},
        {"name": "our-brand", "description": "As in the style guide"},
    ],
    "samplers": [
        {"name": "K_EULER", "description": "The simplest", "supported": True},
        {"name": "DDIM", "description": "An early one", "supported": False},
    ],
}


@pytest.fixture
def run(monkeypatch):
    transport = httpx2.MockTransport(lambda _: httpx2.Response(200, json=ANSWER))
    monkeypatch.setattr(presets, "choose_deployment", lambda target, note: LOCAL)
    monkeypatch.setattr(presets, "Client", partial(Client, transport=transport))
    return partial(CliRunner().invoke, app)


def test_what_can_be_chosen_is_a_table(run):
    done = run(["presets"])
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        "Sizes (--size)",
        "  widescreen  1344x768  Widescreen 16:9",
        "Styles (--style)",
        "  anime      A frame of Japanese animation",
        "  our-brand  As in the style guide",
        "Samplers (--sampler)",
        "  K_EULER  The simplest",
    ]
    assert "Using dev on this machine" in done.stderr


def test_json_is_the_apis_whole_answer(run):
    assert json.loads(run(["presets", "--json"]).stdout) == ANSWER


def test_the_sizes_of_generate_are_those_of_the_api():
    assert {name: (size.width, size.height) for name, size in SIZES_BY_NAME.items()} == dict(SIZES)
