"""What the OpenAPI document says of each route: its purpose, its bodies with an example, and its answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from image_api.openapi_schemas import JsonSchema, reference

_PROMPT = "A lighthouse on a cliff, in the style of an old postcard"
_SIZE = {"width": 128, "height": 128, "steps": 10}
# A grey PNG of 128x128 pixels.
_GREY_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAAAAADmVT4XAAAAWklEQVR42u3OsQAAAAACsPx5AgyjZyNYehYBAQEBAQEBAQEBAQEB"
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAYF3YE47AqTCfcJ+AAAAAElFTkSuQmCC"
)

# Errors that API Gateway, the firewall before it or a fault inside can answer on any route.
_ANYWHERE = (403, 429, 500, 503, 504)
_WITH_KEY = (401,)
_ANY_BODY = (400, 404, 406, 409, 413, 415, 422, 502)

_ERROR_WORDS = {
    400: "The request cannot be carried out as it stands; the message says what to change.",
    401: "The key is missing or unknown.",
    403: "The caller is not allowed to do this.",
    404: "There is nothing of this name.",
    406: "None of the media types in Accept can be answered.",
    409: "A request with the same Idempotency-Key is still being answered.",
    413: "The body is too large.",
    415: "The body is of a media type that is not read here.",
    422: "The Idempotency-Key was used with another request.",
    429: "Too many requests. Retry-After says when to try again.",
    500: "The service failed.",
    502: "The model failed, or the image could not be stored.",
    503: "The model is not ready. Retry-After says when to try again.",
    504: "The model did not answer in time.",
}


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One route. `bodies` and `answers` are schema names by media type."""

    operation_id: str
    tag: str
    summary: str
    answers: Mapping[str, str]
    bodies: Mapping[str, str] = {}
    example: Mapping[str, Any] | None = None
    error: str = "StabilityError"
    errors: tuple[int, ...] = ()
    needs_key: bool = True
    description: str = ""
    headers: tuple[str, ...] = ()


_JSON = "application/json"
_FORM = "multipart/form-data"
_PNG = "image/png"
_STABILITY, _OPENAI, _SERVICE = "Stability AI REST v1", "OpenAI images", "Service"
_IMAGES_HEADERS = ("x-sdxl-variant", "x-sdxl-warning")
_PNG_HEADERS = (*_IMAGES_HEADERS, "Seed", "Finish-Reason")

OPERATIONS: dict[tuple[str, str], Operation] = {
    ("POST", "/v1/generation/{engine_id}/text-to-image"): Operation(
        operation_id="textToImage",
        tag=_STABILITY,
        summary="Draw images from prompts",
        bodies={_JSON: "TextToImage"},
        example={"text_prompts": [{"text": _PROMPT}, {"text": "people", "weight": -1.0}], **_SIZE, "seed": 7},
        answers={_JSON: "Artifacts", _PNG: ""},
        errors=_ANY_BODY,
        headers=_PNG_HEADERS,
    ),
    ("POST", "/v1/generation/{engine_id}/image-to-image"): Operation(
        operation_id="imageToImage",
        tag=_STABILITY,
        summary="Draw images from an image and prompts",
        bodies={_FORM: "ImageToImageForm", _JSON: "ImageToImage"},
        example={"text_prompts": [{"text": _PROMPT}], "init_image": _GREY_PNG, "image_strength": 0.35, "steps": 10},
        answers={_JSON: "Artifacts", _PNG: ""},
        errors=_ANY_BODY,
        headers=_PNG_HEADERS,
    ),
    ("POST", "/v1/generation/{engine_id}/image-to-image/masking"): Operation(
        operation_id="masking",
        tag=_STABILITY,
        summary="Draw the masked part of an image anew",
        bodies={_FORM: "MaskingForm", _JSON: "Masking"},
        example={
            "text_prompts": [{"text": _PROMPT}],
            "init_image": _GREY_PNG,
            "mask_source": "MASK_IMAGE_WHITE",
            "mask_image": _GREY_PNG,
            "steps": 10,
        },
        answers={_JSON: "Artifacts", _PNG: ""},
        errors=_ANY_BODY,
        headers=_PNG_HEADERS,
    ),
    ("GET", "/v1/engines/list"): Operation(
        operation_id="listEngines",
        tag=_STABILITY,
        summary="List the engines that a path can name",
        answers={_JSON: "Engines"},
    ),
    ("GET", "/v1/user/balance"): Operation(
        operation_id="userBalance",
        tag=_STABILITY,
        summary="A constant: nothing is metered here",
        answers={_JSON: "Balance"},
    ),
    ("POST", "/v1/images/generations"): Operation(
        operation_id="createImage",
        tag=_OPENAI,
        summary="Draw images from a prompt",
        bodies={_JSON: "ImageGeneration"},
        example={"prompt": _PROMPT, **_SIZE, "response_format": "b64_json", "seed": 7},
        answers={_JSON: "Images"},
        error="OpenAIError",
        errors=_ANY_BODY,
        headers=_IMAGES_HEADERS,
    ),
    ("POST", "/v1/images/edits"): Operation(
        operation_id="createImageEdit",
        tag=_OPENAI,
        summary="Repaint what is transparent in a mask, or change a whole image",
        bodies={_FORM: "ImageEdit"},
        answers={_JSON: "Images"},
        error="OpenAIError",
        errors=_ANY_BODY,
        headers=_IMAGES_HEADERS,
    ),
    ("POST", "/v1/images/variations"): Operation(
        operation_id="createImageVariation",
        tag=_OPENAI,
        summary="Draw an image anew, with half of it kept",
        description="Drawn with the prompt `high quality, detailed` and an image_strength of 0.5, unless one is sent.",
        bodies={_FORM: "ImageVariation"},
        answers={_JSON: "Images"},
        error="OpenAIError",
        errors=_ANY_BODY,
        headers=_IMAGES_HEADERS,
    ),
    ("GET", "/v1/models"): Operation(
        operation_id="listModels",
        tag=_OPENAI,
        summary="List the models",
        answers={_JSON: "Models"},
        error="OpenAIError",
    ),
    ("GET", "/v1/models/{model}"): Operation(
        operation_id="retrieveModel",
        tag=_OPENAI,
        summary="Describe a model",
        answers={_JSON: "Model"},
        error="OpenAIError",
        errors=(404,),
    ),
    ("GET", "/v1/presets"): Operation(
        operation_id="listPresets",
        tag=_SERVICE,
        summary="Sizes, samplers, styles and parameters with their bounds, for user interfaces",
        answers={_JSON: "Presets"},
    ),
    ("GET", "/health"): Operation(
        operation_id="health",
        tag=_SERVICE,
        summary="Whether the model is in service",
        answers={_JSON: "Health"},
        needs_key=False,
    ),
    ("GET", "/openapi.json"): Operation(
        operation_id="openapi",
        tag=_SERVICE,
        summary="This document",
        answers={_JSON: "OpenAPI"},
        needs_key=False,
    ),
}


