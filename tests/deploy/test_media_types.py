"""What `Accept` asks for through the gateway: the bytes that arrive are what their Content-Type says."""

from __future__ import annotations

import base64
import io
import os

import httpx2
import pytest
from deployed_api import DeployedApi
from PIL import Image

pytestmark = pytest.mark.allow_loopback

_ENGINE = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
_BODY = {"text_prompts": [{"text": "a puppy"}], "width": 128, "height": 128, "steps": 10}
_FIRST_BYTES = {"image/png": b"\x89PNG", "application/json": b"{"}


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("image/png", 200, "image/png"),
        ("image/png, application/json;q=0.5", 200, "image/png"),
        ("image/png;q=0.9, application/json;q=0.5", 200, "image/png"),
        ("image/png;q=0.1, application/json", 200, "application/json"),
        ("application/json", 200, "application/json"),
        ("application/json;q=0.1, image/png", 200, "application/json"),
        ("*/*", 200, "application/json"),
        ("image/*, */*;q=0.8", 200, "application/json"),
        ("text/html, application/xhtml+xml, image/avif, image/webp, */*;q=0.8", 200, "application/json"),
        ("image/*", 406, "application/json"),
        ("image/webp,image/png", 406, "application/json"),
        ("image/jpeg, image/png", 406, "application/json"),
        ("image/avif,image/webp,image/apng,image/svg+xml,image/*;q=0.9", 406, "application/json"),
        ("application/octet-stream, image/png;q=0.9", 406, "application/json"),
    ],
)
def test_bytes_are_what_their_content_type_says(api: DeployedApi, accept: str, status: int, content_type: str) -> None:
    answer = httpx2.post(
        f"{api.url}{_ENGINE}", json=_BODY, headers={"x-api-key": api.key, "Accept": accept}, timeout=60
    )

    assert (answer.status_code, answer.headers["content-type"]) == (status, content_type)
    assert answer.content.startswith(_FIRST_BYTES[content_type])


def test_four_images_of_full_size_arrive_in_base64(api: DeployedApi) -> None:
    answer = httpx2.post(
        f"{api.url}/v1/images/generations",
        json={"prompt": "a puppy", "model": "gpt-image-1", "n": 4},
        headers={"Authorization": f"Bearer {api.key}"},
        timeout=60,
    )

    assert answer.status_code == 200
    for item in answer.json()["data"]:
        image = Image.open(io.BytesIO(base64.b64decode(item["b64_json"])))
        assert image.size == (1024, 1024)
        assert image.format == answer.json()["output_format"].upper()


def test_upload_that_lambda_refuses_names_its_limit(api: DeployedApi) -> None:
    answer = httpx2.post(
        f"{api.url}/v1/images/edits",
        files={"image": ("photograph.jpg", os.urandom(6_000_000), "image/jpeg")},
        data={"prompt": "oil"},
        headers={"x-api-key": api.key},
        timeout=60,
    )

    assert answer.status_code == 413
    assert "6 MB" in answer.json()["error"]["message"]
