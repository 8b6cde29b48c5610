"""Wrong requests for image-to-image and masking: the same name and words, whether in a form or in JSON."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
from image_api_documented import documented
from image_api_fakes import ApplicationUnderTest, FakeRuntime
from image_api_forms import IMAGE_TO_IMAGE, MASKING, form, in_base64, picture, post_http, post_json

INIT = picture()
MASK = picture(mode="L")
WHITE = {"mask_source": "MASK_IMAGE_WHITE"}
SCHEDULE = {"init_image_mode": "STEP_SCHEDULE"}


class Wrong(NamedTuple):
    what: str
    fields: dict[str, Any]
    name: str
    words: tuple[str, ...]
    path: str = IMAGE_TO_IMAGE
    schema_refuses: bool = False


def wrong(
    what: str, fields: dict[str, Any], name: str, *words: str, path: str = IMAGE_TO_IMAGE, seen: bool = False
) -> Wrong:
    return Wrong(what, fields, name, words, path, seen)


def masked(what: str, fields: dict[str, Any], name: str, *words: str, seen: bool = False) -> Wrong:
    return Wrong(what, {"init_image": INIT, **fields}, name, words, MASKING, seen)


_DIMENSIONS, _TYPE = "invalid_image_dimensions", "invalid_mime_type"

WRONG = [
    # Images
    wrong("no image", {}, "bad_request", "init_image is missing", "base64", seen=True),
    wrong("a GIF", {"init_image": b"GIF89a" + bytes(40)}, _TYPE, "47 49 46 38", "PNG, JPEG or WebP"),
    wrong("a text", {"init_image": b"a puppy"}, _TYPE, "no PNG, JPEG or WebP"),
    wrong("off the grid", {"init_image": picture(500, 512)}, _DIMENSIONS, "500x512", "multiples of 64", "448x512"),
    wrong("too small", {"init_image": picture(64, 64)}, _DIMENSIONS, "64x64", "at least 128", "to 128x128"),
    wrong("too large", {"init_image": picture(2048, 1024)}, _DIMENSIONS, "2048x1024", "1048576", "to 1408x704"),
    wrong("cut short", {"init_image": INIT[:20]}, _DIMENSIONS, "cut short", "20 bytes"),
    wrong("with a width", {"init_image": INIT, "width": 1024}, "bad_request", 'Unknown field "width"', seen=True),
    wrong("with a mask", {"init_image": INIT, **WHITE}, "bad_request", 'Unknown field "mask_source"', seen=True),
    # How much of it stays
    wrong("strength above 1", {"init_image": INIT, "image_strength": 1.1}, "bad_request", "1.1", "0 to 1", seen=True),
    wrong("unknown mode", {"init_image": INIT, "init_image_mode": "BOTH"}, "bad_request", "STEP_SCHEDULE", seen=True),
    wrong(
        "strength with a schedule",
        {"init_image": INIT, **SCHEDULE, "image_strength": 0.4},
        "bad_request",
        "image_strength would have no effect",
    ),
    wrong(
        "schedule without its mode",
        {"init_image": INIT, "step_schedule_start": 0.4},
        "bad_request",
        "step_schedule_start would have no effect",
        "init_image_mode STEP_SCHEDULE",
    ),
    wrong(
        "end above the start",
        {"init_image": INIT, **SCHEDULE, "step_schedule_start": 0.4, "step_schedule_end": 0.6},
        "bad_request",
        "step_schedule_end is 0.6 and step_schedule_start 0.4",
        "below the start",
    ),
    wrong(
        "end at the start",
        {"init_image": INIT, **SCHEDULE, "step_schedule_end": 0.65},
        "bad_request",
        "step_schedule_start 0.65",
    ),
    # Masks
    masked("no source", {"mask_image": MASK}, "bad_request", "mask_source is missing", seen=True),
    masked("unknown source", {"mask_source": "WHITE"}, "bad_request", "MASK_IMAGE_WHITE", seen=True),
    masked("no mask", WHITE, "invalid_mask_image", "mask_image is missing"),
    masked("other size", {**WHITE, "mask_image": picture(512, 576)}, "invalid_mask_image", "512x576", "512x512"),
    masked("mask of text", {**WHITE, "mask_image": b"white"}, _TYPE, "mask_image begins with"),
    masked("no alpha", {"mask_source": "INIT_IMAGE_ALPHA"}, "invalid_mask_image", "PNG without transparency"),
    masked(
        "mask and alpha",
        {"mask_source": "INIT_IMAGE_ALPHA", "mask_image": MASK},
        "invalid_mask_image",
        "Leave mask_image out",
    ),
    # The rest of a request
    wrong("few steps", {"init_image": INIT, "steps": 9}, "bad_request", "steps is 9", "from 10 to 150", seen=True),
    wrong("steps no number", {"init_image": INIT, "steps": "many"}, "bad_request", 'steps is "many"', seen=True),
    wrong("many samples", {"init_image": INIT, "samples": 11}, "invalid_samples", "samples is 11", seen=True),
    wrong("unknown style", {"init_image": INIT, "style_preset": "x"}, "bad_request", 'style_preset is "x"', seen=True),
    wrong("unknown field", {"init_image": INIT, "strength": 1}, "bad_request", 'Unknown field "strength"', seen=True),
    wrong("blank prompt", {"init_image": INIT, "text_prompts": [{"text": " "}]}, "invalid_prompts", "not blank"),
    wrong("a size", {"init_image": INIT, "size": "square"}, "bad_request", 'Unknown field "size"', seen=True),
]


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.what)
def test_form_is_refused(api: ApplicationUnderTest, runtime: FakeRuntime, case: Wrong) -> None:
    fields = {"text_prompts": [{"text": "a puppy"}], **case.fields}
    texts = {
        **{f"text_prompts[{n}][text]": prompt["text"] for n, prompt in enumerate(fields.pop("text_prompts"))},
        **{name: str(value) for name, value in fields.items() if not isinstance(value, bytes)},
    }
    files = {name: value for name, value in fields.items() if isinstance(value, bytes)}

    reply = post_http(api, case.path, form(texts, files))

    assert reply.error == (400, case.name)
    for words in case.words:
        assert words in reply.json["message"]
    assert runtime.calls == []


def _json_fields(case: Wrong) -> dict[str, Any]:
    return {name: in_base64(value) if isinstance(value, bytes) else value for name, value in case.fields.items()}


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.what)
def test_json_is_refused(api: ApplicationUnderTest, runtime: FakeRuntime, case: Wrong) -> None:
    reply = post_json(api, case.path, **_json_fields(case))

    assert reply.error == (400, case.name)
    for words in case.words:
        assert words in reply.json["message"]
    assert runtime.calls == []


@pytest.mark.parametrize("case", WRONG, ids=lambda case: case.what)
def test_documented_schema_refuses_what_a_schema_can_see(case: Wrong) -> None:
    validator = documented("Masking" if case.path == MASKING else "ImageToImage")

    body = {"text_prompts": [{"text": "a puppy"}], **_json_fields(case)}

    assert validator.is_valid(body) is not case.schema_refuses


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("not base64!", "is not base64"),
        ("YQ", "is not base64"),
        (f"data:image/png;base64,{in_base64(INIT)}", "what follows the comma"),
        (7, "init_image is 7, allowed is an image in base64"),
        (None, "init_image is missing"),
        (["YQ=="], "an array of 1 items"),
    ],
)
def test_image_in_json_must_be_base64(api: ApplicationUnderTest, value: object, words: str) -> None:
    reply = post_json(api, IMAGE_TO_IMAGE, init_image=value)

    assert reply.error == (400, "bad_request")
    assert words in reply.json["message"]
    assert len(reply.json["message"]) < 500


def test_image_as_a_text_field_is_refused_as_one_in_json(api: ApplicationUnderTest) -> None:
    reply = post_http(api, IMAGE_TO_IMAGE, form({"text_prompts[0][text]": "a", "init_image": "my file"}))

    assert reply.error == (400, "bad_request")
    assert "is not base64" in reply.json["message"]


def test_file_in_the_place_of_a_number_is_refused(api: ApplicationUnderTest) -> None:
    http = form({"text_prompts[0][text]": "a"}, {"init_image": INIT, "steps": b"30"})

    reply = post_http(api, IMAGE_TO_IMAGE, http)

    assert reply.error == (400, "bad_request")
    assert "steps is a file of 2 bytes" in reply.json["message"]


def test_several_samples_do_not_fit_into_one_png(api: ApplicationUnderTest) -> None:
    reply = post_json(api, IMAGE_TO_IMAGE, accept="image/png", init_image=in_base64(INIT), samples=2)

    assert reply.error == (400, "invalid_samples")


_PROMPT = {"text_prompts[0][text]": "a puppy"}


def test_empty_image_is_missing_in_a_form_and_empty_in_json(api: ApplicationUnderTest) -> None:
    assert "init_image is missing" in post_http(api, IMAGE_TO_IMAGE, form(_PROMPT, {"init_image": b""})).json["message"]
    assert post_json(api, IMAGE_TO_IMAGE, init_image="").error == (400, "invalid_file_size")
