"""A target template evaluated against a stack: what its names stand for now, and what its outputs are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from emulator.cloudformation.clients import Clients
from emulator.cloudformation.errors import ResourceError, ValidationError
from emulator.cloudformation.intrinsics import KNOWN_AFTER_APPLY, Evaluator
from emulator.cloudformation.model import Output, Stack, StackResource, Target
from emulator.cloudformation.parameters import resolved_values
from emulator.cloudformation.store import Region


class StackValues:
    """What a template's values refer to: the stack's resources, other stacks' exports, SSM parameters."""

    def __init__(self, region: Region, clients: Clients, resources: Mapping[str, StackResource]) -> None:
        self._region, self._clients, self._resources = region, clients, resources
        self.unknown: set[str] = set()
        """Resources whose values only the deployment will know."""
        self.imports: set[str] = set()

    def reference(self, logical_id: str) -> Any:
        """The physical id of a resource."""
        return KNOWN_AFTER_APPLY if logical_id in self.unknown else self._resource(logical_id).physical_id

    def attribute(self, logical_id: str, name: str) -> Any:
        """An attribute of a resource."""
        if logical_id in self.unknown:
            return KNOWN_AFTER_APPLY
        resource = self._resource(logical_id)
        if name not in resource.attributes:
            message = f"{resource.type} {logical_id} has no attribute {name}: it has {sorted(resource.attributes)}"
            raise ResourceError(message)
        return resource.attributes[name]

    def imported(self, export_name: str) -> str:
        """Another stack's export; remembered, so that the export cannot be taken away."""
        value = self._region.exported(export_name)
        self.imports.add(export_name)
        return value

    def ssm_parameter(self, name: str, version: str | None) -> str:
        """The value of an SSM parameter."""
        ssm = self._clients.client("ssm", self._region.account, self._region.region)
        try:
            return str(ssm.get_parameter(Name=f"{name}:{version}" if version else name)["Parameter"]["Value"])
        except ClientError as exc:
            message = f"Unable to fetch parameters [{name}] from parameter store for this account."
            raise ValidationError(message) from exc

    def _resource(self, logical_id: str) -> StackResource:
        if logical_id not in self._resources:
            message = f"Template format error: Unresolved resource dependencies [{logical_id}] in the template"
            raise ValidationError(message)
        return self._resources[logical_id]


def evaluator(stack: Stack, target: Target, stack_values: StackValues) -> Evaluator:
    """An evaluator of a target's template for a stack."""
    parameters = resolved_values(target.template, target.parameters, stack_values.ssm_parameter)
    pseudo = stack.pseudo_parameters()
    return Evaluator(target.template, parameters=parameters, pseudo_parameters=pseudo, stack_values=stack_values)


def outputs(target: Target, values: Evaluator) -> tuple[Output, ...]:
    """The outputs of a target, without those whose condition is false."""
    found = []
    for key, definition in target.template.section("Outputs").items():
        if "Condition" in definition and not values.condition(definition["Condition"]):
            continue
        export = definition.get("Export")
        value = values.value(definition["Value"])
        if isinstance(value, dict | list):
            message = f"Template format error: Output {key} is malformed. The Value field of every Output must be text."
            raise ValidationError(message)
        found.append(
            Output(
                key=key,
                value=str(value).lower() if isinstance(value, bool) else str(value),
                description=definition.get("Description"),
                export_name=values.value(export["Name"]) if export else None,
            )
        )
    return tuple(found)
