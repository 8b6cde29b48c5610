"""Masks on a model that has image-to-image only: what is outside the mask stays, what is inside is drawn."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from typing import Any

import pytest
from image_api_fakes import ApplicationUnderTest, FakeRuntime, open_answer
from image_api_forms import MASKING, in_base64, post_json
from openai_in_process import InProcess
from PIL import Image, ImageChops

Make = Callable[..., ApplicationUnderTest]
_SIZE = (512, 512)
_BOX = (128, 128, 384, 384)


def _file(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _init() -> Image.Image:
    return Image.merge("RGB", [Image.linear_gradient("L").resize(_SIZE)] * 3)


def _mask(box: tuple[int, int, int, int] = _BOX, *, is_inverted: bool = False) -> Image.Image:
    mask = Image.new("L", _SIZE, 255 if is_inverted else 0)
    mask.paste(0 if is_inverted else 255, box)
    return mask


@pytest.fixture
def open_api(make_api: Make, runtime: FakeRuntime) -> ApplicationUnderTest:
    """The open source, which draws everything red."""
    red = base64.b64encode(_file(Image.new("RGB", _SIZE, (255, 0, 0)))).decode()
    runtime.answers(open_answer(red))
    return make_api(model_source="open")


def _drawn(api: ApplicationUnderTest, **fields: Any) -> Image.Image:
    reply = post_json(api, MASKING, **{"init_image": in_base64(_file(_init()))} | fields)
    assert reply.status == 200, reply.text
    assert "mask is approximated" in reply.headers["x-sdxl-warning"]
    image: Image.Image = Image.open(io.BytesIO(base64.b64decode(reply.json["artifacts"][0]["base64"])))
    return image.convert("RGB")


def _assert_only_the_box_is_drawn(image: Image.Image, box: tuple[int, int, int, int] = _BOX) -> None:
    outside = Image.new("L", _SIZE, 255)
    outside.paste(0, box)
    difference = Image.composite(ImageChops.difference(image, _init()), Image.new("RGB", _SIZE), outside)
    assert difference.getbbox() is None
    assert image.getpixel(((box[0] + box[2]) // 2, (box[1] + box[3]) // 2)) == (255, 0, 0)


@pytest.mark.parametrize("source", ["MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK"])
def test_pixels_outside_the_mask_are_those_of_the_init_image(open_api: ApplicationUnderTest, source: str) -> None:
    mask = _mask(is_inverted=source == "MASK_IMAGE_BLACK")

    _assert_only_the_box_is_drawn(_drawn(open_api, mask_source=source, mask_image=in_base64(_file(mask))))


def test_transparency_of_the_init_image_is_a_mask(open_api: ApplicationUnderTest) -> None:
    image = _init().convert("RGBA")
    image.paste((0, 0, 0, 0), _BOX)

    drawn = _drawn(open_api, init_image=in_base64(_file(image)), mask_source="INIT_IMAGE_ALPHA")

    _assert_only_the_box_is_drawn(drawn)


def test_thin_mask_is_drawn(open_api: ApplicationUnderTest) -> None:
    box = (100, 100, 400, 106)

    drawn = _drawn(open_api, mask_source="MASK_IMAGE_WHITE", mask_image=in_base64(_file(_mask(box))))

    _assert_only_the_box_is_drawn(drawn, box)


def test_edge_is_soft(open_api: ApplicationUnderTest) -> None:
    drawn = _drawn(open_api, mask_source="MASK_IMAGE_WHITE", mask_image=in_base64(_file(_mask())))

    reds = [drawn.getpixel((x, 250))[0] for x in range(126, 150)]  # type: ignore[index]
    assert reds == sorted(reds)
    assert len(set(reds)) > 5


def test_model_gets_an_image_without_what_stood_under_the_mask(
    open_api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    init = Image.new("RGB", _SIZE, (200, 200, 200))
    init.paste((0, 0, 255), _BOX)

    _drawn(
        open_api,
        init_image=in_base64(_file(init)),
        mask_source="MASK_IMAGE_WHITE",
        mask_image=in_base64(_file(_mask())),
    )

    (sent,) = runtime.payloads
    image = Image.open(io.BytesIO(base64.b64decode(sent["init_image"])))
    assert image.getpixel((256, 256)) == pytest.approx((200, 200, 200), abs=3)
    assert sent["image_strength"] == pytest.approx(0.85)
    assert not sent.keys() & {"mask_image", "mask_source"}


def test_strength_that_the_caller_names_keeps_what_stands_there(
    open_api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    _drawn(open_api, mask_source="MASK_IMAGE_WHITE", mask_image=in_base64(_file(_mask())), image_strength=0.6)

    (sent,) = runtime.payloads
    assert sent["image_strength"] == pytest.approx(0.4)
    assert base64.b64decode(sent["init_image"]) == _file_of_model(_init())


def _file_of_model(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


def test_openai_edit_with_a_mask_is_drawn(open_api: ApplicationUnderTest) -> None:
    mask = Image.new("RGBA", _SIZE, (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), _BOX)
    openai_api = InProcess(open_api)

    answer = openai_api.client().images.edit(image=_file(_init()), mask=_file(mask), prompt="a puppy", n=2)

    assert "mask is approximated" in openai_api.warning
    for image in answer.data or ():
        _assert_only_the_box_is_drawn(Image.open(io.BytesIO(base64.b64decode(image.b64_json or ""))).convert("RGB"))


def test_transparent_picture_without_a_mask_is_laid_on_white_for_gpt_image(
    make_api: Make, runtime: FakeRuntime
) -> None:
    image = _init().convert("RGBA")
    image.paste((0, 0, 0, 0), _BOX)
    red = base64.b64encode(_file(Image.new("RGB", _SIZE, (255, 0, 0)))).decode()
    runtime.answers(open_answer(red))
    for masks, model in (("approximate", "gpt-image-1"), ("refuse", "gpt-image-1"), ("refuse", "dall-e-2")):
        openai_api = InProcess(make_api(model_source="open", masks=masks))

        openai_api.client().images.edit(image=_file(image), prompt="a puppy", model=model, response_format="b64_json")

        sent = Image.open(io.BytesIO(base64.b64decode(runtime.payloads[-1]["init_image"])))
        assert sent.getpixel((256, 256)) == (255, 255, 255)
        assert "laid on white" in openai_api.warning


def test_variant_that_draws_masks_takes_them(make_api: Make) -> None:
    variants = ({"name": "a", "source": "open", "weight": 1.0}, {"name": "b", "source": "optimized", "weight": 0.0})
    from image_api.settings import VariantSettings  # noqa: PLC0415 -- with the variants

    api = make_api(model_source="open", variants=tuple(VariantSettings(**fields) for fields in variants))

    reply = post_json(
        api,
        MASKING,
        init_image=in_base64(_file(_init())),
        mask_source="MASK_IMAGE_WHITE",
        mask_image=in_base64(_file(_mask())),
    )

    assert (reply.status, reply.headers["x-sdxl-variant"]) == (200, "b")
