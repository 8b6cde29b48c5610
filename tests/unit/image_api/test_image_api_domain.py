"""The domain model: defaults, seeds, sizes, and the schemas of its bodies."""

from __future__ import annotations

import secrets

import pytest
from image_api import presets
from image_api.bodies import BODIES
from image_api.errors import InvalidRequestError
from image_api.json_schema import schema_of
from image_api.request import MAX_PIXELS, MAX_SEED, OPERATIONS, GenerationRequest, Operation, TextPrompt
from image_api.validation import convert_request, read_request
from image_api_documented import documented

_PUPPY = (TextPrompt("a puppy"),)


def test_defaults_fit_sdxl() -> None:
    request = read_request(b'{"text_prompts":[{"text":"a puppy"}]}')

    assert request == GenerationRequest(
        text_prompts=_PUPPY,
        width=1024,
        height=1024,
        cfg_scale=7.0,
        steps=50,
        seed=0,
        sampler="K_DPMPP_2M",
        samples=1,
        clip_guidance_preset="NONE",
        given=frozenset({"text_prompts"}),
    )
    assert request.operation == "text-to-image"
    assert request.text_prompts[0].weight == 1.0


@pytest.mark.parametrize(
    "fields",
    [
        {"width": 128, "height": 8192},
        {"width": 8192, "height": 128},
        {"cfg_scale": 0},
        {"cfg_scale": 35},
        {"steps": 10},
        {"steps": 150},
        {"seed": MAX_SEED},
        {"samples": 10},
        {"style_preset": "neon-punk", "clip_guidance_preset": "SLOWEST", "sampler": "K_DPMPP_SDE"},
        {"text_prompts": [{"text": "a" * 2000, "weight": 1}] * 10},
        {"text_prompts": [{"text": "子犬 🐶 \u0000"}, {"text": "cat", "weight": -1.5}]},
        {"extras": {}},
        {"extras": {"use_refiner": True, "refiner_steps": 150, "refiner_strength": 1}},
        {"extras": {"use_refiner": False}},
    ],
    ids=str,
)
def test_bounds_are_inclusive_in_the_function_and_in_the_document(fields: dict[str, object]) -> None:
    body = {"text_prompts": [{"text": "a puppy"}], **fields}

    convert_request(body)
    documented("TextToImage").validate(body)


@pytest.mark.parametrize("weight", [float("nan"), float("inf")])
def test_weight_from_python_must_be_finite(weight: float) -> None:
    with pytest.raises(InvalidRequestError, match="finite"):
        convert_request({"text_prompts": [{"text": "a", "weight": weight}]})


def test_samples_count_up_from_the_seed() -> None:
    assert GenerationRequest(text_prompts=_PUPPY, seed=7, samples=3).seeds() == (7, 8, 9)


def test_seeds_wrap_to_1_because_0_means_random() -> None:
    request = GenerationRequest(text_prompts=_PUPPY, seed=MAX_SEED - 1, samples=4)

    assert request.seeds() == (MAX_SEED - 1, MAX_SEED, 1, 2)


@pytest.mark.parametrize(("drawn", "seed"), [(0, 1), (41, 42), (MAX_SEED - 1, MAX_SEED)])
def test_seed_0_is_drawn_and_never_0(monkeypatch: pytest.MonkeyPatch, drawn: int, seed: int) -> None:
    monkeypatch.setattr(secrets, "randbelow", lambda limit: {MAX_SEED: drawn}[limit])

    assert GenerationRequest(text_prompts=_PUPPY).seeds() == (seed,)


def test_nine_sizes_are_trained_and_within_bounds() -> None:
    assert len(presets.TRAINED_SIZES) == 9
    assert max(width * height for width, height in presets.TRAINED_SIZES) == MAX_PIXELS
    for width, height in presets.TRAINED_SIZES:
        request = convert_request({"text_prompts": [{"text": "a"}], "width": width, "height": height})
        assert presets.sdxl_warnings(request) == ()


def test_presets_are_named_by_use() -> None:
    assert {preset.name: (preset.width, preset.height) for preset in presets.SIZE_PRESETS} == {
        "fullscreen": (1152, 896),
        "widescreen": (1344, 768),
        "ultrawide": (1536, 640),
        "mobile-landscape": (1216, 832),
        "square": (1024, 1024),
        "mobile-portrait": (832, 1216),
        "tall": (768, 1344),
    }


def test_other_size_is_warned_about_in_header_characters() -> None:
    request = convert_request({"text_prompts": [{"text": "a"}], "width": 512, "height": 512})

    (warning,) = presets.sdxl_warnings(request)

    assert warning.isascii()
    assert "512x512" in warning
    assert "1024x1024" in warning


def test_schema_refuses_unknown_fields_everywhere() -> None:
    schema = schema_of(BODIES["text-to-image"])

    assert schema["required"] == ["text_prompts"]
    for part in (schema, schema["properties"]["text_prompts"]["items"], schema["properties"]["extras"]):
        assert part["additionalProperties"] is False


@pytest.mark.parametrize("operation", OPERATIONS)
def test_every_field_is_typed_and_described(operation: Operation) -> None:
    for name, field in schema_of(BODIES[operation])["properties"].items():
        assert field["type"] in ("array", "integer", "number", "object", "string"), name
        assert field["description"].endswith("."), name
