"""Renews what is made of the function's routes and bodies: `python -m tools.openapi_document` writes two files.

- `lambda/image_api/openapi.json`, the OpenAPI 3.1 document that the function serves: the routes say what there is, and
  the msgspec structs of their bodies and answers become its schemas.
- `docs/api.md`, between its markers: the table of the parameters of Stability AI's convention.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, get_args

import msgspec
from image_api.bodies import BODIES
from image_api.dialects.http import EVENT_STREAM, FORM, JSON, PNG
from image_api.dialects.route import BINARY, ImagesRoute, Route
from image_api.dialects.routes import ROUTES
from image_api.dialects.service import DOCUMENT_FILE
from image_api.explain import allowed
from image_api.json_schema import JsonSchema, first_paragraph, schema_of
from image_api.presets import RECOMMENDED_RANGES
from image_api.request import MAX_TEXT_PROMPTS, OPERATIONS, STYLE_PRESETS
from msgspec import UnsetType

from tools.marked_section import replace_section

# Raised with each change of what the API takes or answers.
VERSION = "1.3.0"
PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
TABLE_BEGIN = "<!-- parameters: begin (made by `python -m tools.openapi_document`) -->"
TABLE_END = "<!-- parameters: end -->"

_BINARY: JsonSchema = {"type": "string", "format": "binary"}
_REFERENCE = "#/components/schemas/"
# Errors that API Gateway, the firewall before it or a fault inside can answer on any route.
_ANYWHERE = (403, 429, 500, 503, 504)
_WITH_KEY = (401,)
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
    502: "The model failed, or the image could not be stored or signed.",
    503: "The model is not ready. Retry-After says when to try again.",
    504: "The model did not answer in time.",
}
_SERVER: JsonSchema = {
    "url": "https://{api}.execute-api.{region}.amazonaws.com/{stage}",
    "variables": {"api": {"default": "api-id"}, "region": {"default": "us-east-1"}, "stage": {"default": "api"}},
}
_IDEMPOTENCY_KEY: JsonSchema = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "The same key with the same request gets the first answer again, without drawing anew.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}


def _header(description: str, **schema: str) -> JsonSchema:
    return {"description": description, "schema": schema}


_HEADERS: JsonSchema = {
    "X-Request-Id": _header("Names the request in logs.", type="string"),
    "x-sdxl-variant": _header("Which variant of the model drew, where there are several.", type="string"),
    "x-sdxl-warning": _header("What differs from the request.", type="string"),
    "Seed": _header("The seed of the image; with image/png.", type="integer"),
    "Finish-Reason": _header("SUCCESS or CONTENT_FILTERED; with image/png.", type="string"),
    "Location": _header("A link to the image, which expires.", type="string", format="uri"),
    "Retry-After": _header("After how many seconds to try again.", type="integer"),
}


def document(routes: Iterable[Route] = ROUTES) -> dict[str, Any]:
    """The document of `routes`."""
    routes = tuple(routes)
    paths: dict[str, Any] = {}
    parameters: dict[str, Any] = {}
    for route in routes:
        item = paths.setdefault(route.path, {})
        if names := re.findall(r"\{(\w+)\}", route.path):
            item["parameters"] = [{"$ref": f"#/components/parameters/{name}"} for name in names]
            parameters |= {
                name: {"name": name, "in": "path", "required": True, **route.parameters[name]} for name in names
            }
        item[route.method.lower()] = _operation(route)
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
        "tags": [{"name": name} for name in dict.fromkeys(route.convention.name for route in routes)],
        "paths": paths,
        "components": {
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "Authorization: Bearer KEY, or the key alone.",
                },
                "apiKey": {"type": "apiKey", "in": "header", "name": "x-api-key"},
            },
            "parameters": {**parameters, "IdempotencyKey": _IDEMPOTENCY_KEY},
            "headers": _HEADERS,
            "schemas": {**_body_schemas(routes), **_answer_schemas(routes)},
        },
    }


def document_text() -> str:
    """The text that the committed file must have."""
    return json.dumps(document(), indent=2, ensure_ascii=False) + "\n"


def parameter_table() -> str:
    """Markdown table of every field of every operation."""
    operations: dict[str, list[str]] = {}
    schemas: dict[str, JsonSchema] = {}
    required: set[str] = set()
    for operation in OPERATIONS:
        schema = _body(BODIES[operation])
        required |= set(schema["required"])
        for name, field in schema["properties"].items():
            schemas[name] = field
            operations.setdefault(name, []).append(operation)
    rows = ["| field | what it is | allowed | default | in |", "|---|---|---|---|---|"]
    for name, field in schemas.items():
        default = f"`{field['default']}`" if "default" in field else "**required**" if name in required else "none"
        where = "all" if len(operations[name]) == len(OPERATIONS) else ", ".join(operations[name])
        rows.append(f"| `{name}` | {field['description']} | {_allowed(name, field)} | {default} | {where} |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """`page` with the table between its two markers renewed.

    Raises:
        ValueError: the page has not exactly one of each marker, in order.
    """
    return replace_section(page, TABLE_BEGIN, TABLE_END, parameter_table())


def main() -> int:
    """Write both files."""
    DOCUMENT_FILE.write_text(document_text(), encoding="utf-8")
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    return 0


def _allowed(name: str, field: JsonSchema) -> str:
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    words = allowed(field)
    if name in RECOMMENDED_RANGES:
        low, high = RECOMMENDED_RANGES[name]
        words += f"; {low:g} to {high:g} recommended"
    return words


def _operation(route: Route) -> JsonSchema:
    item: JsonSchema = {
        "operationId": route.operation_id,
        "tags": [route.convention.name],
        "summary": route.summary,
        "responses": {"200": _answer(route), **_other_answers(route)},
    }
    if route.description:
        item["description"] = route.description
    if route.bodies:
        if isinstance(route, ImagesRoute):
            item["parameters"] = [{"$ref": "#/components/parameters/IdempotencyKey"}]
        content: JsonSchema = {
            media_type: {"schema": _reference(_body_name(body, media_type, route))}
            for media_type, body in route.bodies.items()
        }
        if route.example is not None:
            content[JSON]["example"] = route.example
        item["requestBody"] = {"required": True, "content": content}
    if route.is_open:
        item["security"] = []
    return item


def _answer(route: Route) -> JsonSchema:
    return {
        "description": "As requested.",
        "headers": _header_references("X-Request-Id", *route.headers),
        "content": {
            media_type: {"schema": _answer_schema(media_type, answer)} for media_type, answer in route.answers.items()
        },
    }


def _answer_schema(media_type: str, answer: Any) -> JsonSchema:
    if answer is BINARY:
        return _BINARY
    body = _reference(_name(answer))
    if media_type != EVENT_STREAM:
        return body
    # Each event of a stream, as OpenAPI 3.2 describes server-sent events.
    data = {"type": "string", "contentMediaType": JSON, "contentSchema": body}
    return {"type": "object", "required": ["event", "data"], "properties": {"event": {"type": "string"}, "data": data}}


def _other_answers(route: Route) -> JsonSchema:
    statuses = {*route.errors, *route.error_bodies, *_ANYWHERE, *(() if route.is_open else _WITH_KEY)}
    answers: JsonSchema = {}
    for status in sorted(statuses):
        body = route.error_bodies.get(status, route.convention.error_body)
        headers = {"headers": _header_references("Retry-After")} if status in (429, 503) else {}
        answers[str(status)] = {
            "description": _ERROR_WORDS[status],
            **headers,
            "content": {JSON: {"schema": _reference(_name(body))}},
        }
    if PNG in route.answers:
        answers["303"] = {
            "description": "Accept was image/png, and the image does not fit into an answer: Location links to it.",
            "headers": _header_references("Location", *route.headers),
            "content": {JSON: {"schema": _reference(_name(route.answers[JSON]))}},
        }
    return dict(sorted(answers.items()))


def _header_references(*names: str) -> JsonSchema:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _reference(name: str) -> JsonSchema:
    return {"$ref": f"{_REFERENCE}{name}"}


def _name(kind: Any) -> str:
    """What a type is called in the document: `Artifacts` for `ArtifactsBody`, `Engines` for `list[Engine]`."""
    if items := get_args(kind):
        return f"{_name(items[0])}s"
    name: str = kind.__name__
    return name.removesuffix("Body")


def _body_name(body: type[msgspec.Struct], media_type: str, route: Route) -> str:
    """A body that is taken both as JSON and as a form has two schemas."""
    return f"{_name(body)}Form" if media_type == FORM and route.bodies.get(JSON) is body else _name(body)


def _body_schemas(routes: Iterable[Route]) -> JsonSchema:
    found: JsonSchema = {}
    for route in routes:
        for media_type, body in sorted(route.bodies.items()):
            name = _body_name(body, media_type, route)
            schema = _body(body) if name == _name(body) else _form(body)
            found[name] = {**schema, "title": name}
            if media_type == FORM:
                found[name]["properties"] = _form_fields(found[name])
            else:
                found[name] = _with_null(found[name])
    return found


def _body(body: type[msgspec.Struct]) -> JsonSchema:
    """A body as JSON has it. Which styles there are is the deployment's: the document has those of every deployment."""
    schema = schema_of(body)
    properties = {name: {**field} for name, field in schema["properties"].items()}
    for field in properties.values():
        if field.get("default", "") is None:
            del field["default"]
    if body in BODIES.values():
        properties["style_preset"]["enum"] = list(STYLE_PRESETS)
    return {**schema, "properties": properties, **_exactly_one(body)}


