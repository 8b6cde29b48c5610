"""The OpenAI images API, as its clients speak it: images from a prompt, models, and the answers of all its routes.

Request: JSON with `prompt`, or a form with files (`openai_edits.py`). Reply: `{"created", "data": [{"b64_json"} or
{"url"}]}`, and with each image its `seed` and `finish_reason`, which that API does not have. With `stream`, each image
is an event of a `text/event-stream`, sent when all are complete. What differs from the request, such as OpenAI's sizes
and models, stands in the header `x-sdxl-warning`.

An image that the model's filter withheld is left out; where no image is left, the answer is that API's 400
`content_policy_violation`.

Errors are `{"error": {"message", "type", "param", "code"}}`. The clients choose their exception by the HTTP status
(`openai` Python package, `_make_status_error`): 400 `BadRequestError`, 401 `AuthenticationError`, 404 `NotFoundError`,
409 `ConflictError`, 422 `UnprocessableEntityError`, 429 `RateLimitError`, from 500 `InternalServerError`. `type`,
`param` and `code` become attributes of it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from image_api.dialects.http import (
    EVENT_STREAM,
    FORM,
    JSON,
    HttpReply,
    HttpRequest,
    check_json_content_type,
    choose_media_type,
    json_reply,
)
from image_api.dialects.openai_parameters import (
    ImageEditBody,
    ImageEditJsonBody,
    ImageGenerationBody,
    ImageVariationBody,
)
from image_api.dialects.openai_requests import (
    OWN_MODELS,
    SHORT_NAME,
    ImagesOptions,
    check_model,
    domain_fields,
    in_own_words,
    own_words,
    parsed_request,
    read_parameters,
    read_size,
)
from image_api.dialects.route import (
    EXAMPLE_PNG,
    IMAGES_ERRORS,
    Convention,
    Deployment,
    ImagesRoute,
    ParsedRequest,
    PlainRoute,
)
from image_api.errors import (
    STABILITY_ERROR_NAMES,
    ImageApiError,
    InvalidRequestError,
    ModelRefusalError,
    Problem,
    RefusedPromptError,
    UnsupportedByModelError,
)
from image_api.request import MAX_SEED, Artifact, Encoding, FinishReason, GenerationResult, LinkedArtifact
from image_api.validation import read_json

WARNING_HEADER = "x-sdxl-warning"
CONTENT_POLICY_VIOLATION = "content_policy_violation"
# What an image takes in the answer in addition to its base64.
OVERHEAD_BYTES = 100
OWNER = "stability-ai"
# Stability AI announced SDXL 1.0 on 2023-07-26.
CREATED = 1_690_329_600

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {"value": "invalid_value", "missing": "missing_required_parameter", "unknown": "unknown_parameter"}
# What a model calls wrong that names no field.
_PARAMS_BY_NAME = {
    "invalid_prompts": "prompt",
    "invalid_samples": "n",
    "invalid_height_or_width": "size",
    "invalid_pixel_count": "size",
    "invalid_sdxl_v1_dimensions": "size",
    "invalid_image_dimensions": "image",
    "invalid_file_size": "image",
    "invalid_mime_type": "image",
    "invalid_mask_image": "mask",
    # A model's refusal without a reason: what is common to all routes.
    "bad_request": "model",
}


class ImageBody(msgspec.Struct, kw_only=True):
    """One image, in the answer or as a link."""

    exactly_one: ClassVar = ("b64_json", "url")

    b64_json: (
        Annotated[str, Meta(description="The image, in output_format.", extra_json_schema={"format": "byte"})]
        | UnsetType
    ) = UNSET
    url: (
        Annotated[
            str,
            Meta(
                description="A link to the image, which expires: where response_format is url.",
                extra_json_schema={"format": "uri"},
            ),
        ]
        | UnsetType
    ) = UNSET
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Sent again, it gives the same image.")]
    finish_reason: FinishReason


class ImagesBody(msgspec.Struct):
    """Images in the order of their seeds."""

    created: Annotated[int, Meta(description="When, in seconds since 1970.")]
    background: Literal["opaque"]
    output_format: Literal["png", "jpeg", "webp"]
    size: Annotated[str, Meta(pattern="^[0-9]+x[0-9]+$")]
    data: Annotated[list[ImageBody], Meta(min_length=1)]


EventType = Literal["image_generation.completed", "image_edit.completed"]


class TokenDetailsBody(msgspec.Struct, frozen=True):
    """Tokens of a request by kind: always 0."""

    image_tokens: int = 0
    text_tokens: int = 0


class UsageBody(msgspec.Struct, frozen=True):
    """Tokens of a request: always 0, because images are not metered. Clients of that API read these fields."""

    input_tokens: int = 0
    output_tokens: int = 0
    total_tokens: int = 0
    input_tokens_details: TokenDetailsBody = TokenDetailsBody()


class ImageEventBody(msgspec.Struct, kw_only=True):
    """One image as an event of a stream (`ImageGenCompletedEvent`, `ImageEditCompletedEvent`)."""

    type: EventType
    b64_json: Annotated[str, Meta(description="The image, in output_format.", extra_json_schema={"format": "byte"})]
    created_at: int
    size: str
    quality: str
    background: Literal["opaque"] = "opaque"
    output_format: str
    usage: UsageBody = UsageBody()
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Sent again, it gives the same image.")]
    finish_reason: FinishReason


class ModelBody(msgspec.Struct):
    """A model as `GET /v1/models` shows it."""

    id: str
    created: int = CREATED
    object: Literal["model"] = "model"
    owned_by: str = OWNER


class ModelsBody(msgspec.Struct):
    """What this deployment draws with: SDXL by its short name, and by the ids of its engines."""

    data: Annotated[list[ModelBody], Meta(min_length=1)]
    object: Literal["list"] = "list"


class OpenAIErrorFields(msgspec.Struct):
    """What is wrong: `param` names the parameter, where one is at fault."""

    message: str
    type: str
    param: str | None
    code: str


class OpenAIErrorBody(msgspec.Struct):
    """An error as the OpenAI API writes it."""

    error: OpenAIErrorFields


class ContentPolicyError(InvalidRequestError):
    """The model's content filter withheld every image."""

    name = CONTENT_POLICY_VIOLATION


