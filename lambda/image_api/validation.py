"""From JSON to a `GenerationRequest`, or an error that lists everything that is wrong with it.

A correct request is decoded in one step. Only a wrong one is read again field by field, so that the fields that can be
read are checked against one another as well, and the caller gets all problems at once. Each names the field, the value
received, what is allowed and what to do.
"""

from __future__ import annotations

import codecs
import json
import math
from collections.abc import Collection, Sequence
from typing import Any, NoReturn, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from image_api.bodies import BODIES, GenerationBody, ImageToImageBody, MaskingBody, TextToImageBody
from image_api.errors import InvalidRequestError, Problem
from image_api.explain import brief, find_problems, shown
from image_api.images import (
    ImageInfo,
    init_image_problem,
    mask_size_problem,
    mask_source_problem,
    read_image_field,
    read_image_info,
)
from image_api.json_schema import schema_of
from image_api.presets import SIZES_BY_NAME, parse_size
from image_api.request import (
    DEFAULT_SIDE,
    MAX_PIXELS,
    MAX_SIDE,
    MIN_SIDE,
    SIZE_STEP,
    STYLE_PRESETS,
    Extras,
    GenerationRequest,
    InitImage,
    Mask,
    Operation,
    TextPrompt,
)

BodyT = TypeVar("BodyT", bound=msgspec.Struct)


def read_request(
    body: bytes, operation: Operation = "text-to-image", *, styles: Collection[str] = STYLE_PRESETS
) -> GenerationRequest:
    """Parse a JSON body.

    Raises:
        InvalidRequestError: lists every field that is wrong.
    """
    return convert_request(without_nulls(read_json(body)), operation, styles=styles)


def convert_request(
    fields: object, operation: Operation = "text-to-image", *, styles: Collection[str] = STYLE_PRESETS
) -> GenerationRequest:
    """Build a request from plain values, as a JSON parser gives them; images may be bytes or base64.

    Args:
        fields: The body.
        operation: What the body asks for.
        styles: The styles that this deployment has.

    Raises:
        InvalidRequestError: lists every field that is wrong.
    """
    body, given, problems = read_fields(BODIES[operation], fields)
    wrong = {problem.root for problem in problems}
    if "text_prompts" not in wrong:
        problems += _prompt_problems(body.text_prompts)
    if "style_preset" not in wrong and body.style_preset is not UNSET and body.style_preset not in styles:
        words = f"one of {', '.join(sorted(styles))}"
        message = f"style_preset is {shown(body.style_preset)}, allowed is {words}. Change it, or leave it out."
        problems.append(Problem("style_preset", message, brief(body.style_preset), words))
    if "extras" not in wrong:
        problems += _extras_problems(body.extras)
    parts, more = _size_and_images(body, given, wrong)
    problems += more
    if problems:
        raise InvalidRequestError.of(problems)
    return GenerationRequest(
        **{name: getattr(body, name) for name in GenerationBody.__struct_fields__}, **parts, given=given
    )


def read_fields(kind: type[BodyT], fields: object) -> tuple[BodyT, frozenset[str], list[Problem]]:
    """`fields` as a `kind`, the names of the fields that were given, and what is wrong with single fields.

    With problems, a wrong field has its default, or UNSET where it has none: check across fields only those that no
    problem names.

    Raises:
        InvalidRequestError: `fields` is not an object.
    """
    try:
        return msgspec.convert(fields, kind), frozenset(fields), []  # type: ignore[call-overload]
    # The second is what msgspec raises for a field whose name holds half of a surrogate pair.
    except (msgspec.ValidationError, UnicodeEncodeError) as exc:
        problems = find_problems(fields, schema_of(kind)) or [Problem("", f"The request cannot be read: {exc}.")]
        if not isinstance(fields, dict):
            raise InvalidRequestError.of(problems) from exc
    wrong = {problem.root for problem in problems}
    values: dict[str, Any] = {}
    for field in msgspec.structs.fields(kind):
        name = field.encode_name
        if name in fields and name not in wrong:
            try:
                values[field.name] = msgspec.convert(fields[name], field.type)
            except msgspec.ValidationError as exc:
                problems.append(Problem(name, f"{name} cannot be read: {exc}. Change it.", brief(fields[name])))
        if field.required and field.name not in values:
            values[field.name] = UNSET
    return kind(**values), frozenset(fields), problems


def without_nulls(value: object) -> object:
    """`value` without the fields that are null: JSON libraries write so what is not set."""
    if isinstance(value, dict):
        return {name: without_nulls(item) for name, item in value.items() if item is not None}
    return [without_nulls(item) for item in value] if isinstance(value, list) else value


