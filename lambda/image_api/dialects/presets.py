"""`GET /v1/presets`: everything that a user interface for creators needs to be built from.

Sizes by their intended use, samplers and styles with a line that explains each, every parameter with its bounds, its
recommended range and its default, which of them are advanced, and what the deployed model can do.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from image_api.dialects.http import HttpReply, HttpRequest, json_reply
from image_api.dialects.route import PlainRoute, Route
from image_api.dialects.stability_v1 import error_reply
from image_api.presets import ADVANCED_PARAMETERS, RECOMMENDED_RANGES, SAMPLER_NOTES, SIZE_PRESETS, TRAINED_SIZES
from image_api.request import DEFAULT_SAMPLER, OPERATIONS, STYLE_PRESETS
from image_api.schema import request_schema
from image_api.settings import Settings
from image_api.styles import BUILT_IN_STYLES, Style

# What a schema says of a parameter that a user interface shows.
_BOUNDS = ("type", "minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "default")


def presets_reply(_: HttpRequest, settings: Settings) -> HttpReply:
    """Answer with this deployment's presets."""
    # Few requests ask for this, and a cold start should not wait for it.
    from image_api.backends.capabilities import capabilities  # noqa: PLC0415

    able = capabilities(settings)
    return json_reply(
        200,
        {
            "model_source": settings.model_source,
            "operations": [operation for operation in OPERATIONS if operation in able.operations],
            "sizes": [_size(preset.name) for preset in SIZE_PRESETS],
            "trained_sizes": [f"{width}x{height}" for width, height in sorted(TRAINED_SIZES, reverse=True)],
            "samplers": [
                {
                    "name": name,
                    "description": note,
                    "supported": name in able.samplers,
                    "recommended": name == DEFAULT_SAMPLER,
                }
                for name, note in SAMPLER_NOTES.items()
            ],
            "styles": [_style(style) for style in (*BUILT_IN_STYLES, *settings.styles)],
            "parameters": {name: {**fields, "supported": name in able.parameters} for name, fields in _parameters()},
            "max_text_prompts": able.max_text_prompts,
        },
    )


def _size(name: str) -> dict[str, Any]:
    preset = next(preset for preset in SIZE_PRESETS if preset.name == name)
    return {
        "name": preset.name,
        "label": preset.label,
        "ratio": preset.ratio,
        "width": preset.width,
        "height": preset.height,
        "default": preset.name == "square",
    }


def _style(style: Style) -> dict[str, Any]:
    origin = "built-in" if style.name in STYLE_PRESETS else "team"
    return {"name": style.name, "description": style.description, "origin": origin}


@cache
def _parameters() -> tuple[tuple[str, dict[str, Any]], ...]:
    found: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        for name, schema in request_schema(operation)["properties"].items():
            parameter = found.setdefault(name, _parameter(name, schema))
            parameter["operations"].append(operation)
    return tuple(found.items())


def _parameter(name: str, schema: dict[str, Any]) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "description": schema["description"],
        "advanced": name in ADVANCED_PARAMETERS,
        "operations": [],
        **{keyword: schema[keyword] for keyword in _BOUNDS if keyword in schema},
    }
    # Samplers and styles have lists of their own above.
    if "enum" in schema and name not in ("sampler", "style_preset"):
        fields["choices"] = schema["enum"]
    if name in RECOMMENDED_RANGES:
        fields["recommended_minimum"], fields["recommended_maximum"] = RECOMMENDED_RANGES[name]
    return fields


ROUTES: tuple[Route, ...] = (
    PlainRoute(method="GET", path="/v1/presets", answer=presets_reply, error_reply=error_reply),
)
