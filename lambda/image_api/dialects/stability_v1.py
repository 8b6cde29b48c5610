"""Stability AI's REST API v1, as its clients speak it.

Request: text-to-image in JSON; image-to-image and masking in multipart/form-data as that API takes them, or in JSON
with images in base64. Reply: `{"artifacts": [{"base64", "seed", "finishReason"}]}`, or for `Accept: image/png` the
image itself with headers `Seed` and `Finish-Reason`. Errors are `{"id", "name", "message"}`, JSON for every `Accept`.

Where that API has no word for it, this one adds one. Images that do not fit into one answer as PNG become JPEG, and the
header `x-sdxl-warning` says so. A caller who sends `Prefer: image-links` gets what does not fit as a PNG behind `url`,
a link that expires, in place of `base64`. `Accept: image/png` answers an image that does not fit with 303 See Other and
that link in `Location`. An error about the request lists in `problems` what is wrong with it.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, ClassVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from image_api.bodies import BODIES
from image_api.dialects.http import (
    FORM,
    JSON,
    PNG,
    HttpReply,
    HttpRequest,
    check_json_content_type,
    choose_media_type,
    json_reply,
    preferences,
)
from image_api.dialects.multipart_form import each_once, is_form, read_form, typed_fields
from image_api.dialects.route import (
    BINARY,
    EXAMPLE_PNG,
    IMAGES_ERRORS,
    Convention,
    Deployment,
    ImagesRoute,
    ParsedRequest,
    PlainRoute,
)
from image_api.engines import ENGINE_ID, ENGINE_IDS, OLDER_ENGINE_IDS, Engine, check_engine, deployed_engines
from image_api.errors import ImageApiError, InvalidRequestError, Problem, UnsupportedMediaTypeError
from image_api.request import (
    MAX_SEED,
    Encoding,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LinkedArtifact,
    Operation,
)
from image_api.validation import convert_request, read_request

# What an artifact takes in the JSON answer in addition to its image.
ARTIFACT_OVERHEAD_BYTES = 100
BALANCE_NOTE = "Images are not metered here: credits is always 0 and nothing is refused for it."
ACCOUNT_NOTE = "There are no accounts here: the answer is the same for every API key."
# The preference (RFC 7240) of a caller who takes a link for an image that does not fit into the answer.
IMAGE_LINKS = "image-links"


class ArtifactBody(msgspec.Struct, rename={"finish_reason": "finishReason"}, kw_only=True):
    """One image, in the answer or as a link."""

    exactly_one: ClassVar = ("base64", "url")

    base64: (
        Annotated[
            str,
            Meta(
                description="The image: a PNG, or a JPEG where several images do not fit into the answer otherwise, "
                "which a warning says.",
                extra_json_schema={"format": "byte"},
            ),
        ]
        | UnsetType
    ) = UNSET
    url: (
        Annotated[
            str,
            Meta(
                description="In place of base64, for callers with Prefer: image-links, where the image does not fit "
                "into the answer: a link to a PNG, which expires.",
                extra_json_schema={"format": "uri"},
            ),
        ]
        | UnsetType
    ) = UNSET
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED, description="Sent again, it gives the same image.")]
    finish_reason: FinishReason


class ArtifactsBody(msgspec.Struct):
    """Images in the order of their seeds."""

    artifacts: Annotated[list[ArtifactBody], Meta(min_length=1)]


class BalanceBody(msgspec.Struct):
    """The credits that are left: always 0, because images are not metered. Clients of that API read this field."""

    credits: float = 0.0


class OrganizationBody(msgspec.Struct, frozen=True):
    """An organization of an account."""

    id: str
    name: str
    role: str
    is_default: bool


class AccountBody(msgspec.Struct):
    """The account of a key. Clients of that API call this route to check a key: what it says is constant."""

    id: str = "sdxl"
    email: str = "sdxl@example.com"
    organizations: tuple[OrganizationBody, ...] = (OrganizationBody("org-sdxl", "sdxl", "MEMBER", is_default=True),)
    profile_picture: str = ""


class ProblemBody(msgspec.Struct):
    """One thing that is wrong with a request."""

    field: Annotated[
        str, Meta(description="Its path, such as text_prompts[0].weight; empty for the request as a whole.")
    ]
    message: Annotated[str, Meta(description="What is wrong, and what to do: a complete sentence.")]
    received: Annotated[
        str | int | float | bool | None,
        Meta(description="The value, or a few words on a long one; null where there is none."),
    ]
    allowed: Annotated[str | None, Meta(description="What is allowed, in words; null where no value would do.")]


class StabilityErrorBody(msgspec.Struct):
    """An error as Stability AI's REST API v1 writes it, with what is wrong with a request one by one."""

    id: Annotated[str, Meta(description="The id of the request.")]
    name: str
    message: str
    problems: (
        Annotated[list[ProblemBody], Meta(min_length=1, description="Of an answer 400: all that is wrong.")] | UnsetType
    ) = UNSET


