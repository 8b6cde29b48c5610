"""The schemas of the CloudFormation registry: what each resource type has in each region, as AWS publishes it.

cfn-lint ships them with its corrections. Only the files of the types that a template names are read, and each once:
one takes well below a millisecond, while importing cfn-lint takes seconds.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

_PROPERTIES = "/properties/"
_ABSENT = object()


@dataclass(frozen=True)
class Schema:
    """One resource type in one region.

    Top-level properties are names (`KeySchema`), deeper ones paths (`Budget/BudgetName`).
    """

    properties: frozenset[str]
    """What a template may set."""
    required: frozenset[str]
    create_only: frozenset[str]
    """Names and paths of properties whose change replaces the resource."""
    attributes: frozenset[str]
    """What Fn::GetAtt can ask for: the read-only properties, with dots in deeper ones."""
    primary_identifier: tuple[str, ...]

    def replaced_by(self, before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
        """The top-level properties in which a change makes a replacement."""
        return frozenset(path.partition("/")[0] for path in self.create_only if _at(before, path) != _at(after, path))


@cache
def schema_of(type_name: str, region: str) -> Schema | None:
    """A type's schema, or None where the region does not have the type.

    Raises:
        LookupError: the registry does not know the region.
    """
    key = _types_of(region).get(type_name)
    return None if key is None else _read_schema(key)


def _schemas() -> Path:
    package = find_spec("cfnlint")
    if package is None or package.origin is None:
        raise LookupError("cfn-lint is not installed: the emulator reads the CloudFormation registry schemas in it")
    return Path(package.origin).parent / "data" / "schemas"


@cache
def _types_of(region: str) -> dict[str, str]:
    """The file of each type that a region has."""
    try:
        found: dict[str, str] = json.loads((_schemas() / "providers" / f"{region}.json").read_bytes())
    except FileNotFoundError as exc:
        raise LookupError(f"the CloudFormation registry has no region {region!r}") from exc
    return found


@cache
def _read_schema(key: str) -> Schema:
    """Regions whose schemas are equal share a file."""
    document = json.loads((_schemas() / "resources" / f"{key}.json").read_bytes())
    read_only = frozenset(_paths(document, "readOnlyProperties"))
    return Schema(
        properties=frozenset(document["properties"]) - read_only,
        required=frozenset(document.get("required", ())),
        create_only=frozenset(_paths(document, "createOnlyProperties")),
        attributes=frozenset(path.replace("/", ".") for path in read_only),
        primary_identifier=tuple(_paths(document, "primaryIdentifier")),
    )


def _paths(document: Mapping[str, Any], field: str) -> Iterator[str]:
    for pointer in document.get(field, ()):
        yield pointer.removeprefix(_PROPERTIES)


def _at(properties: Mapping[str, Any], path: str) -> Any:
    """The value at a path. A path that goes through a list (`*`) stands for the whole list."""
    value: Any = properties
    for part in path.split("/"):
        if part == "*":
            return value
        if not isinstance(value, Mapping) or part not in value:
            return _ABSENT
        value = value[part]
    return value
