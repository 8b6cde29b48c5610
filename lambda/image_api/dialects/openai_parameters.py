"""The parameters of the OpenAI images API that this API takes, as JSON schemas.

The same schemas check a request (`openai_values.py`) and are shown in the OpenAPI document. Names and types are those
of the `openai` Python package (`ImageGenerateParams`, `ImageEditParams`, `ImageCreateVariationParams`); ours beside
them are `seed`, `steps`, `cfg_scale`, `sampler`, `negative_prompt`, `style_preset`, `image_strength`, `width` and
`height`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from image_api.request import MAX_PROMPT_CHARACTERS, MAX_SAMPLES
from image_api.schema import request_schema

JsonSchema = dict[str, Any]

# Diffusion steps of each quality. `auto` and `standard` are this API's default; the last three cost time in proportion,
# and may need a longer api.integration_timeout_seconds than the usual 29 s.
QUALITY_STEPS = {
    "low": 20,
    "medium": 35,
    "standard": 50,
    "auto": 50,
    "high": 75,
    "hd": 75,
    "xhigh": 100,
    "max": 150,
}
# DALL-E's two styles, as Stability AI's: hyper-real, and as the model draws by itself.
STYLE_PRESETS = {"vivid": "enhance", "natural": None}

_MAX_NAME_CHARACTERS = 100
_MAX_USER_CHARACTERS = 512


def _text(description: str, most: int, least: int = 1) -> JsonSchema:
    return {"type": "string", "description": description, "minLength": least, "maxLength": most}


def _choice(description: str, *values: str) -> JsonSchema:
    return {"type": "string", "description": description, "enum": list(values)}


@cache
def _shared_parameters() -> JsonSchema:
    """What every route takes."""
    own = request_schema("text-to-image")["properties"]
    return {
        "n": {
            "type": "integer",
            "description": "How many images; each has a seed of its own.",
            "minimum": 1,
            "maximum": MAX_SAMPLES,
            "default": 1,
        },
        "model": _text(
            "sdxl, or the id of an engine. The names of OpenAI's image models (dall-e-3, gpt-image-1, ...) are taken "
            "from clients that send them, and answered by SDXL 1.0; a warning says so.",
            _MAX_NAME_CHARACTERS,
        ),
        "response_format": _choice(
            "The image itself in base64, or a link to it that expires. Left out: a link for the models dall-e-2 and "
            "dall-e-3 and for variations, as the OpenAI API does, and base64 otherwise.",
            "b64_json",
            "url",
        ),
        "user": _text("Accepted and ignored.", _MAX_USER_CHARACTERS, least=0),
        "seed": own["seed"],
        "steps": {**own["steps"], "description": "Diffusion steps: time against detail. In place of quality."},
        "cfg_scale": own["cfg_scale"],
        "sampler": own["sampler"],
        "negative_prompt": _text("What the image must not show.", MAX_PROMPT_CHARACTERS),
        # Not the names themselves: a deployment may have styles of its own.
        "style_preset": _text("A style of GET /v1/presets. In place of style.", _MAX_NAME_CHARACTERS),
    }


@cache
def _model_parameters() -> JsonSchema:
    """What generations and edits take beside."""
    return {
        "prompt": _text("What the image shows.", MAX_PROMPT_CHARACTERS),
        "quality": _choice("Sets the number of diffusion steps: " + _steps_words(), *QUALITY_STEPS),
        "style": _text(
            "vivid (the style enhance), natural (no style), or the name of a style; GET /v1/presets names them.",
            _MAX_NAME_CHARACTERS,
        ),
        "background": _choice("Images are opaque.", "auto", "opaque", "transparent"),
        "complexity": _choice("Accepted without effect.", "low", "medium", "high"),
        "moderation": _choice("Accepted without effect: the deployment decides.", "low", "auto"),
        "output_format": _choice("Images are PNG.", "png", "jpeg", "webp", "gif", "svg"),
        "output_compression": {"type": "integer", "description": "Only 100.", "minimum": 0, "maximum": 100},
        "stream": {"type": "boolean", "description": "Only false: images are answered when they are complete."},
        "partial_images": {"type": "integer", "description": "Only 0.", "minimum": 0, "maximum": 3},
        "safety_identifier": _text("Accepted and ignored.", _MAX_USER_CHARACTERS, least=0),
    }


@cache
def generation_schema() -> JsonSchema:
    """The body of `POST /v1/images/generations`."""
    own = request_schema("text-to-image")["properties"]
    size = _text(
        "auto, WIDTHxHEIGHT in multiples of 64, or a preset of GET /v1/presets. Sizes of OpenAI's models become the "
        "nearest that SDXL 1.0 is trained for; a warning names it.",
        _MAX_NAME_CHARACTERS,
    )
    properties = {
        **_model_parameters(),
        "size": size,
        "width": own["width"],
        "height": own["height"],
        **_shared_parameters(),
    }
    return _object("ImageGeneration", properties, required=("prompt",))


@cache
def edit_schema() -> JsonSchema:
    """The fields of `POST /v1/images/edits` that are not files."""
    properties = {
        **_model_parameters(),
        "size": _image_size(),
        "image_strength": _image_strength(
            "How much of the image stays, from 0 to 1, where no pixels are transparent and there is no mask."
        ),
        "input_fidelity": _choice("Accepted without effect: image_strength says how much stays.", "high", "low"),
        **_shared_parameters(),
    }
    return _object("ImageEdit", properties, required=("prompt",))


@cache
def variation_schema() -> JsonSchema:
    """The fields of `POST /v1/images/variations` that are not files."""
    properties = {
        "size": _image_size(),
        "image_strength": _image_strength("How much of the image stays, from 0 to 1. Left out: 0.5."),
        **_shared_parameters(),
    }
    return _object("ImageVariation", properties, required=())


def _image_size() -> JsonSchema:
    return _text(
        "auto for the size of the image, WIDTHxHEIGHT in multiples of 64, or a preset of GET /v1/presets. The image is "
        "scaled and cut to it where it differs; a warning says so.",
        _MAX_NAME_CHARACTERS,
    )


def _image_strength(description: str) -> JsonSchema:
    return {"type": "number", "description": description, "minimum": 0, "maximum": 1}


def _steps_words() -> str:
    return ", ".join(f"{name} {steps}" for name, steps in QUALITY_STEPS.items()) + "."


def _object(title: str, properties: JsonSchema, *, required: tuple[str, ...]) -> JsonSchema:
    schema = {"title": title, "type": "object", "properties": properties, "additionalProperties": False}
    return {**schema, "required": list(required)} if required else schema
