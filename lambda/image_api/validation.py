"""From JSON to a `GenerationRequest`, or an error that says exactly what is wrong with it.

The same rules as API Gateway's, from the same schema, because the function can be invoked past the gateway; and the
rules that span fields, which a schema of draft-04 cannot state. Each message names the field, the value received, what
is allowed and what to do.
"""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn, cast

import msgspec
from msgspec import UNSET

from image_api.bodies import BODIES, GenerationBody, ImageToImageBody, MaskingBody, TextToImageBody
from image_api.errors import InvalidRequestError
from image_api.explain import Problem, find_problems, shown
from image_api.image_checks import check_init_image, check_mask
from image_api.presets import SIZES_BY_NAME, parse_size
from image_api.request import (
    MAX_PIXELS,
    MAX_SIDE,
    MIN_SIDE,
    SIZE_STEP,
    GenerationRequest,
    InitImage,
    Mask,
    Operation,
)
from image_api.schema import request_schema

_MAX_PROBLEMS = 5

# Stability AI's error names, by the field at fault.
_ERROR_NAMES = {
    "text_prompts": "invalid_prompts",
    "width": "invalid_height_or_width",
    "height": "invalid_height_or_width",
    "size": "invalid_height_or_width",
    "samples": "invalid_samples",
}


def read_request(body: bytes, operation: Operation = "text-to-image") -> GenerationRequest:
    """Parse a JSON body.

    Raises:
        InvalidRequestError: naming every field that is wrong.
    """
    return convert_request(read_json(body), operation)


def convert_request(fields: object, operation: Operation = "text-to-image") -> GenerationRequest:
    """Build a request from plain values, as a JSON parser gives them; images may be bytes or base64.

    Whether the deployment has the style that is asked for is checked later, by the prompt layer.

    Raises:
        InvalidRequestError: naming every field that is wrong.
    """
    try:
        body = msgspec.convert(fields, BODIES[operation])
    # The second is what msgspec raises for a field whose name holds half of a surrogate pair.
    except (msgspec.ValidationError, UnicodeEncodeError) as exc:
        problems = find_problems(fields, _schema(operation))
        raise _invalid(problems or [Problem("", f"The request cannot be read: {exc}.")]) from exc
    given = frozenset(cast("dict[str, object]", fields))
    request = GenerationRequest(
        **{name: getattr(body, name) for name in GenerationBody.__struct_fields__},
        **_size_and_images(body, given),
        given=given,
    )
    _check_across_fields(request)
    return request


def _schema(operation: Operation) -> dict[str, Any]:
    """The schema to explain with: that of the operation, without the styles, which the deployment decides."""
    schema = request_schema(operation)
    style = {key: value for key, value in schema["properties"]["style_preset"].items() if key != "enum"}
    return {**schema, "properties": {**schema["properties"], "style_preset": style}}


def _size_and_images(body: GenerationBody, given: frozenset[str]) -> dict[str, Any]:
    """The parts of a request that only some bodies have."""
    if isinstance(body, TextToImageBody):
        width, height = _size(body, given)
        return {"width": width, "height": height}
    if not isinstance(body, ImageToImageBody):
        raise TypeError(f"no rule for {type(body).__name__}")
    init_image = _init_image(body, given)
    info = check_init_image(init_image.image)
    parts: dict[str, Any] = {"init_image": init_image, "width": info.width, "height": info.height}
    if isinstance(body, MaskingBody):
        parts["mask"] = Mask(source=body.mask_source, image=body.mask_image)
        check_mask(parts["mask"], info)
    return parts


