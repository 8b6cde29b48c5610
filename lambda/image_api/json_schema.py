"""JSON schemas of msgspec structs, each whole in itself: for messages, for user interfaces and for the documentation.

Nothing here runs for a request in JSON that is correct.
"""

from __future__ import annotations

import inspect
from functools import cache
from typing import Any

import msgspec

JsonSchema = dict[str, Any]

# `contentEncoding` says what `format: byte` says as well.
_DROPPED = frozenset({"contentEncoding"})


@cache
def schema_of(kind: type[msgspec.Struct]) -> JsonSchema:
    """The schema of a struct without references. Do not change it: it is kept.

    A field that may be null has `null` among its types. Each enumeration has a type beside it.
    """
    _, components = msgspec.json.schema_components([kind], ref_template="{name}")
    return _whole(components[kind.__name__], components)


def first_paragraph(text: str) -> str:
    """The first paragraph of a docstring, in one line: it is for callers; what follows is for readers of the code."""
    return inspect.cleandoc(text).split("\n\n")[0].replace("\n", " ")


def _whole(schema: JsonSchema, components: dict[str, JsonSchema]) -> JsonSchema:
    if reference := schema.get("$ref"):
        schema = {**components[reference], **schema}
        del schema["$ref"]
    if "anyOf" in schema:
        # The only unions of requests are those with null.
        (one,) = (option for option in schema["anyOf"] if option != {"type": "null"})
        return _or_null(_whole(one, components))
    result = {keyword: value for keyword, value in schema.items() if keyword not in _DROPPED}
    if "description" in schema:
        result["description"] = first_paragraph(schema["description"])
    if "properties" in schema:
        result["properties"] = {name: _whole(field, components) for name, field in schema["properties"].items()}
    if "items" in schema:
        result["items"] = _whole(schema["items"], components)
    if "enum" in schema:
        result.setdefault("type", "string")
    if schema.get("required") == []:
        del result["required"]
    return result


def _or_null(schema: JsonSchema) -> JsonSchema:
    enum = {"enum": [*schema["enum"], None]} if "enum" in schema else {}
    return {**schema, "type": [schema["type"], "null"], **enum}
