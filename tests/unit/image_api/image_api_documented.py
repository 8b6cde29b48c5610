"""The schemas of the OpenAPI document, as the committed file has them."""

from __future__ import annotations

import json
from typing import Any

from image_api.dialects.service import DOCUMENT_FILE
from jsonschema import Draft202012Validator

DOCUMENT: dict[str, Any] = json.loads(DOCUMENT_FILE.read_text(encoding="utf-8"))


def documented(name: str) -> Draft202012Validator:
    """A validator of one schema."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": DOCUMENT["components"]}
    return Draft202012Validator(schema)
