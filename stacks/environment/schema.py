"""The settings' JSON schema for editors, their table for the documentation, and words for what a value may be."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stacks.environment.model import Environment
from stacks.environment.values import Location, pattern_words

SCHEMA_FILE_NAME = "schema.json"

Schema = dict[str, Any]


@cache
def environment_schema() -> Schema:
    """JSON schema (2020-12) of an environment file: the model's, without what other files say."""
    schema = Environment.model_json_schema()
    del schema["properties"]["name"]
    del schema["properties"]["organization"], schema["$defs"]["Organization"]
    schema["required"].remove("name")
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "Environment",
        "description": "One account and region. The environment's name is the file's name without its ending.",
    }


def schema_text() -> str:
    """The schema as it is committed."""
    return json.dumps(environment_schema(), indent=2) + "\n"


@dataclass(frozen=True)
class SettingsSchema:
    """The JSON schema of a kind of file, read by location and in words. `root` is as pydantic makes it."""

    root: Schema

    def resolve(self, node: Schema) -> Schema:
        """`node` with its reference followed; of a value that may also be null, the part that is not."""
        if "$ref" in node:
            target = self.root["$defs"][node["$ref"].rsplit("/", 1)[-1]]
            return self.resolve({**target, **{key: value for key, value in node.items() if key != "$ref"}})
        for option in node.get("anyOf", ()):
            if option.get("type") != "null":
                return self.resolve({**option, **{key: value for key, value in node.items() if key != "anyOf"}})
        return node

    def choices(self, node: Schema) -> dict[str, Schema]:
        """The schema by choice, of a value whose kind is chosen by one of its keys; empty for every other value."""
        mapping = node.get("discriminator", {}).get("mapping", {})
        return {choice: self.resolve({"$ref": reference}) for choice, reference in mapping.items()}

    def locate(self, location: Location) -> tuple[Location, Schema]:
        """The schema at a pydantic location, and the location without the steps that only pydantic knows.

        Where the schema has no such setting, the schema is empty.
        """
        node, shown = self.root, []
        for step in location:
            node = self.resolve(node)
            by_choice = self.choices(node)
            if step in by_choice:
                node = by_choice[str(step)]
                continue
            if step == "[key]":  # pydantic's step for the key itself of a mapping
                continue
            shown.append(step)
            if isinstance(step, int):
                node = node.get("items", {})
            else:
                node = node.get("properties", {}).get(step) or _values(node)
        return tuple(shown), self.resolve(node)

    def allowed(self, node: Schema) -> str:
        """What a value may be, in words: `a whole number from 60 to 3600`."""
        if "enum" in node or "const" in node:
            return ", ".join(str(value) for value in node.get("enum", [node.get("const")]))
        if by_choice := self.choices(node):
            return f"a mapping with {node['discriminator']['propertyName']}: {' or '.join(by_choice)}"
        if "pattern" in node:
            return pattern_words(node["pattern"])
        if properties := node.get("properties"):
            return f"a mapping with {', '.join(properties)}"
        if node["type"] == "object":
            return "a mapping of texts" if _values(node).get("type") == "string" else "a mapping"
        kind = {
            "boolean": "true or false",
            "integer": "a whole number",
            "number": "a number",
            "array": "a list",
            "string": "text",
        }[node["type"]]
        return kind + _bounds(node) + _size(node)


def _values(node: Schema) -> Schema:
    """The schema of the values of a mapping whose keys are free, which may be limited by a pattern; else empty."""
    values = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    return values[0] if isinstance(values[0], dict) else {}


def _bounds(node: Schema) -> str:
    above, low, high = node.get("exclusiveMinimum"), node.get("minimum"), node.get("maximum")
    if above is not None:
        return f" above {above}" + (f", up to {high}" if high is not None else "")
    return (f" from {low}" if low is not None else "") + (f" to {high}" if high is not None else "")


def _size(node: Schema) -> str:
    low = node.get("minItems", node.get("minLength", 0))
    high = node.get("maxItems", node.get("maxLength"))
    unit = "entries" if node["type"] == "array" else "characters"
    return "" if high is None else f" of {low} to {high} {unit}"


# Name, meaning, what is allowed, default.
_Row = tuple[str, str, str, str]


def settings_table() -> str:
    """Markdown table of every setting: name, meaning, what is allowed, default."""
    rows = ["| setting | what it is | allowed | default |", "|---|---|---|---|"]
    schema = SettingsSchema(environment_schema())
    rows += [f"| {' | '.join(map(_cell, row))} |" for row in _rows(schema, schema.root, "")]
    return "\n".join(rows) + "\n"


def _rows(schema: SettingsSchema, section: Schema, prefix: str) -> Iterator[_Row]:
    required = section.get("required", ())
    for name, setting in section["properties"].items():
        node = schema.resolve(setting)
        default = "**required**" if name in required else _default(node)
        nullable = {"type": "null"} in setting.get("anyOf", ())
        yield from _setting_rows(schema, f"{prefix}{name}", node, default, nullable=nullable)


def _setting_rows(schema: SettingsSchema, name: str, node: Schema, default: str, *, nullable: bool) -> Iterator[_Row]:
    if by_choice := schema.choices(node):
        key = node["discriminator"]["propertyName"]
        shared = _shared(by_choice)
        for choice, option in by_choice.items():
            properties = {name: setting for name, setting in option["properties"].items() if name not in shared}
            yield f"`{name}.{key}`", properties.pop(key)["description"], f"`{choice}`", default
            for setting, *others in _rows(schema, {**option, "properties": properties}, f"{name}."):
                yield f"{setting} with {key} `{choice}`", others[0], others[1], others[2]
        yield from _rows(schema, {"properties": shared}, f"{name}.")
    elif "properties" in node:
        if nullable:
            yield f"`{name}`", node["description"], "the settings below, or `null`", default
        yield from _rows(schema, node, f"{name}.")
    elif "properties" in (item := schema.resolve(node.get("items", {}))):
        yield f"`{name}`", node["description"], "a list of the settings below", default
        yield from _rows(schema, item, f"{name}[].")
    else:
        yield f"`{name}`", node["description"], schema.allowed(node), default


def _shared(by_choice: Mapping[str, Schema]) -> dict[str, Schema]:
    """The settings that are the same for every choice."""
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
