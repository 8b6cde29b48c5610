"""The one door between the stacks and the functions' code: the JSON schemas of requests that both must agree on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

SCHEMA_DIRECTORY = Path(__file__).resolve().parents[1] / "lambda" / "image_api" / "schema"


class RequestSchemaError(ValueError):
    """A request schema cannot be read, or API Gateway would enforce another one than was written."""


def text_to_image_schema(directory: Path = SCHEMA_DIRECTORY) -> dict[str, Any]:
    """JSON schema (draft-04) of a text-to-image body, generated from the domain model by `python -m image_api.schema`.

    Raises:
        RequestSchemaError: the file is missing, is no JSON object, is of another draft, or holds empty values.
    """
    return _read(directory / "text_to_image.json")


def _read(path: Path) -> dict[str, Any]:
    remedy = "Generate it again: PYTHONPATH=lambda python -m image_api.schema"
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        raise RequestSchemaError(f"{path}: cannot be read as JSON: {exc}. {remedy}") from exc
    if not isinstance(schema, dict):
        raise RequestSchemaError(f"{path}: expected a JSON object, got {type(schema).__name__}. {remedy}")
    draft = schema.get("$schema")
    if draft != "http://json-schema.org/draft-04/schema#":
        raise RequestSchemaError(f"{path}: $schema is {draft!r}; API Gateway validates by JSON Schema draft-04 only")
    lost = _empty_values(schema, "$")
    if lost:
        raise RequestSchemaError(
            f"{path}: the CDK drops null, {{}} and [] from templates, which would change the schema at "
            f"{', '.join(lost)}. Say the same without an empty value."
        )
    return cast("dict[str, Any]", schema)


def _empty_values(value: object, where: str) -> list[str]:
    if value is None or (isinstance(value, dict | list) and not value):
        return [where]
    if isinstance(value, dict):
        return [found for key, item in value.items() for found in _empty_values(item, f"{where}.{key}")]
    if isinstance(value, list):
        return [found for index, item in enumerate(value) for found in _empty_values(item, f"{where}[{index}]")]
    return []
