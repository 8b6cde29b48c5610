"""Image-to-image and masking as Stability AI's clients ask for them, in forms and in JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from image_api_fakes import ApplicationUnderTest, FakeRuntime, png, png_base64
from image_api_forms import IMAGE_TO_IMAGE, MASKING, form, in_base64, picture, post_http, post_json

Make = Callable[..., ApplicationUnderTest]
PROMPT = {"text_prompts[0][text]": "a puppy", "text_prompts[0][weight]": "1"}
INIT = picture()
MASK = picture(mode="L")


def test_form_and_json_ask_the_model_for_the_same(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    fields = {**PROMPT, "image_strength": "0.5", "cfg_scale": "7", "steps": "30", "seed": "9", "style_preset": "anime"}

    by_form = post_http(api, IMAGE_TO_IMAGE, form(fields, {"init_image": INIT}))
    by_json = post_json(
        api,
        IMAGE_TO_IMAGE,
        init_image=in_base64(INIT),
        image_strength=0.5,
        cfg_scale=7,
        steps=30,
        seed=9,
        style_preset="anime",
    )

    assert by_form.status == by_json.status == 200
    assert by_form.json == {"artifacts": [{"base64": png_base64(b"seed 9"), "seed": 9, "finishReason": "SUCCESS"}]}
    assert by_form.text == by_json.text
    first, second = runtime.payloads
    assert first == second
    assert first == {
        "text_prompts": [{"text": "a puppy", "weight": 1.0}],
        "cfg_scale": 7.0,
        "steps": 30,
        "seed": 9,
        "sampler": "K_DPMPP_2M",
        "samples": 1,
        "style_preset": "anime",
        "init_image": in_base64(INIT),
        "init_image_mode": "IMAGE_STRENGTH",
        "image_strength": 0.5,
    }


def test_png_is_answered_where_it_is_accepted(api: ApplicationUnderTest) -> None:
    reply = post_http(api, IMAGE_TO_IMAGE, form({**PROMPT, "seed": "7"}, {"init_image": INIT}), accept="image/png")

    assert reply.bytes == png(b"seed 7")
    assert reply.headers["seed"] == "7"
    assert reply.headers["finish-reason"] == "SUCCESS"


def test_documented_step_schedule_is_carried(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    fields = {"init_image_mode": "STEP_SCHEDULE", "step_schedule_start": "0.6", "step_schedule_end": "0.01"}

    assert post_http(api, IMAGE_TO_IMAGE, form(PROMPT | fields, {"init_image": INIT})).status == 200
    (payload,) = runtime.payloads
    assert payload["init_image_mode"] == "STEP_SCHEDULE"
    assert (payload["step_schedule_start"], payload["step_schedule_end"]) == (0.6, 0.01)
    assert "image_strength" not in payload


@pytest.mark.parametrize("source", ["MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK"])
def test_mask_is_carried(api: ApplicationUnderTest, runtime: FakeRuntime, source: str) -> None:
    http = form({**PROMPT, "mask_source": source}, {"init_image": INIT, "mask_image": MASK})

    assert post_http(api, MASKING, http).status == 200
    (payload,) = runtime.payloads
    assert (payload["mask_source"], payload["mask_image"]) == (source, in_base64(MASK))
    assert payload["init_image"] == in_base64(INIT)
    # How strong a mask is drawn over is the model's choice where the caller makes none.
    assert "image_strength" not in payload
    assert "width" not in payload


def test_mask_is_taken_from_the_clear_pixels(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    clear = picture(mode="RGBA")

    reply = post_json(api, MASKING, init_image=in_base64(clear), mask_source="INIT_IMAGE_ALPHA", image_strength=0.1)

    assert reply.status == 200
    (payload,) = runtime.payloads
    assert payload["mask_source"] == "INIT_IMAGE_ALPHA"
    assert payload["image_strength"] == 0.1
    assert "mask_image" not in payload


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_three_formats_are_taken(api: ApplicationUnderTest, image_format: str) -> None:
    image = picture(1024, 1024, image_format)

    reply = post_json(api, IMAGE_TO_IMAGE, init_image=in_base64(image))

    assert reply.status == 200
    assert "x-sdxl-warning" not in reply.headers


def test_untrained_size_of_the_init_image_is_warned_about(api: ApplicationUnderTest) -> None:
    reply = post_json(api, IMAGE_TO_IMAGE, init_image=in_base64(INIT))

    assert "512x512" in reply.headers["x-sdxl-warning"]


@pytest.mark.parametrize(
    ("fields", "strength"),
    [
        ({}, 0.65),
        ({"image_strength": 0.9}, 0.1),
        ({"image_strength": 0}, 1.0),
        ({"init_image_mode": "STEP_SCHEDULE"}, 0.65),
        ({"init_image_mode": "STEP_SCHEDULE", "step_schedule_start": 0.2}, 0.2),
    ],
)
def test_open_counts_strength_the_other_way_round(
    make_api: Make, runtime: FakeRuntime, fields: dict[str, Any], strength: float
) -> None:
    reply = post_json(make_api(model_source="open"), IMAGE_TO_IMAGE, init_image=in_base64(INIT), **fields)

    assert reply.status == 200
    (payload,) = runtime.payloads
    assert payload["image_strength"] == pytest.approx(strength, abs=1e-9)
    assert payload["init_image"] == in_base64(INIT)
    assert not payload.keys() & {"width", "height", "init_image_mode", "step_schedule_start", "samples"}


@pytest.mark.parametrize(
    ("path", "fields", "words"),
    [
        (MASKING, {"mask_source": "MASK_IMAGE_WHITE", "mask_image": in_base64(MASK)}, "model.source: optimized"),
        (MASKING, {"mask_source": "MASK_IMAGE_BLACK", "mask_image": in_base64(MASK)}, "model.source: bedrock"),
        (
            IMAGE_TO_IMAGE,
            {"init_image_mode": "STEP_SCHEDULE", "step_schedule_end": 0.1},
            "step_schedule_end is 0.1",
        ),
    ],
)
def test_open_says_what_only_others_can(
    make_api: Make, runtime: FakeRuntime, path: str, fields: dict[str, Any], words: str
) -> None:
    reply = post_json(make_api(model_source="open", masks="refuse"), path, init_image=in_base64(INIT), **fields)

    assert reply.error == (400, "bad_request")
    assert words in reply.json["message"]
    assert runtime.calls == []
    assert post_json(make_api(), path, init_image=in_base64(INIT), **fields).status == 200


def test_body_larger_than_the_model_takes_is_refused_before_the_call(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    image = INIT + bytes(5_000_000)

    reply = post_http(api, IMAGE_TO_IMAGE, form(PROMPT, {"init_image": image}))

    assert reply.error == (413, "request_too_large")
    assert f"init_image has {len(image)} bytes" in reply.json["message"]
    assert "6291456" in reply.json["message"]
    assert "JPEG" in reply.json["message"]
    assert runtime.calls == []


def test_balance_says_that_nothing_is_metered(api: ApplicationUnderTest) -> None:
    reply = api.get("/v1/user/balance")

    assert (reply.status, reply.json) == (200, {"credits": 0.0})
    assert "not metered" in reply.headers["x-sdxl-warning"]


@pytest.mark.parametrize("path", [IMAGE_TO_IMAGE, MASKING])
def test_unknown_engine_and_method_are_refused(api: ApplicationUnderTest, path: str) -> None:
    other = path.replace("1024-v1-0", "v2")

    assert post_http(api, other, form(PROMPT)).error == (404, "not_found")
    assert api.get(path).error == (405, "method_not_allowed")


def test_form_is_not_taken_where_there_is_no_image(api: ApplicationUnderTest) -> None:
    path = IMAGE_TO_IMAGE.replace("image-to-image", "text-to-image")

    assert post_http(api, path, form(PROMPT)).error == (415, "unsupported_media_type")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/mixed"])
def test_other_content_types_are_refused_with_both_that_can(api: ApplicationUnderTest, content_type: str) -> None:
    reply = api.post("a=b", path=IMAGE_TO_IMAGE, headers={"Content-Type": content_type})

    assert reply.error == (415, "unsupported_media_type")
    assert "multipart/form-data, or application/json" in reply.json["message"]