def _form(body: type[msgspec.Struct]) -> JsonSchema:
    """A body's fields in multipart/form-data, with the prompts one by one and the images as files."""
    schema = _body(body)
    properties: JsonSchema = dict(schema["properties"])
    required = list(schema["required"])
    first: JsonSchema = {}
    more: JsonSchema = {}
    if "text_prompts" in properties:
        prompt = properties.pop("text_prompts")["items"]["properties"]
        first = {f"text_prompts[0][{name}]": field for name, field in prompt.items()}
        more = {
            "patternProperties": {
                rf"^text_prompts\[[1-{MAX_TEXT_PROMPTS - 1}]\]\[{name}\]$": field for name, field in prompt.items()
            }
        }
        required[required.index("text_prompts")] = "text_prompts[0][text]"
    extras = properties.pop("extras")["properties"] if "extras" in properties else {}
    files = {
        name: {**_BINARY, "description": field["description"].removesuffix("; base64 in JSON.").rstrip(".") + "."}
        for name, field in properties.items()
        if field.get("format") == "byte"
    }
    return {
        "description": schema["description"],
        "type": "object",
        "properties": {
            **first,
            **properties,
            **files,
            **{f"extras[{name}]": field for name, field in extras.items()},
        },
        **more,
        "required": required,
        "additionalProperties": False,
    }


