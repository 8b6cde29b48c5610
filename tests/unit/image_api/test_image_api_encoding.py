"""Images in an answer: in the format that was asked for, all of them, and events where a stream was asked for."""

from __future__ import annotations

import base64
import io
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from image_api.encoding import encode
from image_api.errors import ModelError
from image_api.image_store import ANSWER_BYTES
from image_api.request import Artifact, Encoding, GenerationResult
from image_api_fakes import ApplicationUnderTest, FakeRuntime, open_answer, optimized_answer, png_base64
from openai_in_process import InProcess
from PIL import Image

Make = Callable[..., ApplicationUnderTest]
_FORMATS = {"png": "PNG", "jpeg": "JPEG", "webp": "WEBP"}


def _noise(side: int = 1024, grain: int = 1) -> str:
    """A PNG in base64 that hardly compresses: 4.2 MB at 1024x1024 and a grain of 1."""
    small = side // grain
    image = Image.frombytes("RGB", (small, small), random.Random(side).randbytes(3 * small * small))
    buffer = io.BytesIO()
    image.resize((side, side), Image.Resampling.BICUBIC).save(buffer, "PNG", compress_level=1)
    return base64.b64encode(buffer.getvalue()).decode()


_NOISE, _PICTURE = _noise(), _noise(grain=8)


def _draws(runtime: FakeRuntime, image: str) -> None:
    runtime.answer = lambda request: optimized_answer(image, request["seed"])


def _opened(text: str) -> Image.Image:
    image: Image.Image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image


@pytest.mark.parametrize("samples", [2, 4, 10])
def test_every_artifact_has_base64_whatever_their_number(
    api: ApplicationUnderTest, runtime: FakeRuntime, samples: int
) -> None:
    _draws(runtime, _NOISE)

    reply = api.generate(samples=samples, seed=1)

    artifacts = reply.json["artifacts"]
    assert [artifact["seed"] for artifact in artifacts] == list(range(1, samples + 1))
    assert {_opened(artifact["base64"]).format for artifact in artifacts} == {"JPEG"}
    assert _opened(artifacts[0]["base64"]).size == (1024, 1024)
    assert "JPEG of quality" in reply.headers["x-sdxl-warning"]
    assert len(reply.text) + reply.text.count('"') <= ANSWER_BYTES
    assert api.s3.objects == {}


def test_pictures_keep_a_quality_of_90_at_least(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _PICTURE)

    reply = api.generate(samples=10, seed=1)

    assert {_opened(artifact["base64"]).format for artifact in reply.json["artifacts"]} == {"JPEG"}
    assert any(f"quality {quality}." in reply.headers["x-sdxl-warning"] for quality in (90, 95))


def test_what_fits_as_png_is_not_touched(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _NOISE)

    reply = api.generate(seed=1)

    assert reply.json["artifacts"][0]["base64"] == _NOISE
    assert "x-sdxl-warning" not in reply.headers


def test_openai_images_all_have_base64_and_say_their_format(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _NOISE)
    openai_api = InProcess(api)

    answer = openai_api.client().images.generate(prompt="a puppy", model="gpt-image-1", n=4)

    assert answer.output_format == "jpeg"
    assert [image.url for image in answer.data or ()] == [None] * 4
    assert {_opened(image.b64_json or "").format for image in answer.data or ()} == {"JPEG"}
    assert "JPEG of quality" in openai_api.warning


@pytest.mark.parametrize("source", ["optimized", "open"])
@pytest.mark.parametrize("output_format", ["png", "jpeg", "webp"])
def test_output_format_is_what_was_asked_for(
    make_api: Make, runtime: FakeRuntime, output_format: Any, source: str
) -> None:
    image = _noise(128)
    runtime.answers(optimized_answer(image) if source == "optimized" else open_answer(image))
    openai_api = InProcess(make_api(model_source=source))

    answer = openai_api.client().images.generate(prompt="a puppy", output_format=output_format, output_compression=80)

    assert answer.data is not None
    assert answer.output_format == output_format
    assert _opened(answer.data[0].b64_json or "").format == _FORMATS[output_format]
    assert ("no effect on PNG" in openai_api.warning) is (output_format == "png")


def test_lower_compression_value_makes_a_smaller_file(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _noise(256))
    client = InProcess(api).client()

    lengths = []
    for compression in (0, 30, 100):
        answer = client.images.generate(prompt="a", output_format="jpeg", output_compression=compression)
        lengths.append(len((answer.data or [])[0].b64_json or ""))

    assert lengths == sorted(lengths)
    assert len(set(lengths)) == 3


def test_link_leads_to_the_format_that_was_asked_for(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _noise(128))

    answer = InProcess(api).client().images.generate(prompt="a", response_format="url", output_format="webp", n=2)

    assert answer.output_format == "webp"
    assert [content_type for _, content_type in api.s3.objects.values()] == ["image/webp"] * 2
    assert all(key.endswith(".webp") for key in api.s3.objects)
    assert all(body[8:12] == b"WEBP" for body, _ in api.s3.objects.values())


def test_quality_that_does_not_fit_is_lowered_with_a_warning() -> None:
    drawn = GenerationResult(tuple(Artifact(_NOISE, seed, "SUCCESS") for seed in range(1, 4)))

    result = encode(drawn, Encoding("WebP", 100), budget_bytes=ANSWER_BYTES, overhead_bytes=100)

    assert {artifact.format for artifact in result.artifacts if isinstance(artifact, Artifact)} == {"WebP"}
    assert "do not fit into one answer as WebP of quality 100" in result.warnings[0]


def test_damaged_image_that_has_to_be_encoded_is_the_models_fault() -> None:
    drawn = GenerationResult((Artifact(png_base64(), 1, "SUCCESS"),))

    with pytest.raises(ModelError, match="damaged"):
        encode(drawn, Encoding("JPEG", 90), budget_bytes=None, overhead_bytes=100)


def _events(text: str) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        events.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return events


def test_stream_is_answered_with_an_event_for_each_image(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _noise(128))

    stream = (
        InProcess(api)
        .client()
        .images.generate(
            prompt="a puppy", model="gpt-image-1", stream=True, partial_images=2, n=2, output_format="jpeg"
        )
    )

    events = list(stream)
    assert [event.type for event in events] == ["image_generation.completed"] * 2
    first = events[0]
    assert first.type == "image_generation.completed"
    assert _opened(first.b64_json).format == "JPEG"
    assert (first.output_format, first.size, first.usage.total_tokens) == ("jpeg", "1024x1024", 0)


def test_stream_of_dall_e_carries_images_too(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _draws(runtime, _noise(128))

    reply = api.post(
        '{"prompt": "a", "model": "dall-e-3", "stream": true}',
        path="/v1/images/generations",
        headers={"Accept": "text/event-stream"},
    )

    assert reply.headers["content-type"] == "text/event-stream"
    assert [name for name, _ in _events(reply.text)] == ["image_generation.completed"]
