"""The real `openai` client, sync and async, against the deployed API: only its base URL and key are ours."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import Callable, Iterator
from typing import Any

import httpx2
import openai
import pytest
from deployed_api import DeployedApi
from PIL import Image

pytestmark = [
    pytest.mark.allow_loopback,
    # The client calls variations deprecated, because OpenAI's own models have none any more.
    pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning"),
]

SMALL: dict[str, Any] = {"size": "128x128", "extra_body": {"steps": 10, "seed": 7}}
Client = openai.OpenAI


@pytest.fixture
def client(api: DeployedApi) -> Iterator[Client]:
    with Client(base_url=f"{api.url}/v1", api_key=api.key, max_retries=0, timeout=60) as client:
        yield client


def _png(mode: str = "RGB", size: tuple[int, int] = (128, 128)) -> bytes:
    """A red image; with mode RGBA its left half is transparent."""
    image = Image.new(mode, size, "red")
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _opened(file: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(file))
    image.load()
    return image.convert("RGB")


def _image(answer: openai.types.ImagesResponse, index: int = 0) -> Image.Image:
    assert answer.data is not None
    image = answer.data[index]
    if image.b64_json is not None:
        return _opened(base64.b64decode(image.b64_json))
    assert image.url is not None
    return _opened(httpx2.get(image.url, timeout=60).raise_for_status().content)


def test_generate(client: Client) -> None:
    answer = client.images.generate(prompt="a puppy", n=2, **SMALL)

    assert _image(answer).size == _image(answer, 1).size == (128, 128)
    assert [image.to_dict()["seed"] for image in answer.data or ()] == [7, 8]


def test_generate_as_an_unchanged_client_of_dall_e(client: Client) -> None:
    raw = client.images.with_raw_response.generate(
        model="dall-e-3", prompt="a puppy", size="1792x1024", quality="standard", style="vivid"
    )

    assert "dall-e-3 is answered by SDXL 1.0" in raw.headers["x-sdxl-warning"]
    assert _image(raw.parse()).size == (1344, 768)


def test_edit_repaints_what_is_transparent_in_the_mask(client: Client) -> None:
    answer = client.images.edit(
        image=_png(), mask=("mask.png", _png("RGBA")), prompt="a puppy", extra_body={"steps": 10, "seed": 7}
    )

    image = _image(answer)
    assert image.size == (128, 128)
    assert image.getpixel((120, 64)) == (255, 0, 0)
    assert {image.getpixel((x, 64)) for x in range(4, 60)} != {(255, 0, 0)}


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
def test_edit_without_a_mask(client: Client, mode: str) -> None:
    answer = client.images.edit(image=[("image.png", _png(mode), "image/png")], prompt="a puppy", n=1)

    assert _image(answer).size == (128, 128)


def test_variation(client: Client) -> None:
    answer = client.images.create_variation(image=_png(size=(200, 200)), n=2, size="1024x1024")

    assert _image(answer).size == _image(answer, 1).size == (1024, 1024)


def test_models(client: Client) -> None:
    names = [model.id for model in client.models.list()]

    assert names == ["sdxl", "stable-diffusion-xl-1024-v1-0"]
    assert client.models.retrieve("sdxl").object == "model"


def test_async_client(api: DeployedApi) -> None:
    async def calls() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{api.url}/v1", api_key=api.key, max_retries=0) as client:
            return [
                await client.images.generate(prompt="a puppy", **SMALL),
                await client.images.edit(image=_png(), mask=_png("RGBA"), prompt="a puppy"),
                await client.images.create_variation(image=_png(), response_format="b64_json"),
                [model.id async for model in client.models.list()],
                (await client.models.retrieve("sdxl")).id,
            ]

    *answers, names, name = asyncio.run(calls())

    assert [_image(answer).size for answer in answers] == [(128, 128)] * 3
    assert name in names


_CALLS: dict[str, Callable[[Client], Any]] = {
    "generate": lambda client: client.images.generate(prompt="a puppy", **SMALL),
    "edit": lambda client: client.images.edit(image=_png(), prompt="a puppy"),
    "variation": lambda client: client.images.create_variation(image=_png()),
    "models": lambda client: client.models.list(),
    "model": lambda client: client.models.retrieve("sdxl"),
}


@pytest.mark.parametrize("call", _CALLS)
def test_wrong_key_is_an_authentication_error(client: Client, call: str) -> None:
    with pytest.raises(openai.AuthenticationError) as caught:
        _CALLS[call](client.with_options(api_key="no-key-of-ours"))

    assert isinstance(caught.value.body, dict)
    assert caught.value.body["message"]


@pytest.mark.parametrize(
    ("call", "error", "param"),
    [
        (lambda client: client.images.generate(prompt=" "), openai.BadRequestError, "prompt"),
        (lambda client: client.images.generate(prompt="a puppy", n=11), openai.BadRequestError, "n"),
        (lambda client: client.images.edit(image=b"text", prompt="a puppy"), openai.BadRequestError, "image"),
        (lambda client: client.images.edit(image=_png(), mask=_png(), prompt="a"), openai.BadRequestError, "mask"),
        (lambda client: client.images.create_variation(image=b"text"), openai.BadRequestError, "image"),
        (lambda client: client.images.generate(prompt="a puppy", model="sora-2"), openai.NotFoundError, "model"),
        (lambda client: client.models.retrieve("sora-2"), openai.NotFoundError, "model"),
    ],
    ids=["blank-prompt", "n", "edit-of-text", "mask-without-alpha", "variation-of-text", "model", "unknown-model"],
)
def test_wrong_request_raises_the_clients_own_exception(
    client: Client, call: Callable[[Client], Any], error: type[openai.APIStatusError], param: str
) -> None:
    with pytest.raises(error) as caught:
        call(client)

    assert caught.value.param == param
    assert caught.value.request_id is not None


def test_reused_idempotency_key_is_unprocessable(client: Client) -> None:
    headers = {"Idempotency-Key": "openai-client-test"}
    first = client.images.generate(prompt="a puppy", extra_headers=headers, size="128x128", extra_body={"steps": 10})
    again = client.images.generate(prompt="a puppy", extra_headers=headers, size="128x128", extra_body={"steps": 10})

    assert first.data is not None
    assert again.data is not None
    assert first.data[0].to_dict()["seed"] == again.data[0].to_dict()["seed"]
    with pytest.raises(openai.UnprocessableEntityError):
        client.images.generate(prompt="a kitten", extra_headers=headers)


def test_served_document_names_the_address_that_it_was_asked_at(api: DeployedApi) -> None:
    document = httpx2.get(f"{api.url}/openapi.json", timeout=60).raise_for_status().json()

    assert document["servers"] == [{"url": api.url.rstrip("/")}]