def operation_item(operation: Operation) -> JsonSchema:
    """The operation object."""
    item: JsonSchema = {
        "operationId": operation.operation_id,
        "tags": [operation.tag],
        "summary": operation.summary,
        "responses": {"200": _answer(operation), **_error_answers(operation)},
    }
    if operation.description:
        item["description"] = operation.description
    if operation.bodies:
        item["parameters"] = [{"$ref": "#/components/parameters/IdempotencyKey"}]
        item["requestBody"] = {"required": True, "content": _bodies(operation)}
    if not operation.needs_key:
        item["security"] = []
    return item


def _bodies(operation: Operation) -> JsonSchema:
    bodies: JsonSchema = {media_type: {"schema": reference(name)} for media_type, name in operation.bodies.items()}
    if operation.example is not None:
        bodies[_JSON]["example"] = operation.example
    return bodies


def _answer(operation: Operation) -> JsonSchema:
    binary = {"type": "string", "format": "binary"}
    content = {
        media_type: {"schema": reference(name) if name else binary} for media_type, name in operation.answers.items()
    }
    return {
        "description": "As asked for.",
        "headers": {name: _header(name) for name in ("X-Request-Id", *operation.headers)},
        "content": content,
    }


def _error_answers(operation: Operation) -> JsonSchema:
    statuses = sorted({*operation.errors, *_ANYWHERE, *(_WITH_KEY if operation.needs_key else ())})
    answers = {str(status): _error_answer(status, operation.error) for status in statuses}
    if _PNG in operation.answers:
        answers["303"] = {
            "description": "Accept was image/png, and the image does not fit into an answer: Location links to it.",
            "headers": {"Location": _header("Location"), **{name: _header(name) for name in operation.headers}},
            "content": {_JSON: {"schema": reference("Artifacts")}},
        }
    if operation.operation_id == "health":
        answers["503"]["content"] = {_JSON: {"schema": reference("Unhealthy")}}
    return dict(sorted(answers.items()))


def _error_answer(status: int, schema: str) -> JsonSchema:
    headers = ["Retry-After"] if status in (429, 503) else []
    return {
        "description": _ERROR_WORDS[status],
        **({"headers": {name: _header(name) for name in headers}} if headers else {}),
        "content": {_JSON: {"schema": reference(schema)}},
    }


def _header(name: str) -> JsonSchema:
    return {"$ref": f"#/components/headers/{name}"}
