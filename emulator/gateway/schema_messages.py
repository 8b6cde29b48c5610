"""Validates a body by a JSON schema (draft 4) and words what is wrong as API Gateway does.

API Gateway's words are those of the Java library json-schema-validator. Like it, nothing is said about the inside of a
value that is wrong itself.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jsonschema import Draft4Validator
from jsonschema.exceptions import ValidationError
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT4

UNREADABLE = "[Unknown error parsing request body]"


@dataclass(frozen=True)
class _Finding:
    """A broken rule of a schema: the rule's value, what was found, and the schema that the rule is in."""

    bound: Any
    instance: Any
    schema: Any
    causes: Sequence[ValidationError]
    message: str


_TYPES: tuple[tuple[type, str], ...] = (
    (bool, "boolean"),
    (int, "integer"),
    (float, "number"),
    (str, "string"),
    (list, "array"),
    (dict, "object"),
)


def validation_errors(schema: str, body: bytes, *, schemas: Mapping[str, str]) -> str | None:
    """What is wrong with a body, in brackets, or None. An empty body counts as an empty object."""
    try:
        instance = json.loads(body or b"{}")
    except ValueError:
        return UNREADABLE
    errors = _outermost(_validator(schema, tuple(sorted(schemas.items()))).iter_errors(instance))
    messages = list(dict.fromkeys(_messages(errors)))
    return f"[{', '.join(messages)}]" if messages else None


@functools.lru_cache(maxsize=64)
def _validator(schema: str, schemas: tuple[tuple[str, str], ...]) -> Draft4Validator:
    models = [(name, json.loads(text)) for name, text in schemas if text]
    registry: Registry[Any] = Registry(retrieve=_retrieve(dict(models)))  # type: ignore[call-arg]
    return Draft4Validator(json.loads(schema), registry=registry)


def _retrieve(models: Mapping[str, Any]) -> Callable[[str], Resource[Any]]:
    def retrieve(uri: str) -> Resource[Any]:
        # https://apigateway.amazonaws.com/restapis/<id>/models/<name>
        return Resource.from_contents(models[uri.rsplit("/", 1)[-1]], default_specification=DRAFT4)

    return retrieve


def _outermost(errors: Iterable[ValidationError]) -> list[ValidationError]:
    found = list(errors)
    wrong = {tuple(error.absolute_path) for error in found}
    return [e for e in found if not any(tuple(e.absolute_path)[:n] in wrong for n in range(len(e.absolute_path)))]


def _messages(errors: list[ValidationError]) -> Iterable[str]:
    for error in errors:
        finding = _Finding(error.validator_value, error.instance, error.schema, error.context or [], error.message)
        yield _WORDS.get(str(error.validator), _other)(finding)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _type_name(value: object) -> str:
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "null")


def _type(found: _Finding) -> str:
    allowed = found.bound if isinstance(found.bound, list) else [found.bound]
    name, names = _type_name(found.instance), _json(sorted(allowed))
    return f"instance type ({name}) does not match any allowed primitive type (allowed: {names})"


def _required(found: _Finding) -> str:
    missing = sorted(name for name in found.bound if name not in found.instance)
    return f"object has missing required properties ({_json(missing)})"


def _additional(found: _Finding) -> str:
    known = set(found.schema.get("properties", {}))
    extra = sorted(name for name in found.instance if name not in known)
    return f"object instance has properties which are not allowed by the schema: {_json(extra)}"


def _enum(found: _Finding) -> str:
    values = _json(found.bound)
    return f"instance value ({_json(found.instance)}) not found in enum (possible values: {values})"


def _minimum(found: _Finding) -> str:
    bound, value = _json(found.bound), _json(found.instance)
    if found.schema.get("exclusiveMinimum") and found.instance == found.bound:
        return f"numeric instance is not strictly greater than the required minimum {bound}"
    return f"numeric instance is lower than the required minimum (minimum: {bound}, found: {value})"


def _maximum(found: _Finding) -> str:
    bound, value = _json(found.bound), _json(found.instance)
    if found.schema.get("exclusiveMaximum") and found.instance == found.bound:
        return f"numeric instance is not strictly lower than the required maximum {bound}"
    return f"numeric instance is greater than the required maximum (maximum: {bound}, found: {value})"


def _min_length(found: _Finding) -> str:
    text, least = found.instance, found.bound
    return f'string "{text}" is too short (length: {len(text)}, required minimum: {least})'


def _max_length(found: _Finding) -> str:
    text, most = found.instance, found.bound
    return f'string "{text}" is too long (length: {len(text)}, maximum allowed: {most})'


def _min_items(found: _Finding) -> str:
    least, count = found.bound, len(found.instance)
    return f"array is too short: must have at least {least} elements but instance has {count} elements"


def _max_items(found: _Finding) -> str:
    most, count = found.bound, len(found.instance)
    return f"array is too long: must have at most {most} elements but instance has {count} elements"


def _min_properties(found: _Finding) -> str:
    least, count = found.bound, len(found.instance)
    return f"object has too few properties (found {count} but schema requires at least {least})"


def _max_properties(found: _Finding) -> str:
    most, count = found.bound, len(found.instance)
    return f"object has too many properties (found {count} but schema requires at most {most})"


def _pattern(found: _Finding) -> str:
    return f'ECMA 262 regex "{found.bound}" does not match input string "{found.instance}"'


def _multiple_of(found: _Finding) -> str:
    return f"remainder of division is not zero ({_json(found.instance)} / {_json(found.bound)})"


def _any_of(found: _Finding) -> str:
    return f"instance failed to match at least one required schema among {len(found.bound)}"


def _one_of(found: _Finding) -> str:
    failed = len({child.schema_path[0] for child in found.causes})
    total = len(found.bound)
    # Without a context the instance matched more than one: the validator stops at the second.
    matched = total - failed if found.causes else 2
    return f"instance failed to match exactly one schema (matched {matched} out of {total})"


def _unique(_found: _Finding) -> str:
    return "array must not contain duplicate elements"


def _not(_found: _Finding) -> str:
    return "instance matched a schema which it should not have"


def _other(found: _Finding) -> str:
    return found.message


_WORDS: dict[str, Callable[[_Finding], str]] = {
    "type": _type,
    "required": _required,
    "additionalProperties": _additional,
    "enum": _enum,
    "minimum": _minimum,
    "maximum": _maximum,
    "minLength": _min_length,
    "maxLength": _max_length,
    "minItems": _min_items,
    "maxItems": _max_items,
    "minProperties": _min_properties,
    "maxProperties": _max_properties,
    "pattern": _pattern,
    "multipleOf": _multiple_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "uniqueItems": _unique,
    "not": _not,
}
