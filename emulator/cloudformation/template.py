"""A CloudFormation template: parsed, checked for what CloudFormation refuses, its resources in dependency order."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from typing import Any

import yaml

from emulator.cloudformation.errors import ValidationError

SECTIONS = frozenset(
    {
        "AWSTemplateFormatVersion",
        "Description",
        "Metadata",
        "Parameters",
        "Mappings",
        "Conditions",
        "Resources",
        "Outputs",
        "Rules",
    }
)
RESOURCE_KEYS = frozenset(
    {"Type", "Properties", "DependsOn", "Condition", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"}
)
DELETION_POLICIES = frozenset({"Delete", "Retain", "RetainExceptOnCreate"})
PSEUDO_PARAMETERS = frozenset(
    {
        "AWS::AccountId",
        "AWS::NoValue",
        "AWS::NotificationARNs",
        "AWS::Partition",
        "AWS::Region",
        "AWS::StackId",
        "AWS::StackName",
        "AWS::URLSuffix",
    }
)
SUBSTITUTION = re.compile(r"\$\{(?P<literal>!)?(?P<name>[A-Za-z0-9_.:]+)\}")


@dataclass(frozen=True)
class ResourceDefinition:
    """One entry of a template's Resources."""

    logical_id: str
    type: str
    properties: Mapping[str, Any]
    condition: str | None
    metadata: Mapping[str, Any]
    deletion_policy: str
    update_replace_policy: str
    depends_on: tuple[str, ...]

    @cached_property
    def references(self) -> tuple[str, ...]:
        """The logical ids and parameter names that the properties and DependsOn name, in order, without repeats."""
        return tuple(dict.fromkeys((*self.depends_on, *references(self.properties))))


class Template:
    """A parsed template. Raises ValidationError where CloudFormation would refuse it."""

    def __init__(self, body: str) -> None:
        self.body = body
        self.document = _parse(body)
        unknown = sorted(set(self.document) - SECTIONS)
        if unknown:
            message = f"Invalid template property or properties [{', '.join(unknown)}]"
            raise ValidationError(message)
        if not self.section("Resources"):
            raise ValidationError("Template format error: At least one Resources member must be defined.")
        self.resources = {
            logical_id: _definition(logical_id, value) for logical_id, value in self.section("Resources").items()
        }
        self._check_references()

    def section(self, name: str) -> dict[str, Any]:
        """A top-level section, empty where the template has none."""
        return self.document.get(name) or {}

    @property
    def description(self) -> str | None:
        """The template's description."""
        return self.document.get("Description")

    @cached_property
    def creation_order(self) -> tuple[str, ...]:
        """Logical ids, each after all that it depends on, and otherwise in the template's own order."""
        graph = {
            logical_id: [name for name in definition.references if name in self.resources]
            for logical_id, definition in self.resources.items()
        }
        try:
            return tuple(TopologicalSorter(graph).static_order())
        except CycleError as exc:
            cycle = ", ".join(dict.fromkeys(exc.args[1]))
            message = f"Circular dependency between resources: [{cycle}]"
            raise ValidationError(message) from exc

    def dependencies(self, logical_id: str) -> tuple[str, ...]:
        """The resources that a resource depends on directly."""
        return tuple(name for name in self.resources[logical_id].references if name in self.resources)

    def _check_references(self) -> None:
        known = set(self.resources) | set(self.section("Parameters")) | PSEUDO_PARAMETERS
        for block in ("Resources", "Outputs"):
            missing = sorted(set(references(self.section(block))) - known)
            if missing:
                message = (
                    f"Template format error: Unresolved resource dependencies [{', '.join(missing)}] "
                    f"in the {block} block of the template"
                )
                raise ValidationError(message)
        conditions = set(self.section("Conditions"))
        used = {definition.condition for definition in self.resources.values() if definition.condition}
        if used - conditions:
            message = f"Template format error: Unresolved condition dependency {sorted(used - conditions)[0]}"
            raise ValidationError(message)
        _ = self.creation_order


def references(node: Any) -> Iterator[str]:
    """Every name that Ref, Fn::GetAtt, Fn::Sub or DependsOn names within a value."""
    if isinstance(node, list):
        for item in node:
            yield from references(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Ref" and isinstance(value, str):
                yield value
            elif key == "Fn::GetAtt":
                yield value[0] if isinstance(value, list) else value.split(".")[0]
            elif key == "DependsOn":
                yield from [value] if isinstance(value, str) else value
            elif key == "Fn::Sub":
                yield from _substituted(value)
            elif key != "Metadata":
                yield from references(value)


def _substituted(value: str | list[Any]) -> Iterator[str]:
    text, local = (value, {}) if isinstance(value, str) else (value[0], value[1])
    for match in SUBSTITUTION.finditer(text):
        name = match["name"]
        if not match["literal"] and name not in local:
            yield name.split(".")[0]
    yield from references(local)


def _definition(logical_id: str, value: Any) -> ResourceDefinition:
    if not isinstance(value, dict) or not isinstance(value.get("Type"), str):
        message = f"Template format error: [/Resources/{logical_id}] Every Resources object must contain a Type member."
        raise ValidationError(message)
    unknown = sorted(set(value) - RESOURCE_KEYS)
    if unknown:
        message = f"{value['Type']}: resource attribute {unknown[0]} of {logical_id} is not emulated"
        raise ValidationError(message)
    depends_on = value.get("DependsOn") or []
    deletion_policy = value.get("DeletionPolicy", "Delete")
    update_replace_policy = value.get("UpdateReplacePolicy", "Delete")
    for name, policy in (("DeletionPolicy", deletion_policy), ("UpdateReplacePolicy", update_replace_policy)):
        if policy not in DELETION_POLICIES:
            message = f"{name} {policy!r} of {logical_id} is not emulated: use {', '.join(sorted(DELETION_POLICIES))}"
            raise ValidationError(message)
    return ResourceDefinition(
        logical_id=logical_id,
        type=value["Type"],
        properties=value.get("Properties") or {},
        condition=value.get("Condition"),
        metadata=value.get("Metadata") or {},
        deletion_policy=deletion_policy,
        update_replace_policy=update_replace_policy,
        depends_on=(depends_on,) if isinstance(depends_on, str) else tuple(depends_on),
    )


class _YamlLoader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms (`!Ref x` for `{"Ref": "x"}`); dates stay text, as in CloudFormation."""


def _short_form(loader: _YamlLoader, suffix: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        value: Any = loader.construct_scalar(node)
    elif isinstance(node, yaml.SequenceNode):
        value = loader.construct_sequence(node, deep=True)
    else:
        value = loader.construct_mapping(node, deep=True)  # type: ignore[arg-type]
    if suffix == "GetAtt" and isinstance(value, str):
        value = value.split(".", 1)
    return {suffix if suffix in {"Ref", "Condition"} else f"Fn::{suffix}": value}


def _as_text(loader: _YamlLoader, node: yaml.Node) -> str:
    return str(loader.construct_scalar(node))  # type: ignore[arg-type]


_YamlLoader.add_multi_constructor("!", _short_form)
_YamlLoader.add_constructor("tag:yaml.org,2002:timestamp", _as_text)


def _parse(body: str) -> dict[str, Any]:
    try:
        document = json.loads(body) if body.lstrip().startswith("{") else yaml.load(body, Loader=_YamlLoader)  # noqa: S506
    except (ValueError, yaml.YAMLError) as exc:
        message = f"Template format error: unsupported structure: {exc}"
        raise ValidationError(message) from exc
    if not isinstance(document, dict):
        raise ValidationError("Template format error: unsupported structure.")
    return document
