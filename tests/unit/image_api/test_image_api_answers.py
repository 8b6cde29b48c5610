"""Models' answers are checked strictly: an image comes through, everything else becomes an honest error."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from image_api.images import png_base64_problem
from image_api_fakes import (
    ApplicationUnderTest,
    FakeRuntime,
    base64_of_length,
    open_answer,
    optimized_answer,
    png_base64,
)

Make = Callable[..., ApplicationUnderTest]
_JPEG = "/9j/4AAQSkZJRgABAQEASABIAAD/2wBD"
_ANSWERS = {"optimized": optimized_answer, "open": open_answer}


@pytest.mark.parametrize("source", _ANSWERS)
@pytest.mark.parametrize(
    ("image", "words"),
    [
        ("", "empty"),
        ("not base64!", "not base64"),
        ("é" * 40, "not base64"),
        (_JPEG, "not a PNG"),
        (png_base64()[:-1], "cut short"),
        (png_base64()[:40], "the PNG is cut short"),
        (png_base64()[:20] + "*" + png_base64()[21:], "not base64"),
        (png_base64()[:20] + "=" + png_base64()[21:], "not base64"),
        (f"data:image/png;base64,{png_base64()}", "not base64"),
        (png_base64() + "====", "not base64"),
    ],
    ids=["empty", "words", "accents", "jpeg", "one character", "short", "star", "equals", "data url", "padding"],
)
def test_unusable_image_is_a_model_error(
    make_api: Make, runtime: FakeRuntime, source: str, image: str, words: str
) -> None:
    runtime.answers(_ANSWERS[source](image))

    reply = make_api(model_source=source).generate()

    assert reply.error == (502, "model_error")
    assert f"image cannot be used: it is {words}" in reply.json["message"] or words in reply.json["message"]


@pytest.mark.parametrize("source", _ANSWERS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"garbage",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"artifacts":[]}',
        b'{"artifacts":null}',
        b'{"artifacts":[{}]}',
        b'{"artifacts":[{"seed":"1","finishReason":"SUCCESS","base64":""}]}',
        b'{"generated_image":7}',
        b'{"generated_image":"',
        b"[" * 100_000,
    ],
    ids=lambda body: repr(body[:30]),
)
def test_garbage_is_a_model_error(make_api: Make, runtime: FakeRuntime, source: str, body: bytes) -> None:
    runtime.answers(body)

    reply = make_api(model_source=source).generate()

    assert reply.error == (502, "model_error")
    assert "Try again" in reply.json["message"]


@pytest.mark.parametrize(
    ("seed", "finish_reason", "words"),
    [
        (1, "ERROR", "could not finish"),
        (1, "WONDERFUL", "finish reason"),
        (-1, "SUCCESS", "seed out of range"),
        (2**32, "SUCCESS", "seed out of range"),
    ],
)
def test_artifact_that_makes_no_sense_is_a_model_error(
    api: ApplicationUnderTest, runtime: FakeRuntime, seed: int, finish_reason: str, words: str
) -> None:
    runtime.answers(optimized_answer(png_base64(), seed, finish_reason))

    reply = api.generate()

    assert reply.error == (502, "model_error")
    assert words in reply.json["message"]


def test_two_images_for_one_are_a_model_error(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    artifact = {"seed": 1, "base64": png_base64(), "finishReason": "SUCCESS"}
    runtime.answers(json.dumps({"result": "success", "artifacts": [artifact, artifact]}).encode())

    assert api.generate().error == (502, "model_error")


@pytest.mark.parametrize("accept", ["application/json", "image/png"])
def test_filtered_image_says_so(api: ApplicationUnderTest, runtime: FakeRuntime, accept: str) -> None:
    runtime.answers(optimized_answer(png_base64(), 9, "CONTENT_FILTERED"))

    reply = api.generate(accept=accept, seed=9)

    assert reply.status == 200
    if accept == "image/png":
        assert reply.headers["finish-reason"] == "CONTENT_FILTERED"
    else:
        assert reply.json["artifacts"][0]["finishReason"] == "CONTENT_FILTERED"


_ERROR = {"id": "internal-id", "name": "invalid_prompts", "message": "Invalid prompts\n detected"}


@pytest.mark.parametrize(
    ("source", "body"),
    [
        ("optimized", {"result": "error", "error": _ERROR}),
        ("optimized", _ERROR),
        ("open", {"result": "error", "error": _ERROR}),
        ("open", _ERROR),
    ],
    ids=str,
)
def test_refusal_by_the_model_is_passed_on(
    make_api: Make, runtime: FakeRuntime, source: str, body: dict[str, object]
) -> None:
    runtime.answers(json.dumps(body).encode())

    reply = make_api(model_source=source).generate()

    assert reply.error == (400, "invalid_prompts")
    assert reply.json["message"] == "Invalid prompts detected"
    assert "internal-id" not in reply.text


@pytest.mark.parametrize(
    "body",
    [
        {"result": "error", "error": {"id": "1", "name": "generation_error", "message": "/opt/ml/secret.py line 3"}},
        {"id": "1", "name": "generation_error", "message": "/opt/ml/secret.py line 3"},
        {"result": "error"},
        {"result": "error", "error": {}},
    ],
    ids=str,
)
def test_failure_of_the_model_leaks_nothing(
    api: ApplicationUnderTest, runtime: FakeRuntime, body: dict[str, object]
) -> None:
    runtime.answers(json.dumps(body).encode())

    reply = api.generate()

    assert reply.error == (502, "model_error")
    assert "secret" not in reply.text


@pytest.mark.parametrize("data", [b"a", b"ab", b"abc"])
def test_complete_png_is_recognized_at_each_alignment(data: bytes) -> None:
    assert png_base64_problem(png_base64(data)) is None


@pytest.mark.parametrize("extra", [0, 4, 8])
def test_png_is_recognized_across_blocks(extra: int) -> None:
    text = base64_of_length(2 * 65_536 + extra)

    assert png_base64_problem(text) is None
    assert png_base64_problem(f"{text[:70_000]}!{text[70_001:]}") == "it is not base64"
