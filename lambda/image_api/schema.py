"""The JSON schema of a text-to-image request, generated from the domain model: `python -m image_api.schema` writes it.

API Gateway enforces the file before a function runs, and `validation.py` explains a wrong request with it. Models of
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

from image_api.request import GenerationRequest

SCHEMA_FILE = Path(__file__).parent / "schema" / "text_to_image.json"
DRAFT = "http://json-schema.org/draft-04/schema#"

_REFERENCE = "#/definitions/"
# What msgspec writes for the domain model and draft-04 understands in the same sense.
_KEYWORDS = frozenset(
    {"title", "description", "type", "properties", "required", "additionalProperties", "default", "enum", "items"}
    | {"minimum", "maximum", "multipleOf", "minLength", "maxLength", "minItems", "maxItems"}
)

JsonSchema = dict[str, Any]


@cache
def text_to_image_schema() -> JsonSchema:
    """The committed schema."""
    schema: JsonSchema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    return schema


def build_schema() -> JsonSchema:
    """The schema that the domain model has now, in draft-04."""
    _, components = msgspec.json.schema_components([GenerationRequest], ref_template=_REFERENCE + "{name}")
    return {"$schema": DRAFT, **_draft_04(components[GenerationRequest.__name__], components)}


def _draft_04(schema: JsonSchema, components: dict[str, JsonSchema]) -> JsonSchema:
    if reference := schema.get("$ref"):
        schema = {**components[reference.removeprefix(_REFERENCE)], **schema}
        del schema["$ref"]
    if unknown := schema.keys() - _KEYWORDS:
        raise ValueError(f"No rule how to write {sorted(unknown)} in draft-04: add one to image_api/schema.py.")
    result = dict(schema)
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


def schema_text() -> str:
    """The text that the committed file must have."""
    return json.dumps(build_schema(), indent=2) + "\n"


if __name__ == "__main__":
    SCHEMA_FILE.parent.mkdir(exist_ok=True)
    SCHEMA_FILE.write_text(schema_text(), encoding="utf-8")
