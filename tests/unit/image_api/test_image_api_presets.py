"""`GET /v1/presets`: a user interface can be built from it, and all it names works."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from image_api.backends import deployed_capabilities
from image_api.bodies import BODIES
from image_api.dialects.http import HttpRequest
from image_api.dialects.route import Deployment
from image_api.dialects.service import presets_reply
from image_api.endpoint_health import NoEndpointHealth
from image_api.json_schema import schema_of
from image_api.presets import ADVANCED_PARAMETERS, SAMPLER_NOTES
from image_api.request import SAMPLERS
from image_api.settings import BedrockModelFamily, Settings
from image_api.styles import Style
from image_api_fakes import ApplicationUnderTest, FakeRuntime

Make = Callable[..., ApplicationUnderTest]
SOURCES = ("optimized", "open")


def presets(api: ApplicationUnderTest) -> dict[str, Any]:
    reply = api.get("/v1/presets")
    assert reply.status == 200
    assert reply.headers["content-type"] == "application/json"
    found: dict[str, Any] = reply.json
    return found


def test_sizes_are_named_by_use_with_their_ratio(api: ApplicationUnderTest) -> None:
    found = presets(api)

    assert [(size["label"], size["ratio"], size["width"], size["height"]) for size in found["sizes"]] == [
        ("Fullscreen", "4:3", 1152, 896),
        ("Widescreen", "16:9", 1344, 768),
        ("Ultrawide", "21:9", 1536, 640),
        ("Mobile landscape", "3:2", 1216, 832),
        ("Square", "1:1", 1024, 1024),
        ("Mobile portrait", "2:3", 832, 1216),
        ("Tall", "9:16", 768, 1344),
    ]
    assert [size["name"] for size in found["sizes"] if size["default"]] == ["square"]
    assert len(found["trained_sizes"]) == 9


def test_every_size_can_be_asked_for_by_name(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    for size in presets(api)["sizes"]:
        assert api.generate(size=size["name"], seed=1).status == 200
        assert (runtime.payloads[-1]["width"], runtime.payloads[-1]["height"]) == (size["width"], size["height"])
        runtime.calls.clear()


def test_size_can_be_written_out(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    assert api.generate(size="896x1152").status == 200
    assert (runtime.payloads[0]["width"], runtime.payloads[0]["height"]) == (896, 1152)


def test_every_sampler_has_a_line_on_it() -> None:
    assert sorted(SAMPLER_NOTES) == sorted(SAMPLERS)
    assert all(note.endswith(".") and len(note) < 90 for note in SAMPLER_NOTES.values())


@pytest.mark.parametrize("source", SOURCES)
def test_supported_samplers_are_those_that_the_model_takes(make_api: Make, source: str) -> None:
    api = make_api(model_source=source)

    samplers = presets(api)["samplers"]

    for sampler in samplers:
        assert (api.generate(sampler=sampler["name"]).status == 200) is sampler["supported"]
    assert [sampler["name"] for sampler in samplers if sampler["recommended"]] == ["K_DPMPP_2M"]


@pytest.mark.parametrize("source", SOURCES)
def test_every_style_works_and_is_described(make_api: Make, source: str) -> None:
    api = make_api(model_source=source, styles=(Style("house", "Our own", "in the house style"),))

    styles = presets(api)["styles"]

    assert len(styles) == 18
    assert styles[-1] == {"name": "house", "label": "House", "description": "Our own", "origin": "team"}
    assert [style["label"] for style in styles[:3]] == ["3D model", "Analog film", "Anime"]
    assert {style["origin"] for style in styles[:-1]} == {"built-in"}
    for style in styles:
        assert style["description"]
        assert api.generate(style_preset=style["name"]).status == 200


def test_parameters_have_bounds_defaults_and_recommendations(api: ApplicationUnderTest) -> None:
    parameters = presets(api)["parameters"]

    assert parameters.keys() == schema_of(BODIES["masking"])["properties"].keys() | {"size", "width", "height"}
    assert parameters["cfg_scale"] == {
        "description": "How closely the image follows the prompt; 5 to 15 work best.",
        "advanced": True,
        "operations": ["text-to-image", "image-to-image", "masking"],
        "type": "number",
        "minimum": 0,
        "maximum": 35,
        "default": 7.0,
        "recommended_minimum": 5,
        "recommended_maximum": 15,
        "supported": True,
    }
    assert parameters["steps"]["default"] == 50
    assert parameters["mask_source"]["choices"] == ["INIT_IMAGE_ALPHA", "MASK_IMAGE_BLACK", "MASK_IMAGE_WHITE"]
    assert parameters["mask_source"]["operations"] == ["masking"]
    for parameter in parameters.values():
        assert parameter["description"].endswith(".")
        low = parameter.get("recommended_minimum", parameter.get("minimum", 0))
        assert parameter.get("minimum", 0) <= low < parameter.get("maximum", low + 1)


def test_limits_are_those_that_requests_are_checked_with(api: ApplicationUnderTest) -> None:
    limits = presets(api)["limits"]

    assert limits == {
        "prompt_characters": 2000,
        "pixels": 1024 * 1024,
        "side_minimum_pixels": 128,
        "side_multiple_pixels": 64,
        "image_bytes": 4_500_000,
        "answer_seconds": 29,
    }
    assert api.generate(text_prompts=[{"text": "x" * limits["prompt_characters"]}]).status == 200
    assert api.generate(text_prompts=[{"text": "x" * (limits["prompt_characters"] + 1)}]).status == 400
    # What an image of the largest size takes in base64 leaves room for every other field.
    assert limits["image_bytes"] * 4 // 3 < 6_291_456 - 10 * 4 * limits["prompt_characters"]


def test_the_engine_is_one_that_paths_can_name(api: ApplicationUnderTest) -> None:
    assert [engine["id"] for engine in api.get("/v1/engines/list").json] == [presets(api)["engine_id"]]


def test_what_creators_seldom_need_is_advanced(api: ApplicationUnderTest) -> None:
    parameters = presets(api)["parameters"]

    advanced = {name for name, parameter in parameters.items() if parameter["advanced"]}
    assert advanced == ADVANCED_PARAMETERS
    assert {"cfg_scale", "steps", "seed", "sampler"} <= advanced
    assert not {"text_prompts", "size", "style_preset", "samples", "init_image", "image_strength"} & advanced


@pytest.mark.parametrize(
    ("settings", "operations", "unsupported"),
    [
        ({}, ["text-to-image", "image-to-image", "masking"], {"clip_guidance_preset", "extras"}),
        (
            {"model_source": "open"},
            ["text-to-image", "image-to-image", "masking"],
            {"clip_guidance_preset", "step_schedule_end"},
        ),
        (
            {"model_source": "open", "masks": "refuse"},
            ["text-to-image", "image-to-image"],
            {"clip_guidance_preset", "mask_image", "mask_source", "step_schedule_end"},
        ),
    ],
)
def test_what_the_deployed_source_cannot_do_is_said(
    make_api: Make, settings: dict[str, Any], operations: list[str], unsupported: set[str]
) -> None:
    found = presets(make_api(**settings))

    assert found["operations"] == operations
    lacking = {one["operation"]: one["reason"] for one in found["unsupported_operations"]}
    assert lacking.keys() == {"text-to-image", "image-to-image", "masking"} - set(operations)
    assert all(reason.startswith("The model that is deployed here cannot ") for reason in lacking.values())
    assert {name for name, parameter in found["parameters"].items() if not parameter["supported"]} == unsupported


@pytest.mark.parametrize(
    ("family", "inpaint_model_id", "operations"),
    [
        ("sdxl-v1", "", ["text-to-image", "image-to-image", "masking"]),
        ("stable-image", "", ["text-to-image"]),
        ("stable-image", "stability.stable-image-inpaint-v1:0", ["text-to-image", "masking"]),
        ("sd3-5", "", ["text-to-image", "image-to-image"]),
    ],
)
def test_bedrock_can_what_its_model_can(
    family: BedrockModelFamily, inpaint_model_id: str, operations: list[str]
) -> None:
    settings = Settings(
        environment="dev",
        model_source="bedrock",
        endpoint_name="",
        images_bucket="images",
        image_link_ttl_seconds=3600,
        timeout_seconds=29,
        cors_allow_origins=(),
        bedrock_model_family=family,
        bedrock_inpaint_model_id=inpaint_model_id,
    )

    deployment = Deployment(settings, deployed_capabilities(settings), NoEndpointHealth())

    found = json.loads(presets_reply(HttpRequest({}, b""), deployment).body)

    assert found["operations"] == operations
    parameters = found["parameters"]
    assert parameters["mask_image"]["supported"] is ("masking" in operations)
    assert parameters["image_strength"]["supported"] is ("image-to-image" in operations)
    assert parameters["init_image"]["supported"] is (len(operations) > 1)
    assert parameters["steps"]["supported"] is (family == "sdxl-v1")
    assert parameters["size"]["supported"] is True
