"""What a change set would do: each resource's action, decided in dependency order before anything is touched."""

from __future__ import annotations

from typing import Any

from emulator.cloudformation.clients import Clients
from emulator.cloudformation.errors import ResourceError, ValidationError
from emulator.cloudformation.evaluation import StackValues, evaluator, outputs
from emulator.cloudformation.model import PropertyChange, ResourceChange, Stack, StackResource, Target
from emulator.cloudformation.resource_type import ResourceType
from emulator.cloudformation.store import Region
from emulator.cloudformation.template import ResourceDefinition, references

NO_CHANGES = "The submitted information didn't contain changes. Submit different information to create a change set."


def plan(region: Region, clients: Clients, stack: Stack, target: Target) -> tuple[tuple[ResourceChange, ...], bool]:
    """The changes that would bring a stack to its target, and whether there is anything to deploy at all.

    Outputs and tags can differ where no resource does. Raises ValidationError where the target cannot be evaluated.
    """
    stack_values = StackValues(region, clients, stack.resources)
    try:
        values = evaluator(stack, target, stack_values)
        values.check_rules()
        changes: list[ResourceChange] = []
        wanted = [logical_id for logical_id in target.template.creation_order if values.active(logical_id)]
        for logical_id in wanted:
            definition = target.template.resources[logical_id]
            existing = stack.resources.get(logical_id)
            if existing is None:
                stack_values.unknown.add(logical_id)
            properties = values.value(dict(definition.properties))
            change = _change(definition, existing, properties, target, stack.region)
            if change is None:
                continue
            changes.append(change)
            if change.replacement == "True":
                stack_values.unknown.add(logical_id)
        changes += [_removal(item) for item in stack.resources.values() if item.logical_id not in wanted]
        different_outputs = outputs(target, values) != stack.outputs
    except ResourceError as exc:
        raise ValidationError(str(exc)) from exc
    different_tags = stack.target is None or dict(stack.target.tags) != dict(target.tags)
    return tuple(changes), bool(changes) or different_outputs or different_tags


def _change(
    definition: ResourceDefinition,
    existing: StackResource | None,
    properties: dict[str, Any],
    target: Target,
    region: str,
) -> ResourceChange | None:
    logical_id, kind = definition.logical_id, definition.type
    if existing is None:
        identifier = target.imports.get(logical_id)
        physical_id = next(iter(identifier.values())) if identifier else None
        action = "Import" if identifier else "Add"
        return ResourceChange(action, logical_id, kind, physical_id, after={"Properties": properties})
    if existing.type != kind:
        message = (
            "Update of resource type is not permitted. The new template modifies resource type of the following "
            f"resources: [{logical_id}]"
        )
        raise ValidationError(message)
    changed = sorted(
        name
        for name in existing.properties.keys() | properties.keys()
        if existing.properties.get(name) != properties.get(name)
    )
    scope = _scope(definition, existing, changed)
    if not scope:
        return None
    replaced_by = ResourceType.registry[kind].replaced_by(existing.properties, properties, region)
    return ResourceChange(
        "Modify",
        logical_id,
        kind,
        physical_id=existing.physical_id,
        replacement="True" if replaced_by else "False",
        policy_action=_policy_action(existing.update_replace_policy) if replaced_by else None,
        scope=scope,
        details=tuple(
            PropertyChange(
                name=name,
                requires_recreation="Always" if name in replaced_by else "Never",
                before=existing.properties.get(name),
                after=properties.get(name),
                **_cause(definition, name, target),
            )
            for name in changed
        ),
        before={"Properties": existing.properties},
        after={"Properties": properties},
    )


def _scope(definition: ResourceDefinition, existing: StackResource, changed: list[str]) -> tuple[str, ...]:
    differences = {
        "Properties": bool(changed),
        "Metadata": dict(definition.metadata) != dict(existing.metadata),
        "DeletionPolicy": definition.deletion_policy != existing.deletion_policy,
        "UpdateReplacePolicy": definition.update_replace_policy != existing.update_replace_policy,
    }
    return tuple(name for name, different in differences.items() if different)


def _cause(definition: ResourceDefinition, property_name: str, target: Target) -> dict[str, Any]:
    named = list(references(definition.properties.get(property_name)))
    parameters = target.template.section("Parameters")
    for name in named:
        if name in target.template.resources:
            return {"source": "ResourceReference", "causing_entity": name}
        if name in parameters:
            return {"source": "ParameterReference", "causing_entity": name}
    return {"source": "DirectModification", "causing_entity": None}


def _removal(resource: StackResource) -> ResourceChange:
    return ResourceChange(
        "Remove",
        resource.logical_id,
        resource.type,
        physical_id=resource.physical_id,
        policy_action=_policy_action(resource.deletion_policy),
        before={"Properties": resource.properties},
    )


def _policy_action(policy: str) -> str:
    return "Delete" if policy == "Delete" else "Retain"
