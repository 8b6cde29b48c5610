"""What the parameters of an OpenAI images request mean to SDXL: checked, and turned into the domain's own fields."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from image_api.dialects.openai_errors import InvalidParameterError
from image_api.dialects.openai_models import check_model, model_warning
from image_api.dialects.openai_parameters import QUALITY_STEPS, STYLE_PRESETS, JsonSchema
from image_api.explain import find_problems, shown
from image_api.presets import SIZE_PRESETS, TRAINED_SIZES, parse_size

ResponseFormat = Literal["b64_json", "url"]

# The sizes that OpenAI's own models draw, which its clients ask for by habit.
OPENAI_SIZES = frozenset({"256x256", "512x512", "1024x1024", "1792x1024", "1024x1792", "1536x1024", "1024x1536"})
NEGATIVE_WEIGHT = -1.0

_MAX_PROBLEMS = 5
# What asks for abilities that SDXL has not, and why not.
_UNSUPPORTED_PARAMETERS = {
    "frame_count": "SDXL 1.0 makes single images",
    "frame_duration_ms": "SDXL 1.0 makes single images",
    "markup": "SDXL 1.0 takes no drawing over an image",
    "svg": "SDXL 1.0 makes PNG images",
}
_SUPPORTED_VALUES: dict[str, tuple[tuple[object, ...], str]] = {
    "background": (("auto", "opaque"), "SDXL 1.0 makes no transparent images"),
    "output_format": (("png",), "images are PNG"),
    "output_compression": ((100,), "images are PNG, which loses nothing"),
    "stream": ((False,), "images are answered when they are complete"),
    "partial_images": ((0,), "images are answered when they are complete"),
}
# Hints without effect here, and the values that ask for nothing special and so need no warning.
_HINTS: dict[str, tuple[object, ...]] = {"complexity": (), "input_fidelity": (), "moderation": ("auto",)}
_IGNORED = ("user", "safety_identifier")

_INTEGER = re.compile(r"[+-]?[0-9]{1,20}")
_NUMBER = re.compile(r"[+-]?([0-9]{1,20}(\.[0-9]{0,20})?|\.[0-9]{1,20})([eE][+-]?[0-9]{1,2})?")


def from_form(fields: Mapping[str, str], schema: JsonSchema) -> dict[str, object]:
    """A form's texts in the types of `schema`; one that cannot be converted stays a text, for the check to refuse."""
    return {name: _typed(text, schema["properties"].get(name, {}).get("type")) for name, text in fields.items()}


def read_parameters(fields: object, schema: JsonSchema, warnings: list[str]) -> dict[str, Any]:
    """The parameters that are set, checked one by one. What has no effect is left out, and told in `warnings`.

    Raises:
        InvalidParameterError: naming a parameter that is wrong; further ones stand in its message.
    """
    if not isinstance(fields, dict):
        raise InvalidParameterError(
            f"The body is {shown(fields)}, allowed is a JSON object. Send one such as {{}}.", param=""
        )
    values = {name: value for name, value in fields.items() if value is not None}
    for name, reason in _UNSUPPORTED_PARAMETERS.items():
        if name in values:
            raise InvalidParameterError(
                f"{name} is not supported: {reason}. Leave it out.", param=name, code="unsupported_parameter"
            )
    _check_schema(values, schema)
    for name, (supported, reason) in _SUPPORTED_VALUES.items():
        if name in values and (value := values.pop(name)) not in supported:
            raise InvalidParameterError(
                f"{name} is {shown(value)}, which is not supported: {reason}. "
                f"Leave it out, or send {' or '.join(shown(one) for one in supported)}.",
                param=name,
                code="unsupported_value",
            )
    for name, quiet in _HINTS.items():
        if name in values and (value := values.pop(name)) not in quiet:
            warnings.append(f"{name} has no effect here.")
    for name in _IGNORED:
        values.pop(name, None)
    _check_texts(values)
    return values


def _check_texts(values: Mapping[str, Any]) -> None:
    """Raise `InvalidParameterError` for a prompt that says nothing, or that cannot be written as UTF-8."""
    for name in ("prompt", "negative_prompt"):
        text = values.get(name)
        if text is None:
            continue
        if not text.strip():
            raise InvalidParameterError(
                f"{name} is {shown(text)}, allowed is a text that is not blank. Describe an image.", param=name
            )
        if any("\ud800" <= character <= "\udfff" for character in text):
            raise InvalidParameterError(
                f"{name} holds half of a surrogate pair and is not valid Unicode. Encode the text as UTF-8.",
                param=name,
            )