def _size(body: TextToImageBody, given: frozenset[str]) -> tuple[int, int]:
    if body.size is UNSET:
        return body.width, body.height
    if sides := given & {"width", "height"}:
        raise InvalidRequestError(
            f"size is given together with {' and '.join(sorted(sides, reverse=True))}. Send either size, or width and "
            "height.",
            name="invalid_height_or_width",
        )
    try:
        width, height = parse_size(body.size)
    except ValueError as exc:
        raise InvalidRequestError(
            f"size is {shown(body.size)}, allowed is one of {', '.join(SIZES_BY_NAME)}, or WIDTHxHEIGHT as in "
            '"1344x768". Change it, or leave it out for 1024x1024.',
            name="invalid_height_or_width",
        ) from exc
    if any(side % SIZE_STEP or not MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        raise InvalidRequestError(
            f"size is {shown(body.size)}, allowed are sides from {MIN_SIDE} to {MAX_SIDE}, multiples of {SIZE_STEP}. "
            "Change it.",
            name="invalid_height_or_width",
        )
    return width, height


def _init_image(body: ImageToImageBody, given: frozenset[str]) -> InitImage:
    idle = {
        "IMAGE_STRENGTH": given & {"step_schedule_start", "step_schedule_end"},
        "STEP_SCHEDULE": given & {"image_strength"},
    }[body.init_image_mode]
    if idle:
        other = "STEP_SCHEDULE" if body.init_image_mode == "IMAGE_STRENGTH" else "IMAGE_STRENGTH"
        raise InvalidRequestError(
            f"init_image_mode is {body.init_image_mode}, with which {' and '.join(sorted(idle))} would have no effect. "
            f"Leave that out, or send init_image_mode {other}."
        )
    # Both are shares of the noise: a diffusion starts at much and ends at little. That API's own example is 0.6, 0.01.
    if body.step_schedule_end is not UNSET and body.step_schedule_end >= body.step_schedule_start:
        raise InvalidRequestError(
            f"step_schedule_end is {body.step_schedule_end:g} and step_schedule_start "
            f"{body.step_schedule_start:g}; allowed is an end below the start, because the diffusion runs from start "
            "down to end. Lower the end, or leave it out."
        )
    return InitImage(
        image=body.init_image,
        mode=body.init_image_mode,
        image_strength=body.image_strength,
        step_schedule_start=body.step_schedule_start,
        step_schedule_end=body.step_schedule_end,
    )


def _invalid(problems: list[Problem]) -> InvalidRequestError:
    names = {_ERROR_NAMES.get(problem.field, "bad_request") for problem in problems}
    message = " ".join(problem.message for problem in problems[:_MAX_PROBLEMS])
    if len(problems) > _MAX_PROBLEMS:
        message += f" And {len(problems) - _MAX_PROBLEMS} more."
    return InvalidRequestError(message, name=names.pop() if len(names) == 1 else "bad_request")


def _check_across_fields(request: GenerationRequest) -> None:
    pixels = request.width * request.height
    if pixels > MAX_PIXELS:
        raise InvalidRequestError(
            f"width x height is {request.width}x{request.height}, {pixels} pixels; allowed are at most {MAX_PIXELS}, "
            "the area SDXL 1.0 is trained for. Make one side smaller.",
            name="invalid_pixel_count",
        )
    for index, prompt in enumerate(request.text_prompts):
        if not prompt.text.strip():
            raise InvalidRequestError(
                f"text_prompts[{index}].text is {shown(prompt.text)}, allowed is a text that is not blank. "
                "Describe what the image shows, or remove the prompt.",
                name="invalid_prompts",
            )
        if not _is_unicode(prompt.text):
            raise InvalidRequestError(
                f"text_prompts[{index}].text holds half of a surrogate pair and is not valid Unicode. "
                "Encode the text as UTF-8.",
                name="invalid_prompts",
            )
        # Not from JSON, whose numbers are checked as they are read, but from a caller in Python.
        if not math.isfinite(prompt.weight):
            raise InvalidRequestError(
                f"text_prompts[{index}].weight is {prompt.weight}, allowed is a finite number.", name="invalid_prompts"
            )
    extras = request.given_extras()
    if extras.get("use_refiner") is False and len(extras) > 1:
        idle = " and ".join(name for name in extras if name != "use_refiner")
        raise InvalidRequestError(
            f"extras has use_refiner false together with {idle}, which would have no effect. "
            "Leave that out, or set use_refiner to true."
        )
    if not any(prompt.weight > 0 for prompt in request.text_prompts):
        weights = ", ".join(f"{prompt.weight:g}" for prompt in request.text_prompts)
        raise InvalidRequestError(
            f"text_prompts has no prompt with a weight above 0 (weights: {weights}). "
            "Add one that says what the image shows; a negative weight only says what it must not.",
            name="invalid_prompts",
        )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_json(body: bytes) -> object:
    """Parse JSON strictly: one meaning for every reader of the same bytes.

    Raises:
        InvalidRequestError: it is empty, no JSON, not UTF-8, or ambiguous.
    """
    """The value that a body holds.

    Raises:
        InvalidRequestError: it is empty, no JSON, or JSON that two parsers may read differently.
    """
    if not body.strip():
        raise InvalidRequestError(
            'The body is empty. Send a JSON object such as {"text_prompts":[{"text":"a puppy"}]}.'
        )
    try:
        text = body.decode()
    except UnicodeDecodeError as exc:
        raise InvalidRequestError(f"The body is not UTF-8: {exc.reason} at byte {exc.start}. Encode it so.") from exc
    try:
        # The standard library's parser and not msgspec's, because it can see a name that occurs twice.
        value: object = json.loads(
            text, object_pairs_hook=_unique, parse_constant=_refuse_constant, parse_float=_finite_float
        )
    except json.JSONDecodeError as exc:
        raise InvalidRequestError(
            f"The body is not JSON: {exc.msg} at line {exc.lineno}, column {exc.colno}. Correct it there."
        ) from exc
    except RecursionError as exc:
        raise InvalidRequestError("The body is nested too deeply. A request is three levels deep at most.") from exc
    except ValueError as exc:
        # Python converts integers of at most 4300 digits.
        raise InvalidRequestError("The body holds an integer of more than 4300 digits. Send a smaller one.") from exc
    return value


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                raise InvalidRequestError(
                    f"The body holds the field {shown(name)} twice in one object. Send it once, "
                    "or the gateway and the model may read different values."
                )
            seen.add(name)
    return fields


def _refuse_constant(constant: str) -> NoReturn:
    raise InvalidRequestError(f"The body is not JSON: {constant} is not a JSON number. Send a finite number.")


def _finite_float(digits: str) -> float:
    number = float(digits)
    if math.isinf(number):
        raise InvalidRequestError(f"The body holds {shown(digits)}, a number too large for any field. Send less.")
    return number
