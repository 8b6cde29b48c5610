"""`images.generate` and the models, asked with the real `openai` client."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable
from typing import Any

import openai
import pytest
from image_api_fakes import ApplicationUnderTest, FakeRuntime, optimized_answer, png, png_base64
from openai_in_process import InProcess, event_loop, payload

Make = Callable[..., ApplicationUnderTest]
__all__ = ["event_loop"]


@pytest.fixture
def openai_api(api: ApplicationUnderTest) -> InProcess:
    return InProcess(api)


def test_prompt_alone_gives_an_image_in_base64(openai_api: InProcess) -> None:
    answer = openai_api.client().images.generate(prompt="a puppy")

    assert answer.data is not None
    (image,) = answer.data
    seed = payload(openai_api.api)["seed"]
    assert base64.b64decode(image.b64_json or "") == png(f"seed {seed}".encode())
    assert image.url is None
    assert image.to_dict().keys() == {"b64_json", "seed", "finish_reason"}
    assert (answer.size, answer.output_format, answer.background) == ("1024x1024", "png", "opaque")
    assert answer.created > 1_700_000_000
    assert openai_api.warning == ""


def test_async_client_gets_the_same(openai_api: InProcess, event_loop: asyncio.Runner) -> None:
    async def generate() -> openai.types.ImagesResponse:
        return await openai_api.async_client().images.generate(prompt="a puppy", n=2, extra_body={"seed": 5})

    answer = event_loop.run(generate())

    assert [image.to_dict()["seed"] for image in answer.data or ()] == [5, 6]


def test_our_parameters_reach_the_model(openai_api: InProcess) -> None:
    extra = {"seed": 7, "negative_prompt": "people", "cfg_scale": 9, "steps": 12, "sampler": "K_HEUN"}
    extra |= {"style_preset": "anime", "width": 128, "height": 192}

    openai_api.client().images.generate(prompt="a puppy", extra_body=extra)

    assert payload(openai_api.api) == {
        "text_prompts": [{"text": "a puppy", "weight": 1.0}, {"text": "people", "weight": -1.0}],
        "width": 128,
        "height": 192,
        "cfg_scale": 9.0,
        "steps": 12,
        "seed": 7,
        "sampler": "K_HEUN",
        "samples": 1,
        "style_preset": "anime",
    }


@pytest.mark.parametrize(
    ("quality", "steps"),
    [("low", 20), ("medium", 35), ("standard", 50), ("auto", 50), ("high", 75), ("hd", 75), ("xhigh", 100)],
)
def test_quality_sets_the_steps(openai_api: InProcess, quality: Any, steps: int) -> None:
    openai_api.client().images.generate(prompt="a puppy", quality=quality)

    assert payload(openai_api.api)["steps"] == steps


@pytest.mark.parametrize(("style", "preset"), [("vivid", "enhance"), ("natural", None), ("comic-book", "comic-book")])
def test_style_becomes_a_preset(openai_api: InProcess, style: Any, preset: str | None) -> None:
    openai_api.client().images.generate(prompt="a puppy", style=style)

    assert payload(openai_api.api).get("style_preset") == preset


@pytest.mark.parametrize(
    ("size", "drawn"),
    [
        ("256x256", "1024x1024"),
        ("512x512", "1024x1024"),
        ("1792x1024", "1344x768"),
        ("1024x1792", "768x1344"),
        ("1536x1024", "1216x832"),
        ("1024x1536", "832x1216"),
        ("1536x864", "1344x768"),
        ("2048x2048", "1024x1024"),
        ("3840x2160", "1344x768"),
        ("640x480", "1152x896"),
        ("1000x1000", "1024x1024"),
        ("64x64", "1024x1024"),
        ("1080x1920", "768x1344"),
        ("8192x1024", "1536x640"),
    ],
)
def test_sizes_of_openais_models_become_the_nearest(openai_api: InProcess, size: Any, drawn: str) -> None:
    answer = openai_api.client().images.generate(prompt="a puppy", size=size)

    assert answer.size == drawn
    assert openai_api.warning == f"size {size} is drawn as {drawn}, the nearest SDXL 1.0 is trained for."


@pytest.mark.parametrize(
    ("size", "drawn"),
    [("auto", "1024x1024"), ("1024x1024", "1024x1024"), ("1536x640", "1536x640"), ("widescreen", "1344x768")],
)
def test_sizes_of_sdxl_are_drawn_as_they_are(openai_api: InProcess, size: Any, drawn: str) -> None:
    assert openai_api.client().images.generate(prompt="a puppy", size=size).size == drawn
    assert openai_api.warning == ""


def test_size_that_sdxl_is_not_trained_for_is_drawn_with_a_warning(openai_api: InProcess) -> None:
    assert openai_api.client().images.generate(prompt="a puppy", size="192x128").size == "192x128"
    assert "not trained for 192x128" in openai_api.warning


def test_links_are_answered_on_request(openai_api: InProcess) -> None:
    answer = openai_api.client().images.generate(prompt="a puppy", n=2, response_format="url")

    assert answer.data is not None
    assert [image.b64_json for image in answer.data] == [None, None]
    assert all((image.url or "").startswith("https://images.s3.test/generated/") for image in answer.data)
    assert len(openai_api.api.s3.objects) == 2


def test_dall_e_answers_with_links_unless_told_otherwise(openai_api: InProcess) -> None:
    client = openai_api.client()

    link = client.images.generate(prompt="a puppy", model="dall-e-3")
    image = client.images.generate(prompt="a puppy", model="dall-e-3", response_format="b64_json")

    assert link.data is not None
    assert image.data is not None
    assert link.data[0].url is not None
    assert image.data[0].b64_json is not None
    assert openai_api.warning == "model dall-e-3 is answered by SDXL 1.0."


@pytest.mark.parametrize(
    "fields",
    [
        {"n": None, "size": None, "quality": None, "style": None, "response_format": None, "stream": False},
        {"background": "opaque", "output_format": "png", "output_compression": 100, "partial_images": 0},
        {"user": "u", "extra_body": {"safety_identifier": ""}, "moderation": "auto", "background": "auto"},
    ],
    ids=str,
)
def test_what_changes_nothing_is_accepted(openai_api: InProcess, fields: dict[str, Any]) -> None:
    answer = openai_api.client().images.generate(prompt="a puppy", **fields)

    assert answer.size == "1024x1024"
    assert openai_api.warning == ""


def test_hints_without_effect_are_told(openai_api: InProcess) -> None:
    openai_api.client().images.generate(prompt="a puppy", moderation="low", extra_body={"complexity": "high"})

    assert openai_api.warning == "complexity has no effect here. moderation has no effect here."


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"prompt": ""}, "prompt", "invalid_value"),
        ({"prompt": "  "}, "prompt", "invalid_value"),
        ({"prompt": "x" * 32_001}, "prompt", "invalid_value"),
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"n": 0}, "n", "invalid_value"),
        ({"n": 11}, "n", "invalid_value"),
        ({"size": "large"}, "size", "invalid_value"),
        ({"size": "0x1024"}, "size", "invalid_value"),
        ({"size": "1024 x 1024"}, "size", "invalid_value"),
        ({"size": "1024x1024", "extra_body": {"width": 1024}}, "size", "invalid_value"),
        ({"quality": "best"}, "quality", "invalid_value"),
        ({"quality": "hd", "extra_body": {"steps": 20}}, "quality", "invalid_value"),
        ({"style": "vivid", "extra_body": {"style_preset": "anime"}}, "style", "invalid_value"),
        ({"response_format": "jpeg"}, "response_format", "invalid_value"),
        ({"extra_body": {"seed": -1}}, "seed", "invalid_value"),
        ({"extra_body": {"steps": 9}}, "steps", "invalid_value"),
        ({"extra_body": {"negative_prompt": " "}}, "negative_prompt", "invalid_value"),
        ({"extra_body": {"colour": "red"}}, "colour", "unknown_parameter"),
        ({"extra_body": {"svg": {}}}, "svg", "unsupported_parameter"),
        ({"extra_body": {"frame_count": 2}}, "frame_count", "unsupported_parameter"),
        ({"background": "transparent"}, "background", "unsupported_value"),
        ({"extra_body": {"output_format": "gif"}}, "output_format", "unsupported_value"),
        ({"output_compression": 101}, "output_compression", "invalid_value"),
        ({"partial_images": 4}, "partial_images", "invalid_value"),
        ({"response_format": "url", "extra_body": {"stream": True}}, "stream", "invalid_value"),
    ],
    ids=str,
)
def test_wrong_parameter_is_a_bad_request(openai_api: InProcess, fields: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        openai_api.client().images.generate(**({"prompt": "a puppy"} | fields))

    error = caught.value
    assert (error.param, error.type) == (param, "invalid_request_error")
    assert error.code in (code, "invalid_height_or_width", "invalid_pixel_count")
    assert error.request_id == openai_api.replies[-1].headers["x-request-id"]
    assert openai_api.api.runtime.calls == []


@pytest.mark.parametrize(
    "body", ["", "{", "[]", '"x"', "null", '{"prompt": "a", "prompt": "b"}', '{"prompt": "\\ud800"}']
)
def test_body_that_is_no_request_is_a_bad_request(api: ApplicationUnderTest, body: str) -> None:
    reply = api.post(body, path="/v1/images/generations")

    assert reply.status == 400
    assert reply.json["error"].keys() == {"message", "type", "param", "code"}
    assert "text_prompts" not in reply.text


def test_unknown_model_is_not_found(openai_api: InProcess) -> None:
    for call in (
        lambda: openai_api.client().images.generate(prompt="a puppy", model="sora-2"),
        lambda: openai_api.client().models.retrieve("sora-2"),
    ):
        with pytest.raises(openai.NotFoundError, match="There is no model 'sora-2'") as caught:
            call()
        assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


@pytest.mark.parametrize("model", ["sdxl", "stable-diffusion-xl-1024-v1-0"])
def test_own_models_are_listed_and_draw_without_a_warning(openai_api: InProcess, model: str) -> None:
    client = openai_api.client()
    client.images.generate(prompt="a puppy", model=model)

    assert openai_api.warning == ""
    assert model in [listed.id for listed in client.models.list()]
    assert client.models.retrieve(model).id == model


@pytest.mark.parametrize(
    "model", ["dall-e-2", "gpt-image-1", "gpt-image-2.5-sunburst-2026-09-08", "chatgpt-image-latest"]
)
def test_openais_models_are_answered_with_a_warning(openai_api: InProcess, model: str) -> None:
    client = openai_api.client()
    client.images.generate(prompt="a puppy", model=model)

    assert openai_api.warning == f"model {model} is answered by SDXL 1.0."
    assert client.models.retrieve(model).owned_by == "stability-ai"
    assert model not in [listed.id for listed in client.models.list()]


def test_async_models(openai_api: InProcess, event_loop: asyncio.Runner) -> None:
    async def names() -> list[str]:
        client = openai_api.async_client()
        return [model.id async for model in client.models.list()] + [(await client.models.retrieve("sdxl")).id]

    assert event_loop.run(names()) == ["sdxl", "stable-diffusion-xl-1024-v1-0", "sdxl"]


def test_filtered_image_is_a_policy_violation(openai_api: InProcess, runtime: FakeRuntime) -> None:
    runtime.answers(optimized_answer(png_base64(), 1, "CONTENT_FILTERED"))

    with pytest.raises(openai.BadRequestError) as caught:
        openai_api.client().images.generate(prompt="a puppy", n=2)

    assert caught.value.code == "content_policy_violation"


def test_images_that_pass_the_filter_are_answered(openai_api: InProcess, runtime: FakeRuntime) -> None:
    runtime.answer = lambda request: optimized_answer(
        png_base64(), request["seed"], "CONTENT_FILTERED" if request["seed"] == 8 else "SUCCESS"
    )

    answer = openai_api.client().images.generate(prompt="a puppy", n=3, extra_body={"seed": 7})

    assert [image.to_dict()["seed"] for image in answer.data or ()] == [7, 9]
    assert openai_api.warning == "The content filter of the model kept back 1 of 3 images."


def test_refused_term_is_a_policy_violation(make_api: Make) -> None:
    openai_api = InProcess(make_api(refused_terms=("puppy",)))

    with pytest.raises(openai.BadRequestError) as caught:
        openai_api.client().images.generate(prompt="a Puppy")

    assert (caught.value.code, caught.value.param) == ("content_policy_violation", "prompt")


def test_other_media_type_is_refused_in_openais_shape(api: ApplicationUnderTest) -> None:
    for headers, status in (({"Content-Type": "text/plain"}, 415), ({"Accept": "image/png"}, 406)):
        reply = api.post('{"prompt": "a"}', path="/v1/images/generations", headers=headers)
        assert (reply.status, reply.json["error"]["type"]) == (status, "invalid_request_error")


def test_wrong_method_is_refused_in_openais_shape(api: ApplicationUnderTest) -> None:
    reply = api.get("/v1/images/generations")

    assert (reply.status, reply.headers["allow"]) == (405, "POST, OPTIONS")
    assert reply.json["error"]["code"] == "method_not_allowed"
