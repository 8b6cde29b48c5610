"""The configuration table in the documentation, made from the settings themselves."""

from __future__ import annotations

import json
from collections.abc import Iterator

from stacks.environment.schema import Schema, allowed_words, choices, environment_schema, resolve
from tools.marked_section import replace_section

TABLE_BEGIN = "<!-- settings: begin (made by `sdxl environments docs --write`) -->"
TABLE_END = "<!-- settings: end -->"

_Row = tuple[str, str, str, str]


def settings_table() -> str:
    """Markdown table of every setting: name, meaning, what is allowed, default."""
    rows = ["| setting | what it is | allowed | default |", "|---|---|---|---|"]
    rows += [f"| {' | '.join(map(_cell, row))} |" for row in _rows(environment_schema(), "")]
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """`page` with the table between its two markers renewed.

    Raises:
        ValueError: the page has not exactly one of each marker, in order.
    """
    return replace_section(page, TABLE_BEGIN, TABLE_END, settings_table())


def _rows(section: Schema, prefix: str) -> Iterator[_Row]:
    required = section.get("required", ())
    for name, schema in section["properties"].items():
        node = resolve(schema)
        default = "**required**" if name in required else _default(node)
        nullable = {"type": "null"} in schema.get("anyOf", ())
        yield from _setting_rows(f"{prefix}{name}", node, default, nullable=nullable)


def _setting_rows(name: str, node: Schema, default: str, *, nullable: bool) -> Iterator[_Row]:
    if by_choice := choices(node):
        key = node["discriminator"]["propertyName"]
        shared = _shared(by_choice)
        for choice, option in by_choice.items():
            properties = {name: setting for name, setting in option["properties"].items() if name not in shared}
            yield f"`{name}.{key}`", properties.pop(key)["description"], f"`{choice}`", default
            for setting, *others in _rows({**option, "properties": properties}, f"{name}."):
                yield f"{setting} with {key} `{choice}`", others[0], others[1], others[2]
        yield from _rows({"properties": shared}, f"{name}.")
    elif "properties" in node:
        if nullable:
            yield f"`{name}`", node["description"], "the settings below, or `null`", default
        yield from _rows(node, f"{name}.")
    elif "properties" in (item := resolve(node.get("items", {}))):
        yield f"`{name}`", node["description"], "a list of the settings below", default
        yield from _rows(item, f"{name}[].")
    else:
        yield f"`{name}`", node["description"], allowed_words(node), default


def _shared(by_choice: dict[str, Schema]) -> dict[str, Schema]:
    """The settings that are the same whichever choice is made."""
    first, *others = (option["properties"] for option in by_choice.values())
    return {
        name: setting
        for name, setting in first.items()
        if others and all(other.get(name) == setting for other in others)
    }


def _default(node: Schema) -> str:
    default = node.get("default")
    if isinstance(default, dict):
        return "as below"
    return "see left" if default is None else f"`{json.dumps(default)}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")
