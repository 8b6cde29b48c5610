"""The JSON schemas of requests, generated from the bodies: `python -m image_api.schema` writes them.

API Gateway enforces the files before a function runs, and `validation.py` explains a wrong request with them. Models of
API Gateway are JSON Schema draft-04 and refer only to other models, so everything is inlined and written in draft-04's
words: no `$ref`, no `const`, no empty `required`, a type beside each `enum`.
"""

from __future__ import annotations

import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

import msgspec

from image_api.bodies import BODIES
from image_api.request import OPERATIONS, Operation

SCHEMA_DIRECTORY = Path(__file__).parent / "schema"
DRAFT = "http://json-schema.org/draft-04/schema#"

_REFERENCE = "#/definitions/"
# What msgspec writes for the bodies and draft-04 understands in the same sense.
_KEYWORDS = frozenset(
    {"title", "description", "type", "properties", "required", "additionalProperties", "default", "enum", "items"}
    | {"minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems", "pattern", "format"}
)
# Newer than draft-04, and said by `format: byte` as well.
_DROPPED = frozenset({"contentEncoding"})

JsonSchema = dict[str, Any]


def schema_file(operation: Operation) -> Path:
    """The committed schema of an operation."""
    return SCHEMA_DIRECTORY / f"{operation.replace('-', '_')}.json"


@cache
def request_schema(operation: Operation) -> JsonSchema:
    """The committed schema of an operation's body."""
    schema: JsonSchema = json.loads(schema_file(operation).read_text(encoding="utf-8"))
    return schema


def text_to_image_schema() -> JsonSchema:
    """The committed schema of a text-to-image body."""
    return request_schema("text-to-image")


def build_schema(operation: Operation) -> JsonSchema:
    """The schema that the body has now, in draft-04."""
    body = BODIES[operation]
    _, components = msgspec.json.schema_components([body], ref_template=_REFERENCE + "{name}")
    return {"$schema": DRAFT, **_draft_04(components[body.__name__], components)}


def schema_text(operation: Operation) -> str:
    """The text that the committed file must have."""
    return json.dumps(build_schema(operation), indent=2) + "\n"


def _draft_04(schema: JsonSchema, components: dict[str, JsonSchema]) -> JsonSchema:
    if reference := schema.get("$ref"):
        schema = {**components[reference.removeprefix(_REFERENCE)], **schema}
        del schema["$ref"]
    result = {keyword: value for keyword, value in schema.items() if keyword not in _DROPPED}
    if unknown := result.keys() - _KEYWORDS:
        raise ValueError(f"No rule how to write {sorted(unknown)} in draft-04: add one to image_api/schema.py.")
    if "description" in schema:
        # The first paragraph is for callers, what follows it for readers of the code.
        result["description"] = inspect.cleandoc(schema["description"]).split("\n\n")[0].replace("\n", " ")
    if "properties" in schema:
        result["properties"] = {name: _draft_04(field, components) for name, field in schema["properties"].items()}
    if "items" in schema:
        result["items"] = _draft_04(schema["items"], components)
    if "enum" in schema:
        result["type"] = "string"
    if schema.get("required") == []:
        del result["required"]
    return result


if __name__ == "__main__":
    SCHEMA_DIRECTORY.mkdir(exist_ok=True)
    for _operation in OPERATIONS:
        schema_file(_operation).write_text(schema_text(_operation), encoding="utf-8")
