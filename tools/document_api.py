"""Renews the parameter table in docs/api.md from the requests' schemas: `python -m tools.document_api`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from image_api.explain import allowed
from image_api.presets import RECOMMENDED_RANGES
from image_api.request import OPERATIONS
from image_api.schema import request_schema

from tools.marked_section import replace_section

PAGE = Path(__file__).resolve().parents[1] / "docs" / "api.md"
TABLE_BEGIN = "<!-- parameters: begin (made by `python -m tools.document_api`) -->"
TABLE_END = "<!-- parameters: end -->"


def parameter_table() -> str:
    """Markdown table of every field of every operation."""
    operations: dict[str, list[str]] = {}
    schemas: dict[str, dict[str, Any]] = {}
    required: set[str] = set()
    for operation in OPERATIONS:
        schema = request_schema(operation)
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


def _allowed(name: str, field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(f"`{choice}`" for choice in field["enum"])
    words = allowed(field)
    if name in RECOMMENDED_RANGES:
        low, high = RECOMMENDED_RANGES[name]
        words += f"; {low:g} to {high:g} recommended"
    return words


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