def _prompt_problems(prompts: Sequence[TextPrompt]) -> list[Problem]:
    problems = []
    for index, prompt in enumerate(prompts):
        field = f"text_prompts[{index}].text"
        if problem := text_problem(field, prompt.text, "what the image shows, or remove the prompt"):
            problems.append(problem)
        # Not from JSON, whose numbers are checked as they are read, but from a caller in Python.
        if not math.isfinite(prompt.weight):
            field = f"text_prompts[{index}].weight"
            message = f"{field} is {prompt.weight}, allowed is a finite number."
            problems.append(Problem(field, message, str(prompt.weight), "a finite number"))
    if not any(prompt.weight > 0 for prompt in prompts):
        weights = ", ".join(f"{prompt.weight:g}" for prompt in prompts)
        message = (
            f"text_prompts has no prompt with a weight above 0 (weights: {weights}). "
            "Add one that says what the image shows; a negative weight only says what it must not."
        )
        problems.append(Problem("text_prompts", message, f"weights {weights}", "one weight above 0 at least"))
    return problems


def text_problem(field: str, text: str, what: str) -> Problem | None:
    """What is wrong with a prompt: it says nothing, or cannot be written as UTF-8. `what` is to be described."""
    allowed = "a text that is not blank"
    if not text.strip():
        message = f"{field} is {shown(text)}, allowed is {allowed}. Describe {what}."
        return Problem(field, message, brief(text), allowed)
    try:
        text.encode()
    except UnicodeEncodeError:
        message = f"{field} holds half of a surrogate pair and is not valid Unicode. Encode the text as UTF-8."
        return Problem(field, message, "half of a surrogate pair", "valid Unicode")
    return None


def _extras_problems(extras: Extras | UnsetType) -> list[Problem]:
    if extras is UNSET or extras.use_refiner is not False:
        return []
    idle = [
        name for name, value in msgspec.structs.asdict(extras).items() if name != "use_refiner" and value is not UNSET
    ]
    if not idle:
        return []
    message = (
        f"extras has use_refiner false together with {' and '.join(idle)}, which would have no effect. "
        "Leave that out, or set use_refiner to true."
    )
    return [
        Problem(f"extras.{idle[0]}", message, brief(getattr(extras, idle[0])), "nothing while use_refiner is false")
    ]


def _size_and_images(
    body: GenerationBody, given: frozenset[str], wrong: Collection[str]
) -> tuple[dict[str, Any], list[Problem]]:
    """The parts of a request that only some bodies have, and what is wrong with them."""
    if isinstance(body, TextToImageBody):
        if {"size", "width", "height"} & set(wrong):
            return {}, []
        size = _size(body, given)
        return ({}, [size]) if isinstance(size, Problem) else ({"width": size[0], "height": size[1]}, [])
    if not isinstance(body, ImageToImageBody):
        raise TypeError(f"no rule for {type(body).__name__}")
    problems = [] if {"init_image_mode", *_SCHEDULE, "image_strength"} & set(wrong) else _strength_problems(body, given)
    if "init_image" in wrong:
        return {}, problems
    init = _init_image(body.init_image)
    if isinstance(init, Problem):
        return {}, [*problems, init]
    image, info = init
    parts: dict[str, Any] = {
        "init_image": InitImage(
            image=image,
            mode=body.init_image_mode,
            image_strength=body.image_strength,
            step_schedule_start=body.step_schedule_start,
            step_schedule_end=body.step_schedule_end,
        ),
        "width": info.width,
        "height": info.height,
    }
    if isinstance(body, MaskingBody) and not {"mask_source", "mask_image"} & set(wrong):
        mask = _mask(Mask(source=body.mask_source, image=body.mask_image), info)
        if isinstance(mask, Problem):
            problems.append(mask)
        else:
            parts["mask"] = mask
    return parts, problems


def _init_image(file: bytes) -> tuple[bytes, ImageInfo] | Problem:
    """The init image as it shows, and what it is then."""
    info = read_image_field("init_image", file)
    if isinstance(info, Problem):
        return info
    # Before it is decoded; a picture that is turned has the same two sides.
    if problem := init_image_problem(info):
        return problem
    shown_file = _as_shown("init_image", file, info)
    if isinstance(shown_file, Problem):
        return shown_file
    return (file, info) if shown_file is file else (shown_file, read_image_info(shown_file))


