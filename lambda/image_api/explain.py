"""What is wrong with a JSON value by a JSON schema, in words for the person who sent it.

Runs only after a request was found to be wrong. It knows the keywords that `json_schema.py` writes.
"""

from __future__ import annotations

import json
from typing import Any, cast

import msgspec

from image_api.errors import Problem
from image_api.json_schema import JsonSchema

_SHOWN_CHARACTERS = 80
# JavaScript reads larger integers as other numbers.
_EXACT_BITS = 53
# More are not looked at: an answer lists 50, and a body of 5 MB may hold 100,000.
_MAX_UNKNOWN_FIELDS = 100


def shown(value: object) -> str:
    """A received value for a message: as JSON, at most about 100 characters, and always printable as UTF-8."""
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


def brief(value: object) -> str | int | float | bool | None:
    """A received value for a program: itself if it is a short scalar, else a few words as `shown` has them."""
    match value:
        case None | bool() | float():
            return value
        case int() if value.bit_length() <= _EXACT_BITS:
            return value
        case str() if len(value) <= _SHOWN_CHARACTERS:
            return value.encode(errors="backslashreplace").decode()
    return shown(value)


def find_problems(value: object, schema: JsonSchema, path: str = "") -> list[Problem]:
    """Every way in which `value` breaks `schema`, in the order of the schema; empty if it breaks it in none."""
    if isinstance(value, msgspec.Struct):
        # Built by a dialect, within bounds of its own.
        return []
    if not _has_type(value, schema):
        return [_problem(value, schema, path)]
    match value:
        case dict():
            return _object_problems(value, schema, path)
        case list():
            if not schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value)):
                message = f"{path} has {len(value)} items, allowed is {allowed(schema)}.{_remedy(schema)}"
                return [Problem(path, message, brief(value), allowed(schema))]
            return [
                problem
                for index, item in enumerate(value)
                for problem in find_problems(item, schema["items"], f"{path}[{index}]")
            ]
    return [] if _is_allowed(value, schema) else [_problem(value, schema, path)]


def allowed(schema: JsonSchema) -> str:
    """What a schema allows, in words: "an integer from 10 to 150"."""
    if "enum" in schema:
        return f"one of {', '.join(choice for choice in schema['enum'] if choice is not None)}"
    match _types(schema)[0]:
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


def _object_problems(value: dict[str, Any], schema: JsonSchema, path: str) -> list[Problem]:
    properties: dict[str, Any] = schema["properties"]
    prefix = f"{path}." if path else ""
    known = f"Known fields: {', '.join(properties)}."
    problems: list[Problem] = []
    for name, received in value.items():
        if len(problems) >= _MAX_UNKNOWN_FIELDS:
            break
        if name not in properties:
            where = f" in {path}" if path else ""
            message = f"Unknown field {shown(name)}{where}. {known}"
            field = f"{prefix}{shown(name)[1:-1] if len(name) <= _SHOWN_CHARACTERS else shown(name)}"
            problems.append(Problem(field, message, brief(received), kind="unknown"))
    for name, property_schema in properties.items():
        if name in value:
            problems += find_problems(value[name], property_schema, prefix + name)
        elif name in schema.get("required", ()):
            words = allowed(property_schema)
            message = f"{prefix}{name} is missing. Send {words}: it is required."
            problems.append(Problem(prefix + name, message, None, words, kind="missing"))
    return problems


def _problem(value: object, schema: JsonSchema, path: str) -> Problem:
    received, words = brief(value), allowed(schema)
    if not path:
        message = f"The body is {shown(value)}, allowed is {words}. Send such an object."
    elif schema.get("format") == "byte" and isinstance(value, str):
        where = " Send what follows the comma of the data URL." if value.startswith("data:") else ""
        message = f"{path} is {shown(value)}, which is not base64. Encode the image's bytes.{where}"
    elif isinstance(value, str) and "maxLength" in schema and len(value) > schema["maxLength"]:
        message = f"{path} has {len(value)} characters, allowed is {words}. Shorten it."
        received = f"{len(value)} characters"
    else:
        message = f"{path} is {shown(value)}, allowed is {words}.{_remedy(schema)}"
    return Problem(path, message, received, words)


def _remedy(schema: JsonSchema) -> str:
    if schema.get("default") is not None:
        return f" Change it, or leave it out for {schema['default']}."
    return " Change it."


def _types(schema: JsonSchema) -> list[str]:
    types = schema["type"]
    return [types] if isinstance(types, str) else cast("list[str]", types)


def _has_type(value: object, schema: JsonSchema) -> bool:
    if isinstance(value, bytes):
        return schema.get("format") in ("byte", "binary")
    # A bool is an int in Python, and is not in JSON.
    is_bool = isinstance(value, bool)
    has = {
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "string": isinstance(value, str),
        "boolean": is_bool,
        "integer": isinstance(value, int) and not is_bool,
        "number": isinstance(value, int | float) and not is_bool,
        "null": value is None,
    }
    return any(has[type_name] for type_name in _types(schema))


def _is_base64(text: str) -> bool:
    try:
        msgspec.convert(text, bytes)
    except (msgspec.ValidationError, UnicodeEncodeError):
        return False
    return True


def _is_allowed(value: object, schema: JsonSchema) -> bool:
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


def _allowed_text(schema: JsonSchema) -> str:
    if schema.get("format") == "byte":
        return "an image in base64"
    if schema.get("format") == "binary":
        return "a file"
    if "minLength" in schema:
        return f"a text of {schema['minLength']} to {schema['maxLength']} characters"
    if "maxLength" in schema:
        return f"a text of at most {schema['maxLength']} characters"
    return "a text"
