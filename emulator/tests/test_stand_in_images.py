"""Pictures made from pictures: how much of the initial image stays, and which of its pixels."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image, ImageChops, ImageDraw

from emulator.stand_in.variants import VARIANTS

SIZE = (320, 320)
LEFT_HALF = (0, 0, 160, 320)
PROMPTS = [{"text": "a lighthouse"}]


def encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def plain(mode: str = "RGB") -> Image.Image:
    return Image.new(mode, SIZE, "red")


def half(mode: str, left: Any, right: Any) -> Image.Image:
    image = Image.new(mode, SIZE, right)
    ImageDraw.Draw(image).rectangle(LEFT_HALF, fill=left)
    return image


def optimized(**fields: Any) -> Any:
    body = {"text_prompts": PROMPTS, "seed": 5, **fields}
    return VARIANTS["optimized"].invoke(json.dumps(body).encode(), "application/json;png")


def open_weights(**fields: Any) -> Any:
    body = {"text_prompts": PROMPTS, "seed": 5, **fields}
    return VARIANTS["open"].invoke(json.dumps(body).encode(), "application/json")


def picture(reply: Any) -> Image.Image:
    answer = json.loads(reply.body)
    assert reply.status == 200, answer
    text = answer["generated_image"] if "generated_image" in answer else answer["artifacts"][0]["base64"]
    return Image.open(io.BytesIO(base64.b64decode(text)))


def distance(one: Image.Image, other: Image.Image) -> float:
    """The mean difference of two pictures, above the label."""
    above = (0, 0, SIZE[0], 200)
    pixels = ImageChops.difference(one.convert("RGB").crop(above), other.convert("RGB").crop(above)).convert("L")
    levels = pixels.histogram()
    return sum(level * count for level, count in enumerate(levels)) / sum(levels)


def test_the_same_initial_image_gives_the_same_bytes_and_another_one_others() -> None:
    first, again = (optimized(init_image=encoded(plain())).body for _ in range(2))
    other = optimized(init_image=encoded(half("RGB", "red", "blue"))).body

    assert first == again
    assert first != other


def test_the_optimized_model_keeps_more_of_the_image_with_more_strength() -> None:
    image = encoded(plain())
    distances = [distance(picture(optimized(init_image=image, image_strength=s)), plain()) for s in (0, 0.35, 0.8, 1)]

    assert distances == sorted(distances, reverse=True)
    assert distances[-1] == 0
    assert distance(picture(optimized(init_image=image)), plain()) == pytest.approx(distances[1], rel=0.2)


def test_the_open_model_keeps_less_of_the_image_with_more_strength() -> None:
    image = encoded(plain())
    distances = [distance(picture(open_weights(init_image=image, image_strength=s)), plain()) for s in (0, 0.35, 1)]

    assert distances == sorted(distances)
    assert distances[0] == 0


def test_a_step_schedule_from_the_first_step_draws_everything_anew() -> None:
    image = encoded(plain())
    schedule = {"init_image": image, "init_image_mode": "STEP_SCHEDULE"}

    late = distance(picture(optimized(**schedule, step_schedule_start=0.1)), plain())
    early = distance(picture(optimized(**schedule, step_schedule_start=1)), plain())
    never = distance(picture(optimized(**schedule, step_schedule_start=0.5, step_schedule_end=0.5)), plain())

    assert never == 0 < late < early


@pytest.mark.parametrize(
    ("fields", "init_image"),
    [
        ({"mask_source": "MASK_IMAGE_WHITE", "mask_image": encoded(half("L", 255, 0))}, plain()),
        ({"mask_source": "MASK_IMAGE_BLACK", "mask_image": encoded(half("L", 0, 255))}, plain()),
        ({"mask_source": "INIT_IMAGE_ALPHA"}, half("RGBA", (255, 0, 0, 0), (255, 0, 0, 255))),
    ],
)
def test_a_mask_has_the_pixels_replaced_that_it_names_and_no_others(
    fields: dict[str, str], init_image: Image.Image
) -> None:
    result = picture(optimized(init_image=encoded(init_image), **fields))

    kept = (161, 0, *SIZE)
    assert result.size == SIZE
    assert result.crop(kept).getcolors() == [(159 * 320, (255, 0, 0))]
    assert (255, 0, 0) not in {colour for _, colour in result.crop((0, 0, 160, 320)).getcolors(1_000_000)}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"image_strength": 1.1}, "image_strength must be from 0 to 1, not 1.1"),
        ({"init_image_mode": "STRENGTH"}, "init_image_mode 'STRENGTH' is not supported"),
        ({"init_image_mode": "STEP_SCHEDULE", "image_strength": 0.5}, "are for init_image_mode IMAGE_STRENGTH"),
        ({"step_schedule_start": 0.5}, "are for init_image_mode STEP_SCHEDULE, not IMAGE_STRENGTH"),
        ({"mask_source": "INIT_IMAGE_ALPHA"}, "needs an init_image with an alpha channel"),
        ({"mask_source": "MASK_IMAGE_BLACK"}, "mask_source MASK_IMAGE_BLACK needs a mask_image"),
        ({"mask_image": encoded(plain())}, "a mask_image needs mask_source"),
        (
            {"mask_source": "MASK_IMAGE_WHITE", "mask_image": encoded(Image.new("L", (64, 64)))},
            "both must have one size",
        ),
        ({"init_image": encoded(Image.new("RGB", (64, 64)))}, "sides of at least 128 pixels, not 64x64"),
    ],
)
def test_the_optimized_model_refuses_what_does_not_go_together(fields: dict[str, Any], message: str) -> None:
    reply = optimized(**{"init_image": encoded(plain()), **fields})

    answer = json.loads(reply.body)
    assert (reply.status, answer["error"]["name"]) == (400, "generation_error")
    assert message in answer["error"]["message"]


@pytest.mark.parametrize("fields", [{"mask_source": "INIT_IMAGE_ALPHA"}, {"mask_image": encoded(plain())}])
def test_the_open_model_knows_no_masks(fields: dict[str, str]) -> None:
    reply = open_weights(init_image=encoded(plain()), **fields)

    assert reply.status == 400
    assert "unknown fields ['mask_" in json.loads(reply.body)["message"]