def error_reply(error: ImageApiError, _: str) -> HttpReply:
    """Answer with an error, in the names of this convention whoever found it."""
    problems = [in_own_words(problem) for problem in error.problems]
    message = InvalidRequestError.of(problems).message if problems else own_words(error.message)
    param, code = _param_and_code(error, problems)
    fields = OpenAIErrorFields(
        message=message,
        type=_TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error"),
        param=param,
        code=code,
    )
    return json_reply(error.status, OpenAIErrorBody(fields), error.headers)


def _param_and_code(error: ImageApiError, problems: list[Problem]) -> tuple[str | None, str]:
    if not problems:
        return None, error.name
    problem = problems[0]
    param = problem.root or None
    if isinstance(error, UnsupportedByModelError):
        # Not parameters of edits and variations: there they are the size's sides.
        return "size" if param in ("width", "height") else param, "unsupported_value"
    if isinstance(error, RefusedPromptError):
        return param or _PARAMS_BY_NAME.get(error.name), CONTENT_POLICY_VIOLATION
    if isinstance(error, ModelRefusalError):
        return param or _PARAMS_BY_NAME.get(error.name), error.name
    if type(error) is InvalidRequestError and problem.field and problem.name not in STABILITY_ERROR_NAMES:
        return param, problem.name or _CODES[problem.kind]
    return param, error.name


CONVENTION = Convention(name="OpenAI images", error_reply=error_reply, error_body=OpenAIErrorBody)