def _with_null(schema: JsonSchema) -> JsonSchema:
    """A JSON schema whose optional fields may be null, at every depth: null means left out."""
    result = {**schema}
    if "items" in schema:
        result["items"] = _with_null(schema["items"])
    if "properties" in schema:
        required = schema.get("required", ())
        result["properties"] = {
            name: _with_null(field) if name in required else _or_null(_with_null(field))
            for name, field in schema["properties"].items()
        }
    return result


def _or_null(schema: JsonSchema) -> JsonSchema:
    if isinstance(schema["type"], list):
        return schema
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **enum}


def _form_fields(schema: JsonSchema) -> JsonSchema:
    """The fields of a form. It has no null: an optional field that is blank is left out."""
    fields: JsonSchema = {}
    for name, field in schema["properties"].items():
        fields[name] = _without_null(field)
        if name not in schema.get("required", ()) and field.get("format") != "binary":
            description = {"description": field["description"]} if "description" in field else {}
            fields[name] = {**description, "anyOf": [fields[name], {"const": ""}]}
    return fields


def _without_null(schema: JsonSchema) -> JsonSchema:
    if not isinstance(schema["type"], list):
        return schema
    result = {**schema, "type": schema["type"][0]}
    if "enum" in schema:
        result["enum"] = [choice for choice in schema["enum"] if choice is not None]
    return result


def _answer_schemas(routes: Iterable[Route]) -> JsonSchema:
    kinds = dict.fromkeys(
        kind
        for route in routes
        for kind in (*route.answers.values(), *route.error_bodies.values(), route.convention.error_body)
        if kind is not BINARY
    )
    schemas, components = msgspec.json.schema_components(list(kinds), ref_template="{name}")
    structs = {kind.__name__: kind for kind in _structs(kinds)}
    lists = {
        _name(kind): {**_named(schema), "minItems": 1}
        for kind, schema in zip(kinds, schemas, strict=True)
        if get_args(kind)
    }
    return {_name(structs[name]): _written(structs[name], schema) for name, schema in components.items()} | lists


def _structs(kinds: Iterable[Any]) -> Iterable[type[msgspec.Struct]]:
    """Every struct in `kinds`, and in their fields."""
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            yield kind
            yield from _structs(field.type for field in msgspec.structs.fields(kind))
        else:
            yield from _structs(get_args(kind))


def _written(kind: type[msgspec.Struct], schema: JsonSchema) -> JsonSchema:
    """The schema of an answer: open, because answers may gain fields, and with every field that cannot be unset."""
    named = _named(schema)
    properties = {
        name: {keyword: value for keyword, value in field.items() if keyword != "default"}
        for name, field in named["properties"].items()
    }
    required = [field.encode_name for field in msgspec.structs.fields(kind) if UnsetType not in get_args(field.type)]
    return {
        "type": "object",
        "description": first_paragraph(schema["description"]),
        "properties": properties,
        "required": required,
        **_exactly_one(kind),
    }


def _named(schema: Any) -> Any:
    """`schema` with references by the names of the document, and a type beside each enumeration."""
    if isinstance(schema, list):
        return [_named(item) for item in schema]
    if not isinstance(schema, Mapping):
        return schema
    result = {keyword: _named(value) for keyword, value in schema.items()}
    if isinstance(schema.get("$ref"), str):
        result["$ref"] = f"{_REFERENCE}{schema['$ref'].removesuffix('Body')}"
    if "enum" in schema:
        result.setdefault("type", "string")
    return result


def _exactly_one(kind: type[msgspec.Struct]) -> JsonSchema:
    names = getattr(kind, "exactly_one", ())
    return {"oneOf": [{"required": [name]} for name in names]} if names else {}


if __name__ == "__main__":
    sys.exit(main())
