"""Refuses a template that has anything which the emulator would otherwise skip silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from emulator.cloudformation.errors import InsufficientCapabilitiesError, ResourceError, ValidationError
from emulator.cloudformation.resource_type import ResourceType
from emulator.cloudformation.template import SUBSTITUTION, Template

IAM_NAMES = {"AWS::IAM::Role": "RoleName", "AWS::IAM::ManagedPolicy": "ManagedPolicyName", "AWS::IAM::User": "UserName"}


def check(template: Template, region: str) -> None:
    """Raise ValidationError naming every type, property and attribute that is wrong, missing or not emulated."""
    problems: list[str] = []
    for definition in template.resources.values():
        resource_type = ResourceType.registry.get(definition.type)
        if resource_type is None:
            problems.append(f"{definition.type} is not emulated (resource {definition.logical_id})")
            continue
        try:
            found = resource_type.problems(definition.properties, region)
        except (ResourceError, LookupError) as exc:
            found = [str(exc)]
        problems += [f"{problem} (resource {definition.logical_id})" for problem in found]
    if problems:
        raise ValidationError("; ".join(dict.fromkeys(problems)))
    for logical_id, attribute in _attributes(template.document):
        definition_of = template.resources.get(logical_id)
        resource_type = ResourceType.registry.get(definition_of.type) if definition_of else None
        if resource_type is not None and attribute not in resource_type.attributes(region):
            problems.append(f"{resource_type.name}.{attribute} (attribute of {logical_id}) is not emulated")
    if problems:
        raise ValidationError("; ".join(dict.fromkeys(problems)))


def check_capabilities(template: Template, capabilities: tuple[str, ...]) -> None:
    """Raise InsufficientCapabilitiesError where the template makes IAM resources that were not acknowledged."""
    iam = [item for item in template.resources.values() if item.type.startswith("AWS::IAM::")]
    named = any(IAM_NAMES.get(item.type, "") in item.properties for item in iam)
    if named and "CAPABILITY_NAMED_IAM" not in capabilities:
        raise InsufficientCapabilitiesError("Requires capabilities : [CAPABILITY_NAMED_IAM]")
    if iam and not {"CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"} & set(capabilities):
        raise InsufficientCapabilitiesError("Requires capabilities : [CAPABILITY_IAM]")


def _attributes(node: Any) -> Iterator[tuple[str, str]]:
    """Every logical id and attribute that Fn::GetAtt or Fn::Sub names."""
    if isinstance(node, list):
        for item in node:
            yield from _attributes(item)
    elif isinstance(node, dict):
        for key, value in node.items():
            if key == "Fn::GetAtt":
                logical_id, attribute = value.split(".", 1) if isinstance(value, str) else value
                if isinstance(attribute, str):
                    yield logical_id, attribute
            elif key == "Fn::Sub":
                text = value if isinstance(value, str) else value[0]
                for match in SUBSTITUTION.finditer(text):
                    if "." in match["name"] and not match["literal"]:
                        logical_id, _, attribute = match["name"].partition(".")
                        yield logical_id, attribute
            else:
                yield from _attributes(value)
