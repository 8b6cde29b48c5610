"""Stability AI's REST API v1, as its clients speak it.

Request: JSON with `text_prompts`. Reply: `{"artifacts": [{"base64", "seed", "finishReason"}]}`, or for
`Accept: image/png` the image itself with headers `Seed` and `Finish-Reason`. Errors are `{"id", "name", "message"}`,
JSON whatever `Accept` says.

Where that API has no word for it, we add one: an artifact that did not fit into the answer has `url`, a link that
expires, in place of `base64`; and `Accept: image/png` then answers 303 See Other with that link in `Location`.
"""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from image_api.dialects.http import JSON, PNG, HttpReply, HttpRequest, check_json_content_type, choose_media_type
from image_api.engines import ENGINES
from image_api.errors import ImageApiError, InvalidRequestError
from image_api.request import GenerationRequest, GenerationResult, LinkedArtifact
from image_api.validation import read_request

# What an artifact takes in the JSON answer beside its image.
ARTIFACT_OVERHEAD_BYTES = 100


def read_text_to_image(http: HttpRequest) -> tuple[GenerationRequest, str]:
    """The request, and the media type to answer in.

    Raises:
        ImageApiError: the headers or the body cannot be accepted; the message says why.
    """
    media_type = choose_media_type(http, (JSON, PNG))
    check_json_content_type(http)
    request = read_request(http.body)
    if media_type == PNG and request.samples > 1:
        raise InvalidRequestError(
            f"samples is {request.samples}, but an answer of {PNG} carries one image. "
            f"Send 1, or the header Accept: {JSON}.",
            name="invalid_samples",
        )
    return request, media_type


def result_reply(result: GenerationResult, media_type: str) -> HttpReply:
    """Answer with images."""
    if media_type == PNG:
        return _image_reply(result)
    return HttpReply(status=200, content_type=JSON, body=_artifacts_body(result))


def error_reply(error: ImageApiError, request_id: str) -> HttpReply:
    """Answer with an error."""
    return json_reply(error.status, error_fields(error, request_id), error.headers)


def error_fields(error: ImageApiError, request_id: str) -> dict[str, str]:
    """The error object."""
    return {"id": request_id, "name": error.name, "message": error.message}


def engines_reply() -> HttpReply:
    """Answer `GET /v1/engines/list`."""
    return json_reply(200, ENGINES)


def json_reply(status: int, value: object, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Answer with a small JSON value."""
    return HttpReply(
        status=status, content_type=JSON, body=msgspec.json.encode(value).decode(), headers=dict(headers or {})
    )


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