def read_generation(operation: Operation, http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    """The request, with the media type to answer in as its option.

    Raises:
        ImageApiError: the headers or the body cannot be accepted; the message says why.
    """
    warnings = check_engine(http.path_parameters["engine_id"])
    media_type = choose_media_type(http, (JSON, PNG))
    request = _read_body(operation, http, deployment.settings.style_names)
    if media_type == PNG and request.samples > 1:
        message = (
            f"samples is {request.samples}, but an answer of {PNG} carries one image. "
            f"Send 1, or the header Accept: {JSON}."
        )
        raise InvalidRequestError.of([Problem("samples", message, request.samples, f"1 with Accept: {PNG}")])
    takes_links = media_type == PNG or IMAGE_LINKS in preferences(http)
    return ParsedRequest(request, options=media_type, encoding=None if takes_links else Encoding(), warnings=warnings)


def _read_body(operation: Operation, http: HttpRequest, styles: frozenset[str]) -> GenerationRequest:
    if operation == "text-to-image":
        check_json_content_type(http)
    elif is_form(http):
        return convert_request(typed_fields(each_once(read_form(http)), BODIES[operation]), operation, styles=styles)
    else:
        _check_content_type(http)
    return read_request(http.body, operation, styles=styles)


def _check_content_type(http: HttpRequest) -> None:
    try:
        check_json_content_type(http)
    except UnsupportedMediaTypeError as exc:
        raise UnsupportedMediaTypeError(
            f"Content-Type is {http.headers.get('content-type', '')[:100]!r}, allowed is {FORM}, or {JSON} in UTF-8 "
            "with images in base64. Send one of them."
        ) from exc


def result_reply(result: GenerationResult, parsed: ParsedRequest) -> HttpReply:
    """Answer with images."""
    if parsed.options == PNG:
        return _image_reply(result)
    return HttpReply(status=200, content_type=JSON, body=_artifacts_body(result))


def error_reply(error: ImageApiError, request_id: str) -> HttpReply:
    """Answer with an error."""
    return json_reply(error.status, error_body(error, request_id), error.headers)


def error_body(error: ImageApiError, request_id: str) -> StabilityErrorBody:
    """The error object."""
    problems = [
        ProblemBody(problem.field, problem.message, problem.received, problem.allowed)
        for problem in error.problems
        if error.status == InvalidRequestError.status
    ]
    return StabilityErrorBody(request_id, error.name, error.message, problems or UNSET)


CONVENTION = Convention(name="Stability AI REST v1", error_reply=error_reply, error_body=StabilityErrorBody)


def engines_reply(_: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /v1/engines/list`."""
    return json_reply(200, deployed_engines(deployment.settings))


def balance_reply(_: HttpRequest, __: Deployment) -> HttpReply:
    """Answer `GET /v1/user/balance`; a header says what to make of it."""
    return json_reply(200, BalanceBody(), {"x-sdxl-warning": BALANCE_NOTE})


def account_reply(_: HttpRequest, __: Deployment) -> HttpReply:
    """Answer `GET /v1/user/account`; a header says what to make of it."""
    return json_reply(200, AccountBody(), {"x-sdxl-warning": ACCOUNT_NOTE})


def _image_reply(result: GenerationResult) -> HttpReply:
    (artifact,) = result.artifacts
    headers = {"Seed": str(artifact.seed), "Finish-Reason": artifact.finish_reason}
    if isinstance(artifact, LinkedArtifact):
        return HttpReply(
            status=303, content_type=JSON, body=_artifacts_body(result), headers=headers | {"Location": artifact.url}
        )
    return HttpReply(status=200, content_type=PNG, body=artifact.image_base64, headers=headers, is_base64=True)


def _artifacts_body(result: GenerationResult) -> str:
    # Joined by hand, once: base64 needs no escaping, and a JSON encoder would read through megabytes to find that out.
    parts = ['{"artifacts":[']
    for artifact in result.artifacts:
        if isinstance(artifact, LinkedArtifact):
            parts += ('{"url":', msgspec.json.encode(artifact.url).decode(), ',"seed":')
        else:
            parts += ('{"base64":"', artifact.image_base64, '","seed":')
        parts += (str(artifact.seed), ',"finishReason":"', artifact.finish_reason, '"}', ",")
    parts[-1] = "]}"
    return "".join(parts)


_PROMPT = "A lighthouse on a cliff, in the style of an old postcard"


def _images_route(
    operation: Operation,
    name: str,
    *,
    operation_id: str,
    summary: str,
    media_types: tuple[str, ...],
    example: dict[str, Any],
) -> ImagesRoute:
    return ImagesRoute(
        method="POST",
        path=f"/v1/generation/{{engine_id}}/{name}",
        operation_id=operation_id,
        summary=summary,
        convention=CONVENTION,
        parameters={
            "engine_id": {
                "description": f"{ENGINE_ID}, or one of Stability AI's earlier engines, which it answers as well.",
                "schema": {"type": "string", "enum": [*ENGINE_IDS, *OLDER_ENGINE_IDS]},
            }
        },
        bodies=dict.fromkeys(media_types, BODIES[operation]),
        example={"text_prompts": [{"text": _PROMPT}], **example},
        answers={JSON: ArtifactsBody, PNG: BINARY},
        headers=("x-sdxl-variant", "x-sdxl-warning", "Seed", "Finish-Reason"),
        errors=IMAGES_ERRORS,
        read=partial(read_generation, operation),
        reply=result_reply,
        overhead_bytes=ARTIFACT_OVERHEAD_BYTES,
    )


ROUTES: tuple[ImagesRoute | PlainRoute, ...] = (
    _images_route(
        "text-to-image",
        "text-to-image",
        operation_id="textToImage",
        summary="Draw images from prompts",
        media_types=(JSON,),
        example={
            "text_prompts": [{"text": _PROMPT}, {"text": "people", "weight": -1.0}],
            "width": 128,
            "height": 128,
            "steps": 10,
            "seed": 7,
        },
    ),
    _images_route(
        "image-to-image",
        "image-to-image",
        operation_id="imageToImage",
        summary="Draw images from an image and prompts",
        media_types=(FORM, JSON),
        example={"init_image": EXAMPLE_PNG, "image_strength": 0.35, "steps": 10},
    ),
    _images_route(
        "masking",
        "image-to-image/masking",
        operation_id="masking",
        summary="Draw the masked part of an image anew",
        media_types=(FORM, JSON),
        example={
            "init_image": EXAMPLE_PNG,
            "mask_source": "MASK_IMAGE_WHITE",
            "mask_image": EXAMPLE_PNG,
            "steps": 10,
        },
    ),
    PlainRoute(
        method="GET",
        path="/v1/engines/list",
        operation_id="listEngines",
        summary="List the engines that a path can name",
        convention=CONVENTION,
        answers={JSON: list[Engine]},
        answer=engines_reply,
    ),
    PlainRoute(
        method="GET",
        path="/v1/user/balance",
        operation_id="userBalance",
        summary="A constant: nothing is metered here",
        convention=CONVENTION,
        answers={JSON: BalanceBody},
        answer=balance_reply,
    ),
    PlainRoute(
        method="GET",
        path="/v1/user/account",
        operation_id="userAccount",
        summary="A constant, for clients that check a key with it",
        convention=CONVENTION,
        answers={JSON: AccountBody},
        answer=account_reply,
    ),
)
