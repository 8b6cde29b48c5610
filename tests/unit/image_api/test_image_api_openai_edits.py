"""`images.edit` and `images.create_variation`, asked with the real `openai` client and real image files."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import openai
import pytest
from image_api_fakes import ApplicationUnderTest
from openai_in_process import InProcess, event_loop, payload
from openai_pictures_support import picture, sent
from PIL import Image

__all__ = ["event_loop"]
# The client calls variations deprecated, because OpenAI's own models have none any more.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")
_WHITE, _BLACK = 255, 0


@pytest.fixture
def openai_api(api: ApplicationUnderTest) -> InProcess:
    return InProcess(api)


def test_mask_marks_what_is_transparent_in_white(openai_api: InProcess) -> None:
    image, mask = picture(), picture(mode="RGBA")

    answer = openai_api.client().images.edit(image=image, mask=mask, prompt="a puppy", extra_body={"seed": 7})

    body = payload(openai_api.api)
    assert body["mask_source"] == "MASK_IMAGE_WHITE"
    drawn = sent(body["mask_image"])
    assert (drawn.mode, drawn.size) == ("L", (128, 128))
    assert (drawn.getpixel((10, 10)), drawn.getpixel((100, 10))) == (_WHITE, _BLACK)
    assert sent(body["init_image"]).getpixel((10, 10)) == (200, 100, 50)
    assert body["text_prompts"][0]["text"] == "a puppy"
    assert answer.size == "128x128"
    assert answer.data is not None
    assert answer.data[0].b64_json is not None
    assert answer.data[0].to_dict()["seed"] == 7


def test_transparent_image_is_its_own_mask(openai_api: InProcess) -> None:
    image = picture(mode="RGBA")

    openai_api.client().images.edit(image=image, prompt="a puppy")

    body = payload(openai_api.api)
    assert body["mask_source"] == "INIT_IMAGE_ALPHA"
    assert "mask_image" not in body
    assert sent(body["init_image"]).getpixel((10, 10))[3] == 0  # type: ignore[index]


def test_opaque_image_without_a_mask_follows_the_prompt(openai_api: InProcess) -> None:
    openai_api.client().images.edit(image=picture(), prompt="a puppy", extra_body={"image_strength": 0.6})

    body = payload(openai_api.api)
    assert "mask_source" not in body
    assert body["image_strength"] == 0.6


def test_list_of_one_image_is_taken(openai_api: InProcess) -> None:
    openai_api.client().images.edit(image=[picture()], prompt="a puppy")

    assert sent(payload(openai_api.api)["init_image"]).size == (128, 128)


def test_form_texts_become_numbers(openai_api: InProcess) -> None:
    extra = {"seed": 7, "cfg_scale": 9.5, "steps": 12, "sampler": "K_HEUN", "style": "anime"}

    openai_api.client().images.edit(image=picture(), prompt="a puppy", n=1, extra_body=extra)

    body = payload(openai_api.api)
    assert (body["seed"], body["cfg_scale"], body["steps"], body["sampler"]) == (7, 9.5, 12, "K_HEUN")
    assert body["style_preset"] == "anime"


@pytest.mark.parametrize(
    ("size", "asked", "drawn"),
    [
        ((200, 100), "auto", (1344, 768)),
        ((1500, 1000), "auto", (1216, 832)),
        ((64, 64), "auto", (1024, 1024)),
        ((128, 128), "256x256", (1024, 1024)),
        ((128, 128), "192x128", (192, 128)),
        ((128, 128), "widescreen", (1344, 768)),
        ((128, 128), "640x480", (1152, 896)),
        ((128, 128), "3840x2160", (1344, 768)),
    ],
    ids=str,
)
def test_image_is_brought_to_the_size_with_its_mask(
    openai_api: InProcess, size: tuple[int, int], asked: Any, drawn: tuple[int, int]
) -> None:
    answer = openai_api.client().images.edit(
        image=picture(size), mask=picture(size, "RGBA"), prompt="a puppy", size=asked
    )

    body = payload(openai_api.api)
    assert sent(body["init_image"]).size == sent(body["mask_image"]).size == drawn
    assert set(sent(body["mask_image"]).tobytes()) == {_WHITE, _BLACK}
    assert answer.size == f"{drawn[0]}x{drawn[1]}"
    assert f"was scaled and cut to {drawn[0]}x{drawn[1]}" in openai_api.warning


@pytest.mark.parametrize(
    ("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "L"), ("WEBP", "RGB"), ("PNG", "L"), ("PNG", "P")]
)
def test_other_formats_become_png(openai_api: InProcess, kind: str, mode: str) -> None:
    openai_api.client().images.edit(image=picture(mode=mode, kind=kind), prompt="a puppy")

    image = sent(payload(openai_api.api)["init_image"])
    assert (image.format, image.mode, image.size) == ("PNG", "RGB", (128, 128))


def test_photograph_is_turned_as_it_was_held(openai_api: InProcess) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6

    openai_api.client().images.edit(image=picture((192, 128), kind="JPEG", exif=exif), prompt="a puppy")

    assert sent(payload(openai_api.api)["init_image"]).size == (128, 192)


def test_png_that_fits_travels_as_it_is(openai_api: InProcess) -> None:
    image = picture(compress_level=0)

    openai_api.client().images.edit(image=image, prompt="a puppy")

    assert base64.b64decode(payload(openai_api.api)["init_image"]) == image


def test_variation_keeps_half_of_the_image(openai_api: InProcess) -> None:
    answer = openai_api.client().images.create_variation(image=picture(mode="RGBA"), n=2)

    first, second = openai_api.api.runtime.payloads
    assert first["image_strength"] == second["image_strength"] == 0.5
    assert first["text_prompts"] == [{"text": "high quality, detailed", "weight": 1.0}]
    # What was transparent is white.
    assert sent(first["init_image"]).getpixel((10, 10)) == (255, 255, 255)
    assert answer.data is not None
    assert [image.url is not None for image in answer.data] == [True, True]


def test_variation_in_base64_and_another_size(openai_api: InProcess) -> None:
    answer = openai_api.client().images.create_variation(
        image=picture(), size="512x512", response_format="b64_json", model="dall-e-2"
    )

    assert answer.data is not None
    assert answer.data[0].b64_json is not None
    assert answer.size == "1024x1024"


def test_async_client_gets_the_same(openai_api: InProcess, event_loop: asyncio.Runner) -> None:
    async def call() -> list[str | None]:
        client = openai_api.async_client()
        edit = await client.images.edit(image=picture(), mask=picture(mode="RGBA"), prompt="a puppy")
        variation = await client.images.create_variation(image=picture())
        return [edit.size, variation.size]

    assert event_loop.run(call()) == ["128x128", "128x128"]


_DAMAGED = picture()[:60]


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"image": b"text"}, "image", "invalid_image_format"),
        ({"image": b""}, "image", "missing_required_parameter"),
        ({"image": picture(kind="GIF", mode="P")}, "image", "invalid_image_format"),
        ({"image": _DAMAGED}, "image", "invalid_image_format"),
        ({"image": picture((4097, 4096), "L")}, "image", "image_too_large"),
        ({"mask": picture()}, "mask", "invalid_value"),
        ({"mask": picture((192, 128), "RGBA")}, "mask", "invalid_value"),
        ({"mask": b"text"}, "mask", "invalid_image_format"),
        ({"mask": picture(mode="RGBA"), "extra_body": {"image_strength": 0.3}}, "image_strength", "invalid_value"),
        ({"image": picture(mode="RGBA"), "extra_body": {"image_strength": 0.3}}, "image_strength", "invalid_value"),
        ({"extra_body": {"image_strength": 1.5}}, "image_strength", "invalid_value"),
        ({"prompt": " "}, "prompt", "invalid_value"),
        ({"n": 11}, "n", "invalid_value"),
        ({"size": "large"}, "size", "invalid_value"),
        ({"extra_body": {"seed": "many"}}, "seed", "invalid_value"),
        ({"extra_body": {"width": 128}}, "width", "unknown_parameter"),
        ({"extra_body": {"markup": "x"}}, "markup", "unsupported_parameter"),
        ({"background": "transparent"}, "background", "unsupported_value"),
        ({"image": [picture(), picture()]}, "image", "invalid_value"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_edit_is_a_bad_request(
    openai_api: InProcess, fields: dict[str, Any], param: str | None, code: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_api.client().images.edit(**({"image": picture(), "prompt": "a puppy"} | fields))

    assert (caught.value.param, caught.value.code) == (param, code)
    assert openai_api.api.runtime.calls == []


def test_missing_image_is_a_bad_request(openai_api: InProcess) -> None:
    with pytest.raises(openai.BadRequestError, match="image is missing") as caught:
        openai_api.client().images.edit(image=[], prompt="a puppy")

    assert caught.value.code == "missing_required_parameter"


def test_text_in_place_of_a_file_is_a_bad_request(openai_api: InProcess) -> None:
    with pytest.raises(openai.BadRequestError, match='"mask" is a text, allowed is a file'):
        openai_api.client().images.edit(image=picture(), prompt="a puppy", extra_body={"mask": "text"})


def test_json_is_refused_in_openais_shape(api: ApplicationUnderTest) -> None:
    reply = api.post("{}", path="/v1/images/variations")

    assert (reply.status, reply.json["error"]["code"]) == (415, "unsupported_media_type")


def test_masks_that_the_deployment_refuses_say_so_in_this_apis_words(make_api: Any) -> None:
    openai_api = InProcess(make_api(model_source="open", masks="refuse"))

    with pytest.raises(openai.BadRequestError, match="optimized") as caught:
        openai_api.client().images.edit(image=picture((320, 320)), mask=picture((320, 320), "RGBA"), prompt="a puppy")

    assert (caught.value.param, caught.value.code) == ("mask", "unsupported_value")
    assert "mask_source" not in str(caught.value)
    assert "/v1/generation" not in str(caught.value)