def read_generation(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    """The request of `POST /v1/images/generations`.

    Raises:
        ImageApiError: the headers or the body cannot be accepted; the message says why.
    """
    choose_media_type(http, (JSON, EVENT_STREAM))
    check_json_content_type(http)
    warnings: list[str] = []
    values = read_json(http.body, '{"prompt":"a puppy"}')
    parameters, problems = read_parameters(ImageGenerationBody, values, warnings)
    fields = domain_fields(parameters, "an image", warnings)
    fields |= {name: side for name in ("width", "height") if (side := getattr(parameters, name)) is not None}
    size = read_size(parameters.size, warnings)
    if isinstance(size, Problem):
        problems.append(size)
    elif size is not None:
        fields["size"] = f"{size[0]}x{size[1]}"
    return parsed_request(
        fields, "text-to-image", parameters, problems=problems, warnings=warnings, deployment=deployment
    )


def images_reply(result: GenerationResult, parsed: ParsedRequest) -> HttpReply:
    """Answer with images.

    Raises:
        ContentPolicyError: the model's filter withheld all of them.
    """
    options: ImagesOptions = parsed.options
    artifacts = [artifact for artifact in result.artifacts if artifact.finish_reason != "CONTENT_FILTERED"]
    if not artifacts:
        raise ContentPolicyError(
            "The content filter of the model kept back every image of this request. Change the prompt or the image.",
            field="prompt",
        )
    warnings = [*result.warnings]
    if filtered := len(result.artifacts) - len(artifacts):
        warnings.append(f"The content filter of the model kept back {filtered} of {len(result.artifacts)} images.")
    headers = {WARNING_HEADER: " ".join(warnings)} if warnings else {}
    size = f"{parsed.request.width}x{parsed.request.height}"
    if options.is_stream:
        is_edit = parsed.request.operation != "text-to-image"
        kind: EventType = "image_edit.completed" if is_edit else "image_generation.completed"
        events = _events(artifacts, kind, size, options)
        return HttpReply(status=200, content_type=EVENT_STREAM, body=events, headers=headers)
    return HttpReply(
        status=200, content_type=JSON, body=_images_body(artifacts, size, options.encoding), headers=headers
    )


def models_reply(_: HttpRequest, __: Deployment) -> HttpReply:
    """Answer `GET /v1/models`."""
    return json_reply(200, ModelsBody([ModelBody(name) for name in OWN_MODELS]))


def model_reply(http: HttpRequest, _: Deployment) -> HttpReply:
    """Answer `GET /v1/models/{model}`.

    Raises:
        UnknownModelError: there is no such model.
    """
    name = http.path_parameters["model"]
    check_model(name)
    return json_reply(200, ModelBody(name))


def _images_body(artifacts: list[Artifact | LinkedArtifact], size: str, wanted: Encoding) -> str:
    # Joined by hand, once: base64 needs no escaping, and a JSON encoder would read through megabytes to find that out.
    parts = ['{"created":', str(int(time.time())), ',"background":"opaque","output_format":"']
    parts += (_output_format(artifacts[0], wanted), '","size":"', size, '","data":[')
    for artifact in artifacts:
        if isinstance(artifact, LinkedArtifact):
            parts += ('{"url":', msgspec.json.encode(artifact.url).decode())
        else:
            parts += ('{"b64_json":"', artifact.image_base64, '"')
        parts += (',"seed":', str(artifact.seed), ',"finish_reason":"', artifact.finish_reason, '"}', ",")
    parts[-1] = "]}"
    return "".join(parts)


def _events(artifacts: list[Artifact | LinkedArtifact], kind: EventType, size: str, options: ImagesOptions) -> str:
    """The images as server-sent events (HTML, 9.2): all at once, because API Gateway buffers an answer."""
    parts: list[str] = []
    for artifact in artifacts:
        if isinstance(artifact, LinkedArtifact):
            raise TypeError("an event carries an image")
        event = ImageEventBody(
            type=kind,
            b64_json=artifact.image_base64,
            created_at=int(time.time()),
            size=size,
            quality=options.quality,
            output_format=_output_format(artifact, options.encoding),
            seed=artifact.seed,
            finish_reason=artifact.finish_reason,
        )
        parts += ("event: ", kind, "\ndata: ", msgspec.json.encode(event).decode(), "\n\n")
    return "".join(parts)


def _output_format(artifact: Artifact | LinkedArtifact, wanted: Encoding) -> str:
    """The format of an image: of a link as it was asked for, which storing does not change."""
    return (wanted.format if isinstance(artifact, LinkedArtifact) else artifact.format).lower()


def _read_edit(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    # Few requests carry an image; the others do not wait for what reads one.
    from image_api.dialects.openai_edits import read_edit  # noqa: PLC0415

    return read_edit(http, deployment)


def _read_variation(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    from image_api.dialects.openai_edits import read_variation  # noqa: PLC0415 -- as above

    return read_variation(http, deployment)


def _images_route(
    name: str,
    read: Callable[[HttpRequest, Deployment], ParsedRequest],
    body: Any,
    *,
    operation_id: str,
    summary: str,
    description: str = "",
    media_type: str = FORM,
    json_body: Any = None,
    can_stream: bool = False,
    example: dict[str, Any] | None = None,
) -> ImagesRoute:
    return ImagesRoute(
        method="POST",
        path=f"/v1/images/{name}",
        operation_id=operation_id,
        summary=summary,
        description=description,
        convention=CONVENTION,
        bodies={media_type: body} | ({} if json_body is None else {JSON: json_body}),
        example=example,
        answers={JSON: ImagesBody} | ({EVENT_STREAM: ImageEventBody} if can_stream else {}),
        headers=("x-sdxl-variant", "x-sdxl-warning"),
        errors=IMAGES_ERRORS,
        read=read,
        reply=images_reply,
        overhead_bytes=OVERHEAD_BYTES,
    )


ROUTES: tuple[ImagesRoute | PlainRoute, ...] = (
    _images_route(
        "generations",
        read_generation,
        ImageGenerationBody,
        operation_id="createImage",
        summary="Draw images from a prompt",
        media_type=JSON,
        can_stream=True,
        example={
            "prompt": "A lighthouse on a cliff, in the style of an old postcard",
            "width": 128,
            "height": 128,
            "steps": 10,
            "response_format": "b64_json",
            "seed": 7,
        },
    ),
    _images_route(
        "edits",
        _read_edit,
        ImageEditBody,
        operation_id="createImageEdit",
        summary="Repaint what is transparent in a mask, or change a whole image",
        json_body=ImageEditJsonBody,
        example={
            "prompt": "A lighthouse on a cliff, in the style of an old postcard",
            "images": [{"image_url": f"data:image/png;base64,{EXAMPLE_PNG}"}],
            "steps": 10,
        },
        can_stream=True,
    ),
    _images_route(
        "variations",
        _read_variation,
        ImageVariationBody,
        operation_id="createImageVariation",
        summary="Draw an image anew, with half of it kept",
        description="Drawn with the prompt `high quality, detailed` and an image_strength of 0.5, unless one is sent.",
    ),
    PlainRoute(
        method="GET",
        path="/v1/models",
        operation_id="listModels",
        summary="List the models",
        convention=CONVENTION,
        answers={JSON: ModelsBody},
        answer=models_reply,
    ),
    PlainRoute(
        method="GET",
        path="/v1/models/{model}",
        operation_id="retrieveModel",
        summary="Describe a model",
        convention=CONVENTION,
        parameters={
            "model": {
                "description": "A model that GET /v1/models lists, or the name of one of OpenAI's image models.",
                "schema": {"type": "string"},
                "example": SHORT_NAME,
            }
        },
        answers={JSON: ModelBody},
        errors=(404,),
        answer=model_reply,
    ),
)
