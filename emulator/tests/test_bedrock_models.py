"""Bedrock's models: which identifiers are served, what each model answers and what it refuses."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from emulator.bedrock_models import MODELS, ModelError, served_model
from emulator.stand_in.variants import VARIANTS

ACCOUNT = "123456789012"
CORE, SD35 = "stability.stable-image-core-v1:1", "stability.sd3-5-large-v1:0"
INPAINT = "us.stability.stable-image-inpaint-v1:0"


def encoded(image: Image.Image) -> str:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


IMAGE = encoded(Image.new("RGB", (128, 128), "red"))


def ask(variant: str, **fields: Any) -> Any:
    return VARIANTS[variant].invoke(json.dumps(fields).encode(), "application/json")


def picture(reply: Any) -> Image.Image:
    answer = json.loads(reply.body)
    assert reply.status == 200, answer
    assert answer["finish_reasons"] == [None]
    return Image.open(io.BytesIO(base64.b64decode(answer["images"][0])))


@pytest.mark.parametrize(
    ("identifier", "model"),
    [
        (CORE, CORE),
        (f"arn:aws:bedrock:us-west-2::foundation-model/{SD35}", SD35),
        (INPAINT, "stability.stable-image-inpaint-v1:0"),
        (f"arn:aws:bedrock:us-west-2:{ACCOUNT}:inference-profile/{INPAINT}", "stability.stable-image-inpaint-v1:0"),
        (f"arn:aws:bedrock:us-west-2:{ACCOUNT}:provisioned-model/abc123", "stability.stable-diffusion-xl-v1"),
        (f"arn:aws:bedrock:us-west-2:{ACCOUNT}:imported-model/abc123", "stability.stable-diffusion-xl-v1"),
    ],
)
def test_an_id_a_profile_and_an_arn_name_a_model(identifier: str, model: str) -> None:
    assert served_model(identifier, account=ACCOUNT, region="us-west-2") is MODELS[model]


@pytest.mark.parametrize(
    ("identifier", "region", "error_type", "message"),
    [
        ("stability.stable-diffusion-xl-v1", "us-east-1", "ResourceNotFoundException", "reached the end of its life"),
        ("stability.stable-image-core-v1:0", "us-west-2", "ResourceNotFoundException", "reached the end of its life"),
        ("stability.absent", "us-west-2", "ValidationException", "model identifier is invalid"),
        (CORE, "us-east-1", "ValidationException", "model identifier is invalid"),
        (f"us.{CORE}", "us-west-2", "ValidationException", "model identifier is invalid"),
        (INPAINT, "eu-west-1", "ValidationException", "model identifier is invalid"),
        (INPAINT.removeprefix("us."), "us-west-2", "ValidationException", "ARN of an inference profile"),
        (f"arn:aws:bedrock:us-east-1::foundation-model/{CORE}", "us-west-2", "ValidationException", "is invalid"),
        ("arn:aws:bedrock:us-west-2:999999999999:provisioned-model/a", "us-west-2", "AccessDeniedException", "999"),
    ],
)
def test_what_is_not_served_is_refused_in_bedrocks_words(
    identifier: str, region: str, error_type: str, message: str
) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        served_model(identifier, account=ACCOUNT, region=region)

    assert caught.value.error_type == error_type


def test_sdxl_answers_one_artifact_with_its_seed() -> None:
    answer = json.loads(ask("bedrock-sdxl", text_prompts=[{"text": "a cat"}], width=640, height=1536, seed=9).body)

    assert answer["result"] == "success"
    assert (answer["artifacts"][0]["seed"], answer["artifacts"][0]["finishReason"]) == (9, "SUCCESS")


def test_a_successor_draws_the_aspect_ratio_and_the_format_asked_for() -> None:
    wide = picture(ask("bedrock-stable-image", prompt="a cat", aspect_ratio="16:9", seed=4))
    photo = picture(ask("bedrock-stable-image", prompt="a cat", output_format="jpeg"))

    assert (wide.size, wide.format) == ((1344, 768), "PNG")
    assert (photo.size, photo.format) == ((1024, 1024), "JPEG")


def test_a_seed_is_kept_and_without_one_it_is_drawn() -> None:
    assert json.loads(ask("bedrock-sd3-5", prompt="a cat", seed=4).body)["seeds"] == [4]
    assert json.loads(ask("bedrock-sd3-5", prompt="a cat").body)["seeds"] != [0]


def test_sd35_changes_an_image_by_its_strength() -> None:
    kept = picture(ask("bedrock-sd3-5", prompt="a cat", mode="image-to-image", image=IMAGE, strength=0))

    assert kept.size == (128, 128)
    assert kept.getpixel((64, 10)) == (255, 0, 0)


def test_inpaint_replaces_white_pixels_and_a_margin() -> None:
    mask = Image.new("L", (128, 128), 0)
    mask.paste(255, (0, 0, 64, 128))

    exact = picture(ask("bedrock-inpaint", prompt="a cat", image=IMAGE, mask=encoded(mask), grow_mask=0))
    grown = picture(ask("bedrock-inpaint", prompt="a cat", image=IMAGE, mask=encoded(mask), grow_mask=5))

    assert exact.crop((64, 0, 128, 128)).getcolors() == [(64 * 128, (255, 0, 0))]
    assert grown.getpixel((68, 20)) != (255, 0, 0)
    assert grown.crop((69, 0, 128, 128)).getcolors() == [(59 * 128, (255, 0, 0))]


@pytest.mark.parametrize(
    ("variant", "fields", "message"),
    [
        ("bedrock-sdxl", {"text_prompts": [{"text": "x" * 2001}]}, "at most 2000 characters, not 2001"),
        ("bedrock-sdxl", {"text_prompts": [{"text": "a"}], "samples": 2}, "samples must be from 1 to 1, not 2"),
        ("bedrock-sdxl", {"text_prompts": [{"text": "a"}], "width": 512, "height": 512}, "must be one of ['1024x1024'"),
        ("bedrock-sdxl", {"text_prompts": [{"text": "a"}], "init_image": IMAGE}, "init_image must be one of"),
        ("bedrock-stable-image", {}, "prompt must have from 1 to 10000 characters, not 0"),
        ("bedrock-stable-image", {"prompt": "a", "negative_prompt": "x" * 10001}, "negative_prompt must have from 0"),
        ("bedrock-stable-image", {"prompt": "a", "aspect_ratio": "4:3"}, "aspect_ratio '4:3' is not supported"),
        ("bedrock-stable-image", {"prompt": "a", "seed": 4294967295}, "seed must be from 0 to 4294967294"),
        ("bedrock-stable-image", {"prompt": "a", "output_format": "webp"}, "output_format 'webp' is not supported"),
        ("bedrock-stable-image", {"prompt": "a", "image": IMAGE}, "unknown fields ['image']"),
        ("bedrock-sd3-5", {"prompt": "a", "image": IMAGE}, "['image'] cannot be used with mode text-to-image"),
        ("bedrock-sd3-5", {"prompt": "a", "mode": "image-to-image", "image": IMAGE}, "needs ['strength']"),
        ("bedrock-inpaint", {"prompt": "a"}, "image is missing"),
        ("bedrock-inpaint", {"prompt": "a", "image": IMAGE}, "mask is missing"),
    ],
)
def test_what_a_model_refuses_is_a_malformed_input_request(variant: str, fields: dict[str, Any], message: str) -> None:
    reply = ask(variant, **fields)

    assert reply.status == 400
    refusal = json.loads(reply.body)["message"]
    assert refusal.startswith("Malformed input request: ")
    assert message in refusal
