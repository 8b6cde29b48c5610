"""The OpenAI images API, as its clients speak it: images from a prompt, and the answer that all its routes share.

Request: JSON with `prompt`, or a form with files (`openai_edits.py`). Reply: `{"created", "data": [{"b64_json"} or
{"url"}]}`, and beside each image its `seed` and `finish_reason`, which are ours. What was drawn otherwise than asked,
such as OpenAI's sizes and models, stands in the header `x-sdxl-warning`.

An image that the model's filter kept back is left out; where none is left, the answer is that API's 400
`content_policy_violation`.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgspec

from image_api.dialects.http import JSON, HttpReply, HttpRequest, check_json_content_type, choose_media_type
from image_api.dialects.openai_errors import ContentPolicyError, InvalidParameterError, error_reply
from image_api.dialects.openai_models import answers_with_links, model_reply, models_reply
from image_api.dialects.openai_parameters import generation_schema
from image_api.dialects.openai_values import ResponseFormat, domain_fields, read_parameters, read_size, trained_size
from image_api.dialects.route import Asked, ImagesRoute, PlainRoute, Route
from image_api.request import Artifact, GenerationResult, LinkedArtifact
from image_api.settings import Settings
from image_api.validation import convert_request, read_json

WARNING_HEADER = "x-sdxl-warning"
# What an image takes in the answer beside its base64.
OVERHEAD_BYTES = 100


class ImagesOptions(msgspec.Struct, frozen=True):
    """How to answer: in which format, and what to tell the caller."""

    response_format: ResponseFormat
    warnings: tuple[str, ...] = ()


def read_generation(http: HttpRequest) -> Asked:
    """The request of `POST /v1/images/generations`.

    Raises:
        ImageApiError: the headers or the body cannot be accepted; the message says why.
    """
    choose_media_type(http, (JSON,))
    check_json_content_type(http)
    warnings: list[str] = []
    if not http.body.strip():
        raise InvalidParameterError('The body is empty. Send a JSON object such as {"prompt":"a puppy"}.', param="")
    values = read_parameters(read_json(http.body), generation_schema(), warnings)
    fields = domain_fields(values, values["prompt"], warnings)
    fields |= _size_fields(values, warnings)
    return build_asked(fields, "text-to-image", values, warnings)


def build_asked(
    fields: dict[str, Any],
    operation: Any,
    values: Mapping[str, Any],
    warnings: list[str],
    default_format: ResponseFormat = "b64_json",
) -> Asked:
    """The request that `fields` say, with how to answer it."""
    if answers_with_links(values.get("model", "")):
        default_format = "url"
    response_format: ResponseFormat = values.get("response_format", default_format)
    return Asked(
        convert_request(fields, operation),
        options=ImagesOptions(response_format, tuple(warnings)),
        as_links=response_format == "url",
    )


def images_reply(result: GenerationResult, asked: Asked) -> HttpReply:
    """Answer with images.

    Raises:
        ContentPolicyError: the model's filter kept back all of them.
    """
    options: ImagesOptions = asked.options
    artifacts = [artifact for artifact in result.artifacts if artifact.finish_reason != "CONTENT_FILTERED"]
    if not artifacts:
        raise ContentPolicyError(
            "The content filter of the model kept back every image of this request. Change the prompt or the image."
        )
    warnings = [*options.warnings, *result.warnings]
    if filtered := len(result.artifacts) - len(artifacts):
        warnings.append(f"The content filter of the model kept back {filtered} of {len(result.artifacts)} images.")
    if options.response_format == "b64_json" and any(isinstance(artifact, LinkedArtifact) for artifact in artifacts):
        warnings.append("What does not fit into the answer is a link in url in place of b64_json.")
    return HttpReply(
        status=200,
        content_type=JSON,
        body=_images_body(artifacts, f"{asked.request.width}x{asked.request.height}"),
        headers={WARNING_HEADER: " ".join(warnings)} if warnings else {},
    )


def _size_fields(values: Mapping[str, Any], warnings: list[str]) -> dict[str, int]:
    sides = {name: values[name] for name in ("width", "height") if name in values}
    name = values.get("size", "auto")
    size = read_size(name)
    if size is None:
        return sides
    if sides:
        raise InvalidParameterError(
            f"size is {name}, and {' and '.join(f'{side} is {value}' for side, value in sides.items())}. "
            "Send size, or width and height.",
            param="size",
        )
    width, height = trained_size(size, name, warnings)
    return {"width": width, "height": height}


def _images_body(artifacts: list[Artifact | LinkedArtifact], size: str) -> str:
    # Joined by hand, once: base64 needs no escaping, and a JSON encoder would read through megabytes to find that out.
    parts = ['{"created":', str(int(time.time())), ',"background":"opaque","output_format":"png","size":"', size]
    parts.append('","data":[')
    for artifact in artifacts:
        if isinstance(artifact, LinkedArtifact):
            parts += ('{"url":', msgspec.json.encode(artifact.url).decode())
        else:
            parts += ('{"b64_json":"', artifact.image_base64, '"')
        parts += (',"seed":', str(artifact.seed), ',"finish_reason":"', artifact.finish_reason, '"}', ",")
    parts[-1] = "]}"
    return "".join(parts)


def _models(_: HttpRequest, __: Settings) -> HttpReply:
    return models_reply()


def _model(http: HttpRequest, _: Settings) -> HttpReply:
    return model_reply(http.path_parameters["model"])


def _read_edit(http: HttpRequest) -> Asked:
    # Few requests carry an image; the others do not wait for what reads one.
    from image_api.dialects.openai_edits import read_edit  # noqa: PLC0415

    return read_edit(http)


def _read_variation(http: HttpRequest) -> Asked:
    from image_api.dialects.openai_edits import read_variation  # noqa: PLC0415

    return read_variation(http)


ROUTES: tuple[Route, ...] = (
    *(
        ImagesRoute(
            method="POST",
            path=f"/v1/images/{name}",
            read=read,
            reply=images_reply,
            error_reply=error_reply,
            overhead_bytes=OVERHEAD_BYTES,
        )
        for name, read in (("generations", read_generation), ("edits", _read_edit), ("variations", _read_variation))
    ),
    PlainRoute(method="GET", path="/v1/models", answer=_models, error_reply=error_reply),
    PlainRoute(method="GET", path="/v1/models/{model}", answer=_model, error_reply=error_reply),
)
