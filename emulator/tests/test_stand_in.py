"""Each variant's payload: what it answers, what it refuses and in which shape."""

from __future__ import annotations

import base64
import io
import json
from typing import Any

import pytest
from PIL import Image

from emulator.stand_in.picture import PictureRequest, draw_png
from emulator.stand_in.variant import Reply
from emulator.stand_in.variants import VARIANTS

OPTIMIZED, OPEN = VARIANTS["optimized"], VARIANTS["open"]
PROMPTS = [{"text": "a lighthouse"}]


def optimized(**fields: Any) -> Reply:
    return OPTIMIZED.invoke(json.dumps({"text_prompts": PROMPTS, **fields}).encode(), "application/json;png")


def open_weights(**fields: Any) -> Reply:
    return OPEN.invoke(json.dumps({"text_prompts": PROMPTS, **fields}).encode(), "application/json")


def picture_of(base64_text: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(base64_text, validate=True)))


def png_base64(size: tuple[int, int]) -> str:
    buffer = io.BytesIO()
    Image.new("RGB", size, "red").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_optimized_answers_one_artifact_per_sample_with_the_seed_it_was_made_from() -> None:
    reply = optimized(seed=4294967295, samples=2, width=128, height=192)

    answer = json.loads(reply.body)
    assert reply.status == 200
    assert answer["result"] == "success"
    assert [a["seed"] for a in answer["artifacts"]] == [4294967295, 0]
    assert {a["finishReason"] for a in answer["artifacts"]} == {"SUCCESS"}
    assert picture_of(answer["artifacts"][0]["base64"]).size == (128, 192)
    assert answer["artifacts"][0]["base64"] != answer["artifacts"][1]["base64"]


def test_optimized_draws_a_seed_where_none_is_given_and_says_which() -> None:
    seeds = {json.loads(optimized(width=128, height=128, seed=0).body)["artifacts"][0]["seed"] for _ in range(3)}

    assert 0 not in seeds
    assert len(seeds) == 3


@pytest.mark.parametrize("invoke", [optimized, open_weights])
def test_the_same_request_gives_the_same_bytes(invoke: Any) -> None:
    first, again = (invoke(seed=7, width=320, height=320) for _ in range(2))
    other = invoke(seed=8, width=320, height=320)

    assert first.body == again.body
    assert first.body != other.body


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"steps": 9}, "steps must be from 10 to 150, not 9"),
        ({"steps": True}, "steps must be an integer, not True"),
        ({"width": 127}, "width must be at least 128, not 127"),
        ({"height": 200}, "height must be a multiple of 64, not 200"),
        ({"cfg_scale": 36}, "cfg_scale must be from 0 to 35, not 36"),
        ({"seed": -1}, "seed must be from 0 to 4294967295, not -1"),
        ({"samples": 0}, "samples must be from 1 to 10, not 0"),
        ({"sampler": "EulerEDMSampler"}, "sampler 'EulerEDMSampler' is not supported"),
        ({"style_preset": "nice"}, "style_preset 'nice' is not supported"),
        ({"use_refiner": True}, "unknown fields ['use_refiner']"),
        ({"image_strength": 0.5}, "['image_strength'] need an init_image"),
        ({"init_image": "no image"}, "init_image is not a base64 encoded image"),
        ({"init_image": png_base64((128, 128)), "mask_source": "MASK_IMAGE_WHITE"}, "needs a mask_image"),
        ({"width": 4096, "height": 4096}, "more than 4194304 pixels"),
    ],
)
def test_optimized_refuses_in_its_own_shape(fields: dict[str, Any], message: str) -> None:
    reply = optimized(**fields)

    answer = json.loads(reply.body)
    assert (reply.status, answer["result"], answer["error"]["name"]) == (400, "error", "generation_error")
    assert message in answer["error"]["message"]
    assert answer["error"]["id"]


@pytest.mark.parametrize("prompts", [None, [], [{}], [{"text": ""}], [{"text": "a", "weight": "1"}], "a prompt"])
def test_optimized_calls_unusable_prompts_invalid_prompts(prompts: Any) -> None:
    reply = OPTIMIZED.invoke(json.dumps({"text_prompts": prompts}).encode(), "application/json;png")

    assert reply.status == 400
    assert json.loads(reply.body)["error"]["name"] == "invalid_prompts"


def test_optimized_refuses_an_accept_that_it_has_no_encoding_for() -> None:
    assert OPTIMIZED.invoke(b"{}", "image/webp").status == 406


def test_an_initial_image_gives_the_result_its_size() -> None:
    image = png_base64((256, 320))

    artifact = json.loads(optimized(init_image=image, image_strength=0.4).body)["artifacts"][0]
    generated = json.loads(open_weights(init_image=image).body)["generated_image"]

    assert picture_of(artifact["base64"]).size == (256, 320)
    assert picture_of(generated).size == (256, 320)


def test_open_answers_one_image() -> None:
    reply = open_weights(width=264, height=320, seed=0, sampler="DPMPP2MSampler", use_refiner=False)

    answer = json.loads(reply.body)
    assert reply.status == 200
    assert list(answer) == ["generated_image"]
    assert picture_of(answer["generated_image"]).size == (264, 320)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"width": 256}, "width must be at least 257, not 256"),
        ({"height": 300}, "height must be divisible by 8, not 300"),
        ({"sampler": "K_EULER"}, "sampler 'K_EULER' is not supported"),
        ({"samples": 1}, "unknown fields ['samples']"),
        ({"style_preset": "anime"}, "unknown fields ['style_preset']"),
        ({"use_refiner": "yes"}, "use_refiner must be true or false"),
        ({"text_prompts": [*PROMPTS, *PROMPTS]}, "exactly one prompt with a weight of 0 or more is supported, not 2"),
        (
            {"text_prompts": [*PROMPTS, {"text": "a", "weight": -1}, {"text": "b", "weight": -1}]},
            "at most one prompt with a negative weight is supported, not 2",
        ),
    ],
)
def test_open_refuses_in_its_model_servers_shape(fields: dict[str, Any], message: str) -> None:
    reply = open_weights(**fields)

    answer = json.loads(reply.body)
    assert reply.status == answer["code"] == 400
    assert answer["type"] == "InternalServerException"
    assert message in answer["message"]


@pytest.mark.parametrize("variant", VARIANTS.values())
@pytest.mark.parametrize("body", [b"", b"not json", b"[]", b"\xff"])
def test_what_is_no_json_object_is_refused(variant: Any, body: bytes) -> None:
    assert variant.invoke(body, "application/json").status == 400


@pytest.mark.parametrize(
    "prompt", ["", "\u706f\u53f0", "\U0001f600 smile", "broken \ud800 half", "a\nb\x00c", "x" * 5000]
)
def test_any_text_can_be_drawn(prompt: str) -> None:
    png = draw_png(PictureRequest(prompt, 1, 128, 128, 30))

    assert Image.open(io.BytesIO(png)).size == (128, 128)


def test_a_full_size_picture_is_as_large_as_a_photograph() -> None:
    png = draw_png(PictureRequest("a lighthouse", 1, 1024, 1024, 50))

    assert 1_000_000 < len(png) < 1_700_000


def test_a_reply_can_be_truncated_so_that_it_cannot_be_decoded() -> None:
    cut = json.loads(OPTIMIZED.truncated(optimized(width=128, height=128)).body)["artifacts"][0]["base64"]
    cut_open = json.loads(OPEN.truncated(open_weights(width=264, height=264)).body)["generated_image"]

    for text in (cut, cut_open):
        with pytest.raises(ValueError, match="padding"):
            base64.b64decode(text)
