"""The OpenAPI 3.1 document of the API, put together from the routes that the application serves."""

from __future__ import annotations

import json
import re
from typing import Any

from image_api.dialects.openai_models import SHORT_NAME
from image_api.dialects.routes import ROUTES
from image_api.engines import ENGINE_IDS
from image_api.openapi_operations import OPERATIONS, operation_item
from image_api.openapi_schemas import JsonSchema, schemas

# Raised with each change of what the API takes or answers.
VERSION = "1.0.0"
_PARAMETER = re.compile(r"\{(\w+)\}")
# Served by the application itself, because only it knows the endpoint.
_HEALTH = ("GET", "/health")


def document() -> dict[str, Any]:
    """The document.

    Raises:
        ValueError: a route is not described, or a description has no route.
    """
    routes = [*((route.method, route.path) for route in ROUTES), _HEALTH]
    if unlike := set(routes) ^ OPERATIONS.keys():
        raise ValueError(f"Routes and descriptions in openapi_operations.py differ in {sorted(unlike)}: add or remove.")
    paths: dict[str, Any] = {}
    for method, path in sorted(routes, key=list(OPERATIONS).index):
        item = paths.setdefault(path, {})
        if names := _PARAMETER.findall(path):
            item["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
        item[method.lower()] = operation_item(OPERATIONS[method, path])
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "SDXL on AWS: image API",
            "version": VERSION,
            "summary": "SDXL 1.0 by the conventions of Stability AI's REST API v1 and of the OpenAI images API.",
            "license": {"name": "See the repository"},
        },
        "servers": [_SERVER],
        "security": [{"bearer": []}, {"apiKey": []}],
        "tags": [{"name": name} for name in dict.fromkeys(operation.tag for operation in OPERATIONS.values())],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "Authorization: Bearer KEY."},
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "parameters": _PARAMETERS,
            "headers": _HEADERS,
            "schemas": schemas(),
        },
    }


def document_text() -> str:
    """The text that the committed file must have."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


_SERVER: JsonSchema = {
    "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
    "variables": {"api": {"default": "api-id"}, "region": {"default": "us-east-1"}, "stage": {"default": "api"}},
}

_PARAMETERS: JsonSchema = {
    "engine_id": {
        "name": "engine_id",
        "in": "path",
        "required": True,
        "schema": {"type": "string", "enum": list(ENGINE_IDS)},
    },
    "model": {
        "name": "model",
        "in": "path",
        "required": True,
        "description": "A model that GET /v1/models lists, or the name of one of OpenAI's image models.",
        "schema": {"type": "string"},
        "example": SHORT_NAME,
    },
    "IdempotencyKey": {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "The same key with the same request gets the first answer again, without drawing anew.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
    },
}


def _header(description: str, schema: JsonSchema) -> JsonSchema:
    return {"description": description, "schema": schema}


_HEADERS: JsonSchema = {
    "X-Request-Id": _header("Names the request in logs.", {"type": "string"}),
    "x-sdxl-variant": _header("Which variant of the model drew, where there are several.", {"type": "string"}),
    "x-sdxl-warning": _header("What was drawn otherwise than asked.", {"type": "string"}),
    "Seed": _header("The seed of the image; with image/png.", {"type": "integer"}),
    "Finish-Reason": _header("SUCCESS or CONTENT_FILTERED; with image/png.", {"type": "string"}),
    "Location": _header("A link to the image, which expires.", {"type": "string", "format": "uri"}),
    "Retry-After": _header("After how many seconds to try again.", {"type": "integer"}),
}
