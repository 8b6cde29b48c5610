"""JSON schema of environment files, for editors, and the words that say what a setting may be."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from stacks.environment.model import Environment
from stacks.environment.problems import Location
from stacks.environment.values import PATTERN_WORDS

SCHEMA_FILE_NAME = "schema.json"

Schema = dict[str, Any]


@cache
def environment_schema() -> Schema:
    """JSON schema (2020-12) of an environment file: the model's, without what stands elsewhere."""
    schema = Environment.model_json_schema()
    del schema["properties"]["name"]
    # A file of its own.
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


def resolve(node: Schema) -> Schema:
    """`node` with its reference followed; of a value that may also be null, the part that is not."""
    if "$ref" in node:
        target = environment_schema()["$defs"][node["$ref"].rsplit("/", 1)[-1]]
        return resolve({**target, **{key: value for key, value in node.items() if key != "$ref"}})
    for option in node.get("anyOf", ()):
        if option.get("type") != "null":
            return resolve({**option, **{key: value for key, value in node.items() if key != "anyOf"}})
    return node


def choices(node: Schema) -> dict[str, Schema]:
    """Of a value whose kind is chosen by one of its keys: the schema by choice. Else empty."""
    mapping = node.get("discriminator", {}).get("mapping", {})
    return {choice: resolve({"$ref": reference}) for choice, reference in mapping.items()}


def locate(location: Location, root: Schema | None = None) -> tuple[Location, Schema]:
    """The schema at a pydantic location, and the location without the steps that only name a choice.

    `root` is the schema of another kind of file than an environment's, without references. Where the schema knows no
    such setting, the schema is empty.
    """
    node, shown = environment_schema() if root is None else root, []
    for step in location:
        node = resolve(node)
        by_choice = choices(node)
        if step in by_choice:
            node = by_choice[str(step)]
            continue
        shown.append(step)
        if isinstance(step, int):
            node = node.get("items", {})
        else:
            extra = node.get("additionalProperties")
            node = node.get("properties", {}).get(step) or (extra if isinstance(extra, dict) else {})
    return tuple(shown), resolve(node)


def allowed_words(node: Schema) -> str:
    """What a value may be, in words: `a whole number from 60 to 3600`."""
    if "enum" in node or "const" in node:
        return ", ".join(str(value) for value in node.get("enum", [node.get("const")]))
    if by_choice := choices(node):
        return f"a mapping with {node['discriminator']['propertyName']}: {' or '.join(by_choice)}"
    if node.get("pattern") in PATTERN_WORDS:
        return PATTERN_WORDS[node["pattern"]]
    if properties := node.get("properties"):
        return f"a mapping with {', '.join(properties)}"
    kind = {
        "boolean": "true or false",
        "integer": "a whole number",
        "number": "a number",
        "array": "a list",
        "object": "a mapping of texts",
        "string": "text",
    }[node["type"]]
    return kind + _bounds(node) + _size(node)


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
