"""Published clients, unmodified but for base URL and key: what they give their callers, and which errors they raise."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from deployed_api import DeployedApi
from PIL import Image

pytestmark = pytest.mark.allow_loopback

_HERE = Path(__file__).resolve().parent
_ROOT = _HERE.parents[1]
_LITELLM_PYTHON = _ROOT / ".local" / "clients" / "bin" / "python"
_SIZE = (512, 512)
_HALF = (0, 0, 256, 512)


@pytest.fixture(scope="session")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, str]:
    """An image, and masks of its left half: one that is transparent there, and one that is white."""
    folder = tmp_path_factory.mktemp("pictures")
    image, clear, white = (
        Image.new("RGB", _SIZE, (200, 100, 50)),
        Image.new("RGBA", _SIZE, "black"),
        Image.new("L", _SIZE),
    )
    clear.paste((0, 0, 0, 0), _HALF)
    white.paste(255, _HALF)
    paths = tuple(str(folder / f"{name}.png") for name in ("image", "clear", "white"))
    for one, path in zip((image, clear, white), paths, strict=True):
        one.save(path)
    return paths[0], paths[1], paths[2]


def _outcomes(command: list[str], api: DeployedApi) -> dict[str, Any]:
    # The last one keeps LiteLLM from fetching a list of prices.
    ours = {"SDXL_API_URL": api.url, "SDXL_API_KEY": api.key, "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    environment = os.environ | ours
    result = subprocess.run(
        command, cwd=_HERE, env=environment, capture_output=True, text=True, timeout=600, check=False
    )
    assert result.returncode == 0, result.stderr
    outcomes: dict[str, Any] = json.loads(result.stdout.splitlines()[-1])
    return outcomes


@pytest.fixture(scope="session")
def javascript(api: DeployedApi, pictures: tuple[str, str, str]) -> dict[str, Any]:
    """What every scenario of `scenarios.mjs` came to."""
    return _outcomes(["node", "scenarios.mjs", *pictures], api)


@pytest.fixture(scope="session")
def litellm(api: DeployedApi, pictures: tuple[str, str, str]) -> dict[str, Any]:
    """What every scenario of `scenarios_litellm.py` came to."""
    return _outcomes([str(_LITELLM_PYTHON), "scenarios_litellm.py", *pictures[:2]], api)


def _images(outcomes: Mapping[str, Any], name: str) -> list[str]:
    assert "answer" in outcomes[name], outcomes[name]
    images: list[str] = outcomes[name]["answer"]
    return images


def _error(outcomes: Mapping[str, Any], name: str) -> dict[str, Any]:
    assert "error" in outcomes[name], outcomes[name]
    error: dict[str, Any] = outcomes[name]["error"]
    return error


@pytest.mark.parametrize(
    ("scenario", "images"),
    [
        ("openai generation", ["png"]),
        ("openai several", ["jpeg"] * 6),
        ("openai webp", ["webp"]),
        ("openai stream", ["image_generation.completed"]),
        ("openai edit", ["png"]),
        ("openai mask", ["png"]),
        ("openai variation", ["png"]),
        ("vercel several", ["jpeg"] * 6),
        ("vercel size", ["png"]),
        ("vercel mask", ["png"]),
        ("compatible generation", ["png"]),
        ("stability generation", ["png"]),
        ("stability several", ["jpeg"] * 6),
        ("stability edit", ["png"]),
        ("stability mask", ["png"]),
        ("stability account", ["email", "id", "organizations", "profile_picture"]),
    ],
)
def test_client_for_javascript_gets_what_it_asked_for(
    javascript: dict[str, Any], scenario: str, images: list[str]
) -> None:
    assert _images(javascript, scenario) == images


def test_every_image_of_a_compatible_provider_comes(javascript: dict[str, Any]) -> None:
    assert len(_images(javascript, "compatible several")) == 4


@pytest.mark.parametrize(
    ("scenario", "expected"),
    [
        ("openai wrong", {"is": "BadRequestError", "status": 400, "param": "n", "code": "invalid_value"}),
        ("openai two images", {"is": "BadRequestError", "status": 400, "param": "image"}),
        ("openai model", {"is": "NotFoundError", "status": 404, "code": "model_not_found"}),
        ("openai key", {"is": "AuthenticationError", "status": 401}),
        ("vercel wrong", {"is": "AI_APICallError", "status": 400}),
        ("compatible wrong", {"is": "AI_APICallError", "status": 404}),
        ("stability wrong", {"name": "StabilityAIInvalidRequestError"}),
        ("stability engine", {"name": "StabilityAIRecordNotFoundError"}),
    ],
)
def test_client_for_javascript_raises_its_own_error(
    javascript: dict[str, Any], scenario: str, expected: dict[str, Any]
) -> None:
    error = _error(javascript, scenario)

    assert {name: error.get(name) for name in expected} == expected
    assert "text_prompts" not in error["message"] or scenario.startswith("stability")


@pytest.mark.parametrize(
    ("scenario", "images"),
    [
        ("generation", ["png"]),
        ("several", ["jpeg"] * 6),
        ("jpeg", ["jpeg"]),
        ("size", ["png"]),
        ("edit", ["png"]),
        ("mask", ["png"]),
    ],
)
def test_litellm_gets_what_it_asked_for(litellm: dict[str, Any], scenario: str, images: list[str]) -> None:
    assert _images(litellm, scenario) == images


@pytest.mark.parametrize(
    ("scenario", "is_", "status"),
    [("wrong", "BadRequestError", 400), ("model", "NotFoundError", 404), ("key", "AuthenticationError", 401)],
)
def test_litellm_raises_its_own_error(litellm: dict[str, Any], scenario: str, is_: str, status: int) -> None:
    error = _error(litellm, scenario)

    assert (error["is"], error["status"]) == (is_, status)
