"""What the parameters of an OpenAI images request mean to SDXL: checked, and turned into a request of the domain."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar, cast

import msgspec

from image_api.dialects.openai_parameters import QUALITY_STEPS, ImageParameters, ResponseFormat
from image_api.dialects.route import Deployment, ParsedRequest
from image_api.engines import ENGINE_IDS, OLDER_ENGINE_IDS
from image_api.errors import InvalidRequestError, Problem
from image_api.explain import brief, shown
from image_api.presets import SIZES_BY_NAME, TRAINED_SIZES
from image_api.request import (
    MAX_PIXELS,
    MIN_SIDE,
    SIZE_STEP,
    Encoding,
    ImageFormat,
    Operation,
    TextPrompt,
)
from image_api.validation import convert_request, read_fields, text_problem

SHORT_NAME = "sdxl"
OWN_MODELS = (SHORT_NAME, *ENGINE_IDS)
# OpenAI's image models, by the names in the `openai` Python package (`ImageModel`): a client that had its base URL and
# key changed and nothing else sends one of them.
_OPENAI_MODELS = re.compile(r"dall-e-[0-9]{1,2}|gpt-image-[0-9a-z.-]{1,60}|chatgpt-image-latest")
_DALL_E = re.compile(r"dall-e-[0-9]{1,2}")
# DALL-E's two styles, as Stability AI's: hyper-real, and as the model draws by itself.
STYLE_PRESETS = {"vivid": "enhance", "natural": None}
# Sizes of OpenAI's own models that SDXL draws badly, and which clients send by habit.
_SMALL_SIZES = frozenset({(256, 256), (512, 512)})
_DIMENSIONS = re.compile(r"([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")
_GPT_IMAGE = re.compile(r"gpt-image-[0-9a-z.-]{1,60}|chatgpt-image-latest")
NEGATIVE_WEIGHT = -1.0

ParametersT = TypeVar("ParametersT", bound=ImageParameters)

_FORMATS: dict[str, ImageFormat] = {"png": "PNG", "jpeg": "JPEG", "webp": "WebP"}
# Parameters for what SDXL cannot do, and why it cannot.
_UNSUPPORTED_PARAMETERS = {
    "frame_count": "SDXL 1.0 makes single images",
    "frame_duration_ms": "SDXL 1.0 makes single images",
    "markup": "SDXL 1.0 takes no drawing over an image",
    "svg": "SDXL 1.0 makes no vector graphics",
}
_SUPPORTED_VALUES: dict[str, tuple[tuple[object, ...], str]] = {
    "background": (("auto", "opaque"), "SDXL 1.0 makes no transparent images"),
    "output_format": (tuple(_FORMATS), "SDXL 1.0 makes still images of pixels"),
}
# Hints without effect here, and the values that change nothing and so need no warning.
_HINTS: dict[str, tuple[object, ...]] = {"complexity": (), "moderation": ("auto",), "input_fidelity": ()}


class ImagesOptions(msgspec.Struct, frozen=True):
    """How to answer: whether as a stream of events, and with what the events repeat of the request."""

    encoding: Encoding
    is_stream: bool = False
    quality: str = "auto"


class UnknownModelError(InvalidRequestError):
    """`model` names nothing that this API answers for."""

    status = 404
    name = "model_not_found"


def read_parameters(body: type[ParametersT], fields: object, warnings: list[str]) -> tuple[ParametersT, list[Problem]]:
    """The parameters, and everything that is wrong with them. What has no effect is reported in `warnings`.

    With problems, a wrong parameter has its default.

    Raises:
        InvalidRequestError: `fields` is not an object.
    """
    if not isinstance(fields, dict):
        raise InvalidRequestError(f"The body is {shown(fields)}, allowed is a JSON object. Send one such as {{}}.")
    problems = [
        Problem(
            name,
            f"{name} is not supported: {reason}. Leave it out.",
            brief(fields[name]),
            name="unsupported_parameter",
        )
        for name, reason in _UNSUPPORTED_PARAMETERS.items()
        if fields.get(name) is not None
    ]
    values = {
        name: value for name, value in fields.items() if value is not None and name not in _UNSUPPORTED_PARAMETERS
    }
    parameters, _, found = read_fields(body, values)
    problems += sorted(found, key=lambda problem: problem.kind != "unknown")
    for name, (supported, reason) in _SUPPORTED_VALUES.items():
        value = getattr(parameters, name, None)
        if value is not None and value not in supported:
            words = " or ".join(shown(one) for one in supported)
            message = f"{name} is {shown(value)}, which is not supported: {reason}. Leave it out, or send {words}."
            problems.append(Problem(name, message, brief(value), words, name="unsupported_value"))
    for name, quiet in _HINTS.items():
        value = getattr(parameters, name, None)
        if value is not None and value not in quiet:
            warnings.append(f"{name} has no effect here.")
    for name in ("prompt", "negative_prompt"):
        text = getattr(parameters, name, None)
        if isinstance(text, str) and (problem := text_problem(name, text, "an image")):
            problems.append(problem)
            # What is wrong here is not to be found wrong again as a prompt of the domain.
            setattr(parameters, name, None)
    if getattr(parameters, "output_compression", None) not in (None, 100) and _format_of(parameters) == "PNG":
        warnings.append("output_compression has no effect on PNG, which loses nothing.")
    return parameters, problems + _contradictions(parameters)


def _contradictions(parameters: ImageParameters) -> list[Problem]:
    """Two parameters that say the same thing."""
    quality, style = getattr(parameters, "quality", None), getattr(parameters, "style", None)
    problems = []
    if parameters.steps is not None and quality not in (None, "auto"):
        message = (
            f"quality is {quality}, which means {QUALITY_STEPS[quality]} steps, and steps is {parameters.steps}. "
            "Send one of them."
        )
        problems.append(Problem("quality", message, brief(quality), "quality or steps"))
    if style is not None and parameters.style_preset is not None:
        message = (
            f"style is {shown(style)} and style_preset is {shown(parameters.style_preset)}, which say the same thing. "
            "Send one of them."
        )
        problems.append(Problem("style", message, brief(style), "style or style_preset"))
    if getattr(parameters, "stream", None) and parameters.response_format == "url":
        message = "stream is true and response_format is url, but events carry images. Leave one of them out."
        problems.append(Problem("stream", message, brief(value=True), "false with response_format url"))
    return problems


def domain_fields(parameters: ImageParameters, default_prompt: str, warnings: list[str]) -> dict[str, Any]:
    """The fields of a `GenerationRequest` that all three routes have in common, without its size.

    `default_prompt` stands in where the route takes no prompt, and where the prompt is wrong.

    Raises:
        UnknownModelError: `model` is not one that this API answers for.
    """
    if parameters.model is not None:
        check_model(parameters.model)
        warnings += _model_warnings(parameters.model)
    # Built here: a prompt may be longer than one of Stability AI's convention.
    prompts = [TextPrompt(getattr(parameters, "prompt", None) or default_prompt)]
    if parameters.negative_prompt is not None:
        prompts.append(TextPrompt(parameters.negative_prompt, NEGATIVE_WEIGHT))
    quality = cast("str | None", getattr(parameters, "quality", None))
    steps = QUALITY_STEPS[quality] if quality is not None and parameters.steps is None else parameters.steps
    style = cast("str | None", getattr(parameters, "style", None))
    preset = parameters.style_preset if style is None else STYLE_PRESETS.get(style, style)
    fields = {
        "samples": parameters.n,
        "seed": parameters.seed,
        "cfg_scale": parameters.cfg_scale,
        "sampler": parameters.sampler,
        "steps": steps,
        "style_preset": preset,
    }
    return {"text_prompts": tuple(prompts), **{name: value for name, value in fields.items() if value is not None}}


def check_model(name: str) -> None:
    """Raise `UnknownModelError` unless this API answers for the model `name`."""
    if name not in (*OWN_MODELS, *OLDER_ENGINE_IDS) and not _OPENAI_MODELS.fullmatch(name):
        printable = name[:100].encode(errors="backslashreplace").decode()
        raise UnknownModelError(
            f"There is no model {printable!r}. Known models: {', '.join(OWN_MODELS)}; GET /v1/models has them.",
            field="model",
        )


def default_format(model: str | None) -> ResponseFormat:
    """The format for a caller who names none: DALL-E answers with links."""
    return "url" if model is not None and _DALL_E.fullmatch(model) else "b64_json"


def _model_warnings(name: str) -> list[str]:
    return [] if name in OWN_MODELS else [f"model {name} is answered by SDXL 1.0."]


def repaints_transparency(model: str | None) -> bool:
    """Whether an image's own transparency says what to repaint.

    It does for dall-e-2; for gpt-image a mask is the parameter mask (`ImageEditParams` of the `openai` package).
    """
    return model is None or not _GPT_IMAGE.fullmatch(model)


def read_size(text: str | None, warnings: list[str]) -> tuple[int, int] | Problem | None:
    """The size to draw for `size`; None for `auto`; a problem if it names none.

    Where SDXL 1.0 does not draw it, it is the nearest that SDXL is trained for, reported in `warnings`.
    """
    if text in (None, "auto"):
        return None
    if preset := SIZES_BY_NAME.get(text):
        return preset.width, preset.height
    dimensions = _DIMENSIONS.fullmatch(text)
    if dimensions is None:
        words = f"auto, WIDTHxHEIGHT such as 1024x1024, or one of {', '.join(SIZES_BY_NAME)}"
        return Problem("size", f"size is {shown(text)}, allowed is {words}. Change it.", brief(text), words)
    size = int(dimensions[1]), int(dimensions[2])
    if is_drawable(size) and size not in _SMALL_SIZES:
        return size
    nearest = nearest_trained_size(*size)
    warnings.append(f"size {text} is drawn as {nearest[0]}x{nearest[1]}, the nearest SDXL 1.0 is trained for.")
    return nearest


def is_drawable(size: tuple[int, int]) -> bool:
    """Whether SDXL draws images of this size."""
    width, height = size
    return min(size) >= MIN_SIDE and width % SIZE_STEP == height % SIZE_STEP == 0 and width * height <= MAX_PIXELS


def nearest_trained_size(width: int, height: int) -> tuple[int, int]:
    """The trained size whose sides have the most similar proportion."""
    return min(sorted(TRAINED_SIZES), key=lambda size: abs(math.log(size[0] * height / (size[1] * width))))


def _format_of(parameters: ImageParameters) -> ImageFormat:
    return _FORMATS.get(getattr(parameters, "output_format", None) or "png", "PNG")


def parsed_request(
    fields: dict[str, Any],
    operation: Operation,
    parameters: ImageParameters,
    *,
    problems: Sequence[Problem],
    warnings: Sequence[str],
    deployment: Deployment,
    default: ResponseFormat = "b64_json",
) -> ParsedRequest:
    """The request that the domain's `fields` make, with how to answer it.

    Args:
        fields: The body of the domain's `operation`, as far as it can be read.
        operation: What the route asks for.
        parameters: What says how to answer.
        problems: What is wrong with the parameters by themselves.
        warnings: What differs from the request.
        deployment: Whose styles can be named.
        default: The format of the route where the model does not decide it.

    Raises:
        InvalidRequestError: lists `problems`, and what is wrong with `fields`.
    """
    try:
        request = convert_request(fields, operation, styles=deployment.settings.style_names)
    except InvalidRequestError as exc:
        own = {"style_preset": "style"} if getattr(parameters, "style", None) is not None else {}
        raise InvalidRequestError.of([*problems, *(in_own_words(one, own) for one in exc.problems)]) from exc
    if problems:
        raise InvalidRequestError.of(problems)
    is_stream = bool(getattr(parameters, "stream", None))
    if default_format(parameters.model) == "url":
        default = "url"
    response_format: ResponseFormat = "b64_json" if is_stream else parameters.response_format or default
    compression = getattr(parameters, "output_compression", None)
    encoding = Encoding(_format_of(parameters), 100 if compression is None else max(1, compression))
    return ParsedRequest(
        request,
        options=ImagesOptions(encoding, is_stream, getattr(parameters, "quality", None) or "auto"),
        as_links=response_format == "url",
        encoding=encoding,
        warnings=tuple(warnings),
    )


# What the domain's fields are called here. `width` and `height` are own parameters only where the caller sent them.
_OWN_NAMES = {
    "text_prompts": "prompt",
    "samples": "n",
    "init_image": "image",
    "mask_image": "mask",
    "mask_source": "mask",
}
_OWN_WORDS = (
    (re.compile(r"\btext_prompts\[[1-9]\d*\](\.text)?"), "negative_prompt"),
    (re.compile(r"\btext_prompts\b(\[0\])?(\.text)?"), "prompt"),
    (re.compile(r"\bwidth x height\b"), "size"),
    *((re.compile(rf"\b{name}\b"), own) for name, own in _OWN_NAMES.items() if name != "text_prompts"),
)


def own_words(text: str) -> str:
    """A sentence about the domain's fields, in the names of this convention."""
    for pattern, own in _OWN_WORDS:
        text = pattern.sub(own, text)
    return text


def in_own_words(problem: Problem, names: Mapping[str, str] | None = None) -> Problem:
    """A problem that the domain or a model found, in the names of this convention; `names` has further ones."""
    # An unknown field is the caller's own, whatever the domain knows by its name.
    if problem.kind == "unknown":
        return problem
    message = own_words(problem.message)
    for name, own in (names or {}).items():
        message = re.sub(rf"\b{name}\b", own, message)
    is_negative = problem.root == "text_prompts" and problem.field.startswith("text_prompts[1]")
    root = "negative_prompt" if is_negative else (names or {}).get(problem.root) or _OWN_NAMES.get(problem.root)
    return msgspec.structs.replace(problem, field=root or problem.field, message=message)
