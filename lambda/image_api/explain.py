"""What is wrong with a JSON value by a JSON schema, in words for the person who sent it.

Runs only after a request was found to be wrong; it knows the keywords that `schema.py` writes.
"""

from __future__ import annotations

import json
from typing import Any, NamedTuple, cast

import msgspec

_SHOWN_CHARACTERS = 80


class Problem(NamedTuple):
    """One thing that is wrong: the top-level field it is in (empty for the request as a whole), and the message."""

    field: str
    message: str


def shown(value: object) -> str:
    """A received value for a message: as JSON, shortened, and always printable as UTF-8."""
    match value:
        case bytes():
            return f"a file of {len(value)} bytes"
        case list() if value:
            return f"an array of {len(value)} items"
        case dict() if value:
            return f"an object of {len(value)} fields"
        case int() if value.bit_length() > 128:
            # Python refuses to write out integers of more than 4300 digits.
            return f"an integer of {value.bit_length()} bits"
    # `backslashreplace` turns half of a surrogate pair, which no encoder takes, into its escape.
    text = json.dumps(value, ensure_ascii=False).encode(errors="backslashreplace").decode()
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}... ({len(text)} characters)"


def find_problems(value: object, schema: dict[str, Any], path: str = "", field: str = "") -> list[Problem]:
    """Every way in which `value` breaks `schema`, in the order of the schema; empty if it breaks it in none."""
    if not _has_type(value, schema):
        return [_problem(value, schema, path, field)]
    match value:
        case dict():
            return _object_problems(value, schema, path, field)
        case list():
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                message = f"{path} has {len(value)} items, allowed is {allowed(schema)}.{_remedy(schema)}"
                return [Problem(field, message)]
            return [
                problem
                for index, item in enumerate(value)
                for problem in find_problems(item, schema["items"], f"{path}[{index}]", field)
            ]
    return [] if _is_allowed(value, schema) else [_problem(value, schema, path, field)]


def _object_problems(value: dict[str, Any], schema: dict[str, Any], path: str, field: str) -> list[Problem]:
    properties: dict[str, Any] = schema["properties"]
    problems = []
    for name in value:
        if name not in properties:
            where = f" in {path}" if path else ""
            problems.append(
                Problem(field, f"Unknown field {shown(name)}{where}. Known fields: {', '.join(properties)}.")
            )
    for name, property_schema in properties.items():
        inner_path = f"{path}.{name}" if path else name
        if name in value:
            problems += find_problems(value[name], property_schema, inner_path, field or name)
        elif name in schema.get("required", ()):
            problems.append(
                Problem(field or name, f"{inner_path} is missing. Send {allowed(property_schema)}: it is required.")
            )
    return problems


def _problem(value: object, schema: dict[str, Any], path: str, field: str) -> Problem:
    if not path:
        return Problem(field, f"The body is {shown(value)}, allowed is {allowed(schema)}. Send such an object.")
    if schema.get("format") == "byte" and isinstance(value, str):
        where = " Send what follows the comma of the data URL." if value.startswith("data:") else ""
        return Problem(field, f"{path} is {shown(value)}, which is not base64. Encode the image's bytes.{where}")
    if isinstance(value, str) and "maxLength" in schema and len(value) > schema["maxLength"]:
        return Problem(field, f"{path} has {len(value)} characters, allowed is {allowed(schema)}. Shorten it.")
    return Problem(field, f"{path} is {shown(value)}, allowed is {allowed(schema)}.{_remedy(schema)}")


def _remedy(schema: dict[str, Any]) -> str:
    if "default" in schema:
        return f" Change it, or leave it out for {schema['default']}."
    return " Change it."


def _has_type(value: object, schema: dict[str, Any]) -> bool:
    if isinstance(value, bytes):
        return bool(schema.get("format") == "byte")
    # A bool is an int in Python, and none in JSON.
    is_bool = isinstance(value, bool)
    return {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "boolean": is_bool,
        "integer": isinstance(value, int) and not is_bool,
        "number": isinstance(value, int | float) and not is_bool,
    }[cast("str", schema["type"])]


def _is_base64(text: str) -> bool:
    try:
        msgspec.convert(text, bytes)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _is_allowed(value: object, schema: dict[str, Any]) -> bool:
    if "enum" in schema:
        return value in schema["enum"]
    if isinstance(value, str) and schema.get("format") == "byte":
        return _is_base64(value)
    if isinstance(value, str):
        return bool(schema.get("minLength", 0) <= len(value) <= schema.get("maxLength", len(value)))
    if isinstance(value, int | float) and not isinstance(value, bool):
        in_range = schema.get("minimum", value) <= value <= schema.get("maximum", value)
        return bool(in_range and value % schema.get("multipleOf", 1 if isinstance(value, int) else value or 1) == 0)
    return True


def allowed(schema: dict[str, Any]) -> str:
    """What a schema allows, in words: "an integer from 10 to 150"."""
    if "enum" in schema:
        return f"one of {', '.join(schema['enum'])}"
    match schema["type"]:
        case "integer" | "number" as type_name:
            words = "an integer" if type_name == "integer" else "a number"
            if "minimum" in schema:
                words += f" from {schema['minimum']:g} to " + f"{schema['maximum']:.0f}"
            return words + (f", a multiple of {schema['multipleOf']}" if "multipleOf" in schema else "")
        case "string":
            return _allowed_text(schema)
        case "array":
            return f"an array of {schema['minItems']} to {schema['maxItems']} objects"
        case "object":
            return f"an object with the fields {', '.join(schema['properties'])}"
        case _:
            return "true or false"


def _allowed_text(schema: dict[str, Any]) -> str:
    if schema.get("format") == "byte":
        return "an image in base64"
    if "minLength" in schema:
        return f"a text of {schema['minLength']} to {schema['maxLength']} characters"
    return "a text"
