"""Stability AI's REST API v1, as its clients speak it.

Request: text-to-image in JSON; image-to-image and masking in multipart/form-data as that API takes them, or in JSON
with images in base64. Reply: `{"artifacts": [{"base64", "seed", "finishReason"}]}`, or for `Accept: image/png` the
image itself with headers `Seed` and `Finish-Reason`. Errors are `{"id", "name", "message"}`, JSON whatever `Accept`
says.

Where that API has no word for it, we add one: an artifact that did not fit into the answer has `url`, a link that
expires, in place of `base64`; and `Accept: image/png` then answers 303 See Other with that link in `Location`.
"""

from __future__ import annotations

from functools import partial

import msgspec

from image_api.dialects.http import (
    JSON,
    PNG,
    HttpReply,
    HttpRequest,
    check_json_content_type,
    choose_media_type,
    json_reply,
)
from image_api.dialects.route import Asked, ImagesRoute, PlainRoute, Route
from image_api.engines import check_engine, deployed_engines
from image_api.errors import ImageApiError, InvalidRequestError, UnsupportedMediaTypeError
from image_api.multipart_form import FORM, is_form, read_form, typed_fields
from image_api.request import GenerationRequest, GenerationResult, LinkedArtifact, Operation
from image_api.settings import Settings
from image_api.validation import convert_request, read_request

# What an artifact takes in the JSON answer beside its image.
ARTIFACT_OVERHEAD_BYTES = 100
# That API's clients read `credits`, some of them with no other field beside it: what to make of it is in a header.
BALANCE = {"credits": 0.0}
BALANCE_NOTE = "Images are not metered here: credits is always 0 and nothing is refused for it."

_PATHS: dict[Operation, str] = {
    "text-to-image": "/v1/generation/{engine_id}/text-to-image",
    "image-to-image": "/v1/generation/{engine_id}/image-to-image",
    "masking": "/v1/generation/{engine_id}/image-to-image/masking",
}


def read_generation(operation: Operation, http: HttpRequest) -> Asked:
    """The request, with the media type to answer in as its option.

    Raises:
        ImageApiError: the headers or the body cannot be accepted; the message says why.
    """
    check_engine(http.path_parameters["engine_id"])
    media_type = choose_media_type(http, (JSON, PNG))
    request = _read_body(operation, http)
    if media_type == PNG and request.samples > 1:
        raise InvalidRequestError(
            f"samples is {request.samples}, but an answer of {PNG} carries one image. "
            f"Send 1, or the header Accept: {JSON}.",
            name="invalid_samples",
        )
    return Asked(request, options=media_type)


def _read_body(operation: Operation, http: HttpRequest) -> GenerationRequest:
    if operation == "text-to-image":
        check_json_content_type(http)
    elif is_form(http):
        return convert_request(typed_fields(read_form(http), operation), operation)
    else:
        _check_content_type(http)
    return read_request(http.body, operation)


def _check_content_type(http: HttpRequest) -> None:
    try:
        check_json_content_type(http)
    except UnsupportedMediaTypeError as exc:
        raise UnsupportedMediaTypeError(
            f"Content-Type is {http.headers.get('content-type', '')[:100]!r}, allowed is {FORM}, or {JSON} in UTF-8 "
            "with images in base64. Send one of them."
        ) from exc


def result_reply(result: GenerationResult, asked: Asked) -> HttpReply:
    """Answer with images."""
    if asked.options == PNG:
        return _image_reply(result)
    return HttpReply(status=200, content_type=JSON, body=_artifacts_body(result))


def error_reply(error: ImageApiError, request_id: str) -> HttpReply:
    """Answer with an error."""
    return json_reply(error.status, error_fields(error, request_id), error.headers)


def error_fields(error: ImageApiError, request_id: str) -> dict[str, str]:
    """The error object."""
    return {"id": request_id, "name": error.name, "message": error.message}


def engines_reply(_: HttpRequest, settings: Settings) -> HttpReply:
    """Answer `GET /v1/engines/list`."""
    return json_reply(200, deployed_engines(settings))


def balance_reply(_: HttpRequest, __: Settings) -> HttpReply:
    """Answer `GET /v1/user/balance`."""
    return json_reply(200, BALANCE, {"x-sdxl-warning": BALANCE_NOTE})


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


ROUTES: tuple[Route, ...] = (
    *(
        ImagesRoute(
            method="POST",
            path=path,
            read=partial(read_generation, operation),
            reply=result_reply,
            error_reply=error_reply,
            overhead_bytes=ARTIFACT_OVERHEAD_BYTES,
        )
        for operation, path in _PATHS.items()
    ),
    PlainRoute(method="GET", path="/v1/engines/list", answer=engines_reply, error_reply=error_reply),
    PlainRoute(method="GET", path="/v1/user/balance", answer=balance_reply, error_reply=error_reply),
)
