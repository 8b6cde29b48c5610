"""The door between stacks and functions: what is read through it, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stacks.request_schema import RequestSchemaError, text_to_image_schema

DRAFT = "http://json-schema.org/draft-04/schema#"


def write(directory: Path, schema: Any) -> Path:
    (directory / "text_to_image.json").write_text(schema if isinstance(schema, str) else json.dumps(schema))
    return directory


def test_committed_schema_is_readable_and_closed() -> None:
    schema = text_to_image_schema()

    assert schema["$schema"] == DRAFT
    assert schema["additionalProperties"] is False
    assert "text_prompts" in schema["required"]


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ("{", "cannot be read as JSON"),
        ([], "expected a JSON object, got list"),
        ({"type": "object"}, r"\$schema is None; API Gateway validates by JSON Schema draft-04 only"),
        ({"$schema": "https://json-schema.org/draft/2020-12/schema"}, "draft-04 only"),
        ({"$schema": DRAFT, "properties": {"extras": {}}}, r"would change the schema at \$\.properties\.extras"),
        ({"$schema": DRAFT, "enum": ["a", None]}, r"would change the schema at \$\.enum\[1\]"),
    ],
)
def test_schema_that_the_gateway_would_not_enforce_is_refused(tmp_path: Path, schema: Any, message: str) -> None:
    with pytest.raises(RequestSchemaError, match=message):
        text_to_image_schema(write(tmp_path, schema))


def test_missing_schema_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(RequestSchemaError, match=r"Generate it again: .*python -m image_api\.schema"):
        text_to_image_schema(tmp_path)