def _mask(mask: Mask, init: ImageInfo) -> Mask | Problem:
    """The mask with its image as it shows; a problem if it does not fit the init image."""
    if problem := mask_source_problem(mask, init):
        return problem
    if mask.image is UNSET:
        return mask
    info = read_image_field("mask_image", mask.image)
    if isinstance(info, Problem):
        return info
    # Before it is decoded: turned or not, it has as many pixels as the init image.
    if info.width * info.height != init.width * init.height:
        return mask_size_problem(info, init) or mask
    image = _as_shown("mask_image", mask.image, info)
    if isinstance(image, Problem):
        return image
    return mask_size_problem(read_image_info(image), init) or Mask(source=mask.source, image=image)


def _as_shown(field: str, file: bytes, info: ImageInfo) -> bytes | Problem:
    if info.is_plain:
        return file
    # 30 ms that only the requests with such an image need to wait for.
    from image_api.pictures import file_as_shown  # noqa: PLC0415

    return file_as_shown(file, field)


def _size(body: TextToImageBody, given: frozenset[str]) -> tuple[int, int] | Problem:
    """Width and height in pixels."""
    if body.size is UNSET:
        return _within_area("width" if "width" in given else "height", body.width, body.height)
    received = shown(body.size)
    if sides := given & {"width", "height"}:
        names = " and ".join(sorted(sides, reverse=True))
        message = f"size is given together with {names}. Send either size, or width and height."
        return Problem("size", message, brief(body.size), "size alone, or width and height")
    try:
        width, height = parse_size(body.size)
    except ValueError:
        words = f'one of {", ".join(SIZES_BY_NAME)}, or WIDTHxHEIGHT as in "1344x768"'
        message = (
            f"size is {received}, allowed is {words}. Change it, or leave it out for {DEFAULT_SIDE}x{DEFAULT_SIDE}."
        )
        return Problem("size", message, brief(body.size), words)
    if any(side % SIZE_STEP or not MIN_SIDE <= side <= MAX_SIDE for side in (width, height)):
        words = f"sides from {MIN_SIDE} to {MAX_SIDE}, multiples of {SIZE_STEP}"
        return Problem("size", f"size is {received}, allowed are {words}. Change it.", brief(body.size), words)
    return _within_area("size", width, height)


def _within_area(field: str, width: int, height: int) -> tuple[int, int] | Problem:
    pixels = width * height
    if pixels <= MAX_PIXELS:
        return width, height
    message = (
        f"width x height is {width}x{height}, {pixels} pixels; allowed are at most {MAX_PIXELS}, "
        "the area SDXL 1.0 is trained for. Make one side smaller."
    )
    return Problem(field, message, f"{width}x{height}", f"at most {MAX_PIXELS} pixels", name="invalid_pixel_count")


_SCHEDULE = ("step_schedule_start", "step_schedule_end")


def _strength_problems(body: ImageToImageBody, given: frozenset[str]) -> list[Problem]:
    """What contradicts itself in how much of the init image stays."""
    without_effect = _SCHEDULE if body.init_image_mode == "IMAGE_STRENGTH" else ("image_strength",)
    if idle := [name for name in without_effect if name in given]:
        other = "STEP_SCHEDULE" if body.init_image_mode == "IMAGE_STRENGTH" else "IMAGE_STRENGTH"
        message = (
            f"init_image_mode is {body.init_image_mode}, with which {' and '.join(sorted(idle))} would have no effect. "
            f"Leave that out, or send init_image_mode {other}."
        )
        return [Problem(idle[0], message, brief(getattr(body, idle[0])), f"nothing without init_image_mode {other}")]
    # Both are shares of the noise: a diffusion starts at much and ends at little. That API's own example is 0.6, 0.01.
    if body.step_schedule_end is not UNSET and body.step_schedule_end >= body.step_schedule_start:
        message = (
            f"step_schedule_end is {body.step_schedule_end:g} and step_schedule_start "
            f"{body.step_schedule_start:g}; allowed is an end below the start, because the diffusion runs from start "
            "down to end. Lower the end, or leave it out."
        )
        words = f"a number below step_schedule_start, {body.step_schedule_start:g}"
        return [Problem("step_schedule_end", message, body.step_schedule_end, words)]
    return []


def read_json(body: bytes, example: str = '{"text_prompts":[{"text":"a puppy"}]}') -> object:
    """Parse JSON strictly: one meaning for every reader of the same bytes. `example` is shown for an empty body.

    Raises:
        InvalidRequestError: it is empty, not JSON, not UTF-8, or two parsers may read it differently.
    """
    # RFC 8259, 8.1: a reader may ignore a byte order mark, which .NET and PowerShell write.
    body = body.removeprefix(codecs.BOM_UTF8)
    if not body.strip():
        raise InvalidRequestError(f"The body is empty. Send a JSON object such as {example}.")
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
                    "or two readers may take different values."
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
