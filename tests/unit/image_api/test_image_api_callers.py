"""Requests as published clients write them, and errors in the words of the convention that they speak."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from image_api.engines import OLDER_ENGINE_IDS
from image_api.presets import prompt_tokens
from image_api_fakes import ApplicationUnderTest, FakeRuntime, Reply, container_error, proxy_event
from image_api_forms import IMAGE_TO_IMAGE, MASKING, form, in_base64, part, picture, post_http, post_json, raw_form
from openai_in_process import InProcess, payload
from openai_pictures_support import picture as small_picture
from openai_pictures_support import sent

Make = Callable[..., ApplicationUnderTest]
_PROMPT = {"text_prompts[0][text]": "a puppy"}
_EDITS, _GENERATIONS, _VARIATIONS = "/v1/images/edits", "/v1/images/generations", "/v1/images/variations"
# What only the other convention calls so.
_STABILITY_WORDS = re.compile(
    r"text_prompts|init_image|mask_image|mask_source|\bsamples\b|/v1/generation|width x height|artifacts|engine"
)


def _openai(api: ApplicationUnderTest, path: str, **fields: Any) -> Reply:
    return api.post(json.dumps({"prompt": "a puppy"} | fields), path=path)


# What is left out


@pytest.mark.parametrize("name", ["seed", "style_preset", "sampler", "size", "steps", "extras", "clip_guidance_preset"])
def test_null_is_left_out(api: ApplicationUnderTest, name: str) -> None:
    assert api.generate(**{name: None}).status == 200


def test_null_within_a_prompt_is_left_out(api: ApplicationUnderTest) -> None:
    assert api.generate(text_prompts=[{"text": "a puppy", "weight": None}]).status == 200
    assert payload(api)["text_prompts"] == [{"text": "a puppy", "weight": 1.0}]


def test_null_in_place_of_an_image_and_its_options(api: ApplicationUnderTest) -> None:
    reply = post_json(api, IMAGE_TO_IMAGE, init_image=in_base64(picture()), image_strength=None, init_image_mode=None)

    assert reply.status == 200


def test_byte_order_mark_is_ignored(api: ApplicationUnderTest) -> None:
    for path, body in (
        (_GENERATIONS, {"prompt": "a"}),
        ("/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image", {"text_prompts": [{"text": "a"}]}),
    ):
        assert api.post("\ufeff" + json.dumps(body), path=path).status == 200


def test_blank_form_fields_are_left_out(api: ApplicationUnderTest) -> None:
    blank = dict.fromkeys(("seed", "style_preset", "sampler", "steps", "cfg_scale", "image_strength"), "")
    blank |= {"text_prompts[1][text]": "", "text_prompts[1][weight]": "-1"}

    reply = post_http(api, IMAGE_TO_IMAGE, form({**_PROMPT, **blank}, {"init_image": picture()}))

    assert reply.status == 200
    assert payload(api)["text_prompts"] == [{"text": "a puppy", "weight": 1.0}]


@pytest.mark.parametrize("path", [_EDITS, _VARIATIONS])
def test_blank_form_fields_are_left_out_for_openai_too(api: ApplicationUnderTest, path: str) -> None:
    blank = dict.fromkeys(("size", "n", "seed", "response_format", "user"), "")
    prompt = {"prompt": "oil"} if path == _EDITS else {}

    assert post_http(api, path, form({**prompt, **blank}, {"image": small_picture()})).status == 200


@pytest.mark.parametrize("parameters", ['; filename=""', '; filename="mask.png"', ""])
def test_empty_mask_is_left_out(api: ApplicationUnderTest, parameters: str) -> None:
    http = raw_form(
        part("prompt", b"oil"),
        part("image", small_picture(), parameters='; filename="a.png"', headers=["Content-Type: image/png"]),
        part("mask", b"", parameters=parameters, headers=["Content-Type: application/octet-stream"]),
    )

    assert post_http(api, _EDITS, http).status == 200
    assert "mask_image" not in payload(api)


# Names and routes


@pytest.mark.parametrize("engine", OLDER_ENGINE_IDS)
def test_older_engine_is_answered_with_a_warning(api: ApplicationUnderTest, engine: str) -> None:
    reply = api.post('{"text_prompts":[{"text":"a"}]}', path=f"/v1/generation/{engine}/text-to-image")

    assert reply.status == 200
    assert reply.headers["x-sdxl-warning"] == f"engine {engine} is answered by stable-diffusion-xl-1024-v1-0."


def test_older_engine_is_a_model_of_the_other_convention_too(api: ApplicationUnderTest) -> None:
    reply = _openai(api, _GENERATIONS, model="stable-diffusion-v1-6")

    assert (reply.status, reply.headers["x-sdxl-warning"]) == (
        200,
        "model stable-diffusion-v1-6 is answered by SDXL 1.0.",
    )


def test_account_is_a_constant_that_says_so(api: ApplicationUnderTest) -> None:
    reply = api.get("/v1/user/account")

    assert reply.status == 200
    assert reply.json.keys() == {"id", "email", "organizations", "profile_picture"}
    assert reply.json["organizations"][0].keys() == {"id", "name", "role", "is_default"}
    assert "no accounts" in reply.headers["x-sdxl-warning"]


def test_upscaling_says_that_its_model_is_not_there(api: ApplicationUnderTest) -> None:
    reply = api.post("{}", path="/v1/generation/esrgan-v1-x2plus/image-to-image/upscale")

    assert reply.error == (404, "not_found")
    assert "another model" in reply.json["message"]


@pytest.mark.parametrize("path", ["/v1/images", "/v1/images/upscale", "/v1/chat/completions", "/v1/responses"])
def test_unknown_path_of_openai_is_answered_in_its_shape(api: ApplicationUnderTest, path: str) -> None:
    reply = api.post("{}", path=path)

    assert (reply.status, reply.json["error"]["code"]) == (404, "not_found")
    assert "/v1/images/generations" in reply.json["error"]["message"]
    assert not _STABILITY_WORDS.search(reply.json["error"]["message"])


def test_first_of_several_accept_headers_counts(api: ApplicationUnderTest) -> None:
    event = proxy_event('{"text_prompts":[{"text":"a"}]}', headers={"Accept": "image/png"})
    event["multiValueHeaders"]["Accept"] = ["application/json", "image/png"]

    assert api.handle(event).headers["content-type"] == "application/json"


@pytest.mark.parametrize("accept", ["image/*", "image/webp,image/png", "image/jpeg", "text/html, image/png"])
def test_image_that_the_gateway_would_not_decode_is_not_acceptable(api: ApplicationUnderTest, accept: str) -> None:
    reply = api.generate(accept=accept)

    assert reply.error == (406, "not_acceptable")
    assert "image/png as the first" in reply.json["message"]


# Images of the OpenAI convention


@pytest.mark.parametrize("name", ["image", "image[]", "image[0]", "image[1]"])
def test_image_is_taken_under_each_of_its_names(api: ApplicationUnderTest, name: str) -> None:
    http = raw_form(part("prompt", b"oil"), part(name, small_picture()))

    assert post_http(api, _EDITS, http).status == 200
    assert sent(payload(api)["init_image"]).size == (128, 128)


@pytest.mark.parametrize("names", [("image", "image"), ("image[]", "image[]"), ("image[0]", "image[1]")])
@pytest.mark.parametrize("path", [_EDITS, _VARIATIONS])
def test_several_images_are_refused_in_one_sentence(api: ApplicationUnderTest, path: str, names: Any) -> None:
    prompt = [part("prompt", b"oil")] if path == _EDITS else []

    error = post_http(api, path, raw_form(*prompt, *(part(name, small_picture()) for name in names))).json["error"]

    assert (error["param"], error["code"]) == ("image", "invalid_value")
    assert error["message"] == "SDXL 1.0 draws from one image, and image has 2. Send one image."


def test_file_under_another_name_says_where_images_go(api: ApplicationUnderTest) -> None:
    http = form({"prompt": "oil"}, {"image": small_picture(), "picture": small_picture()})

    error = post_http(api, _EDITS, http).json["error"]

    assert (error["param"], error["code"]) == ("picture", "unknown_parameter")
    assert "image or image[]" in error["message"]


def _url(file: bytes, kind: str = "png") -> str:
    return f"data:image/{kind};base64,{base64.b64encode(file).decode()}"


def test_edit_is_taken_as_json(api: ApplicationUnderTest) -> None:
    image, mask = {"image_url": _url(small_picture())}, {"image_url": _url(small_picture(mode="RGBA"))}

    reply = _openai(api, _EDITS, images=[image], mask=mask, n=1, seed=7, size=None)

    assert reply.status == 200
    body = payload(api)
    assert (body["mask_source"], body["seed"]) == ("MASK_IMAGE_WHITE", 7)
    assert sent(body["mask_image"]).getpixel((10, 10)) == 255


def test_streamed_edit_is_an_event_of_its_kind(api: ApplicationUnderTest) -> None:
    reply = _openai(api, _EDITS, images=[{"image_url": _url(small_picture())}], stream=True)

    assert reply.text.startswith("event: image_edit.completed\ndata: {")


@pytest.mark.parametrize(
    ("fields", "param", "words"),
    [
        ({"images": [{"image_url": "https://example.com/a.png"}]}, "images", "not fetched"),
        ({"images": [{"image_url": "http://169.254.169.254/"}]}, "images", "not fetched"),
        ({"images": [{"image_url": "file:///etc/passwd"}]}, "images", "not fetched"),
        ({"images": [{"file_id": "file-1"}]}, "images", "image_url"),
        ({"images": [{"image_url": "data:image/png;base64,%%%"}]}, "images", "not base64"),
        ({"images": [{"image_url": _url(b"text")}]}, "images", "not a readable image"),
        ({"images": ["data:"]}, "images", "an object with image_url"),
        ({"images": [{"image_url": _url(b"")}]}, "images", "not a readable image"),
        ({"images": []}, "images", "images is missing"),
        ({"images": "x"}, "images", "an array"),
        ({}, "images", "images is missing"),
        ({"images": [{"image_url": _url(small_picture())}] * 2}, "images", "one image"),
        ({"images": [{"image_url": _url(small_picture())}], "mask": {"file_id": "f"}}, "mask", "image_url"),
        ({"images": [{"image_url": _url(small_picture())}], "image": "x"}, "image", "image"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_wrong_edit_in_json_names_its_parameter(
    api: ApplicationUnderTest, fields: dict[str, Any], param: str, words: str
) -> None:
    reply = _openai(api, _EDITS, **fields)

    assert reply.status == 400
    assert reply.json["error"]["param"] == param
    assert words in reply.json["error"]["message"]
    assert api.runtime.calls == []


# Errors in the caller's own words


_BEDROCK = {
    "model_source": "bedrock",
    "endpoint_name": "",
    "bedrock_model_id": "m",
    "bedrock_region": "us-west-2",
}
_DEPLOYMENTS = {
    "open": {"model_source": "open", "masks": "refuse"},
    "core": {**_BEDROCK, "bedrock_model_family": "stable-image"},
    "sd3-5": {**_BEDROCK, "bedrock_model_family": "sd3-5"},
    "sdxl-v1": {**_BEDROCK, "bedrock_model_family": "sdxl-v1"},
}
_LARGE = (512, 512)


def _edit(**fields: Any) -> dict[str, Any]:
    return {"images": [{"image_url": _url(small_picture(_LARGE))}], **fields}


@pytest.mark.parametrize(
    ("deployment", "path", "fields", "param"),
    [
        ("open", _EDITS, _edit(mask={"image_url": _url(small_picture(_LARGE, "RGBA"))}), "mask"),
        ("open", _GENERATIONS, {"sampler": "DDIM"}, "sampler"),
        ("open", _GENERATIONS, {"size": "192x192"}, "size"),
        ("open", _EDITS, {"images": [{"image_url": _url(small_picture((192, 192)))}]}, "size"),
        ("core", _EDITS, _edit(), "image"),
        ("core", _EDITS, _edit(mask={"image_url": _url(small_picture(_LARGE, "RGBA"))}), "mask"),
        ("core", _GENERATIONS, {"prompt": "word " * 3000}, "prompt"),
        ("core", _GENERATIONS, {"seed": 2**32 - 1, "n": 2}, "seed"),
        ("sdxl-v1", _GENERATIONS, {"size": "640x640"}, "size"),
        ("sdxl-v1", _EDITS, _edit(steps=100, size="1024x1024"), "steps"),
        ("sdxl-v1", _GENERATIONS, {"sampler": "K_DPMPP_SDE"}, "sampler"),
    ],
)
def test_refusal_by_a_model_names_a_parameter_of_the_route(
    make_api: Make, deployment: str, path: str, fields: dict[str, Any], param: str
) -> None:
    api = make_api(**_DEPLOYMENTS[deployment])

    reply = _openai(api, path, **fields)

    error = reply.json["error"]
    assert (reply.status, error["param"]) == (400, param)
    assert error["code"] == "unsupported_value"
    assert not _STABILITY_WORDS.search(error["message"]), error["message"]
    assert api.runtime.calls == []


@pytest.mark.parametrize("path", [_GENERATIONS, _EDITS])
@pytest.mark.parametrize(
    ("answer", "param"),
    [
        ('{"name":"bad_request","message":"text_prompts[0].text is odd"}', "model"),
        ('{"name":"invalid_prompts","message":"Invalid prompts detected in text_prompts"}', "prompt"),
        ('{"name":"invalid_height_or_width","message":"no"}', "size"),
        ("nothing", "model"),
    ],
)
def test_words_of_a_model_server_become_the_callers(
    api: ApplicationUnderTest, runtime: FakeRuntime, path: str, answer: str, param: str
) -> None:
    runtime.fails(container_error(400, answer))

    error = _openai(api, path, **(_edit() if path == _EDITS else {})).json["error"]

    assert error["param"] == param
    assert not _STABILITY_WORDS.search(error["message"])


def test_refused_style_is_named_as_it_was_sent(api: ApplicationUnderTest) -> None:
    error = _openai(api, _GENERATIONS, style="cubist").json["error"]

    assert error["param"] == "style"
    assert error["message"].startswith('style is "cubist"')


def test_refused_negative_prompt_is_named_so(make_api: Make) -> None:
    error = _openai(make_api(refused_terms=("gun",)), _GENERATIONS, negative_prompt="a gun").json["error"]

    assert (error["param"], error["code"]) == ("negative_prompt", "content_policy_violation")
    assert "negative_prompt holds" in error["message"]


def test_image_that_is_too_large_for_the_model_is_named(api: ApplicationUnderTest) -> None:
    http = form({"prompt": "oil"}, {"image": small_picture((1024, 1024)) + bytes(5_000_000)})

    error = post_http(api, _EDITS, http).json["error"]

    assert (error["param"], error["code"]) == ("image", "request_too_large")
    assert error["message"].count("image has") == 1
    assert not _STABILITY_WORDS.search(error["message"])


def test_caller_of_stability_gets_its_own_names(make_api: Make) -> None:
    reply = post_json(
        make_api(model_source="open", masks="refuse"),
        MASKING,
        init_image=in_base64(picture()),
        mask_source="MASK_IMAGE_WHITE",
        mask_image=in_base64(picture()),
    )

    assert reply.error == (400, "bad_request")
    assert reply.json["problems"][0]["field"] == "mask_source"


# Prompts longer than SDXL reads


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [
        ("a fox in deep snow", 5, 5),
        ("a photorealistic portrait, 35mm, f/1.8", 12, 16),
        ("a fox in deep snow, " * 50, 280, 320),
        ("雪の中の狐", 10, 20),
        ("", 0, 0),
    ],
)
def test_tokens_are_estimated(text: str, least: int, most: int) -> None:
    assert least <= prompt_tokens(text) <= most


@pytest.mark.parametrize("words", [75, 76])
def test_prompt_beyond_what_sdxl_reads_is_taken_with_a_warning(api: ApplicationUnderTest, words: int) -> None:
    stability = api.generate(text_prompts=[{"text": "snow " * words}])
    openai = _openai(api, _GENERATIONS, prompt="snow " * words)

    for reply in (stability, openai):
        assert reply.status == 200
        assert ("SDXL 1.0 reads 75 at a time" in reply.headers.get("x-sdxl-warning", "")) is (words > 75)


@pytest.mark.parametrize("source", ["open", "optimized"])
def test_longest_prompt_is_sent_as_far_as_the_model_takes_it(make_api: Make, runtime: FakeRuntime, source: str) -> None:
    openai_api = InProcess(make_api(model_source=source))

    openai_api.client().images.generate(prompt="a fox in deep snow, " * 1600, model="gpt-image-1")

    (prompt,) = runtime.payloads[0]["text_prompts"]
    assert len(prompt["text"]) == 2000
    assert "the first 2000 of its 32000 characters" in openai_api.warning


def test_longest_prompt_of_an_edit_is_taken(api: ApplicationUnderTest) -> None:
    assert post_http(api, _EDITS, form({"prompt": "snow " * 6400}, {"image": small_picture()})).status == 200


def test_prompt_of_stability_keeps_its_bound(api: ApplicationUnderTest) -> None:
    assert api.generate(text_prompts=[{"text": "a" * 2001}]).error == (400, "invalid_prompts")