def domain_fields(values: Mapping[str, Any], prompt: str, warnings: list[str]) -> dict[str, Any]:
    """The fields of a `GenerationRequest` that all three routes have in common, without its size.

    Raises:
        UnknownModelError: `model` is none that is answered for.
        InvalidParameterError: two parameters say the same thing.
    """
    if model := values.get("model"):
        check_model(model)
        warnings += model_warning(model)
    prompts: list[dict[str, object]] = [{"text": prompt}]
    if negative := values.get("negative_prompt"):
        prompts.append({"text": negative, "weight": NEGATIVE_WEIGHT})
    fields: dict[str, Any] = {"text_prompts": prompts, "samples": values.get("n", 1)}
    fields |= {name: values[name] for name in ("seed", "cfg_scale", "sampler") if name in values}
    if (steps := _steps(values)) is not None:
        fields["steps"] = steps
    if (style := _style(values)) is not None:
        fields["style_preset"] = style
    return fields


def read_size(text: str) -> tuple[int, int] | None:
    """The size that `size` names; None for `auto`.

    Raises:
        InvalidParameterError: it names none.
    """
    if text == "auto":
        return None
    try:
        return parse_size(text)
    except ValueError as exc:
        names = ", ".join(preset.name for preset in SIZE_PRESETS)
        raise InvalidParameterError(
            f"size is {shown(text)}, allowed is auto, WIDTHxHEIGHT such as 1024x1024, or one of {names}. Change it.",
            param="size",
        ) from exc


def trained_size(size: tuple[int, int], name: str, warnings: list[str]) -> tuple[int, int]:
    """`size`, or in place of one of OpenAI's sizes the nearest that SDXL 1.0 is trained for, told in `warnings`."""
    if name not in OPENAI_SIZES or size in TRAINED_SIZES:
        return size
    nearest = nearest_trained_size(*size)
    warnings.append(f"size {name} is drawn as {nearest[0]}x{nearest[1]}, the nearest SDXL 1.0 is trained for.")
    return nearest


def nearest_trained_size(width: int, height: int) -> tuple[int, int]:
    """The trained size whose sides have the most similar proportion."""
    return min(sorted(TRAINED_SIZES), key=lambda size: abs(math.log(size[0] * height / (size[1] * width))))


def _check_schema(values: dict[str, Any], schema: JsonSchema) -> None:
    unknown = [name for name in values if name not in schema["properties"]]
    problems = find_problems(values, schema)
    if not problems:
        return
    message = " ".join(problem.message for problem in problems[:_MAX_PROBLEMS])
    if len(problems) > _MAX_PROBLEMS:
        message += f" And {len(problems) - _MAX_PROBLEMS} more."
    if unknown:
        # A name is the caller's: it may hold half of a surrogate pair, which no answer can.
        name = unknown[0][:100].encode(errors="backslashreplace").decode()
        raise InvalidParameterError(message, param=name, code="unknown_parameter")
    name = problems[0].field
    code = "invalid_value" if name in values else "missing_required_parameter"
    raise InvalidParameterError(message, param=name, code=code)


def _steps(values: Mapping[str, Any]) -> int | None:
    quality = values.get("quality")
    if "steps" not in values:
        return None if quality is None else QUALITY_STEPS[quality]
    if quality not in (None, "auto"):
        raise InvalidParameterError(
            f"quality is {quality}, which means {QUALITY_STEPS[quality]} steps, and steps is {values['steps']}. "
            "Send one of them.",
            param="quality",
        )
    steps: int = values["steps"]
    return steps


def _style(values: Mapping[str, Any]) -> str | None:
    style, preset = values.get("style"), values.get("style_preset")
    if style is not None and preset is not None:
        raise InvalidParameterError(
            f"style is {shown(style)} and style_preset is {shown(preset)}, which say the same thing. Send one of them.",
            param="style",
        )
    return preset if style is None else STYLE_PRESETS.get(style, style)


def _typed(text: str, type_name: str | None) -> object:
    match type_name:
        case "integer" if _INTEGER.fullmatch(text):
            return int(text)
        case "number" if _NUMBER.fullmatch(text):
            return float(text)
        case "boolean" if text in ("true", "false"):
            return text == "true"
        case _:
            return text
