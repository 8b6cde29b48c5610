"""Brings a stack to its target: create, update or import, and what follows when a step fails."""

from __future__ import annotations

from emulator.cloudformation.clients import Clients
from emulator.cloudformation.errors import CloudFormationError, ResourceError
from emulator.cloudformation.evaluation import StackValues, evaluator, outputs
from emulator.cloudformation.intrinsics import Evaluator
from emulator.cloudformation.model import Operation, Output, StackResource, Target
from emulator.cloudformation.resource_type import Properties, ResourceType
from emulator.cloudformation.resources import ResourceSteps
from emulator.cloudformation.rollback import deletion_order, roll_back
from emulator.cloudformation.store import Region

USER_INITIATED = "User Initiated"


class Deployment:
    """One execution of a change set."""

    def __init__(self, region: Region, clients: Clients, operation: Operation, target: Target, verb: str) -> None:
        self._region, self._clients, self._operation, self._target = region, clients, operation, target
        self._stack, self._verb = operation.stack, verb
        self._steps = ResourceSteps(clients, operation)
        self._failed: tuple[str, str] | None = None
        """Logical id and what could not be done with it."""
        self._active: set[str] = set()
        """The resources of the target whose condition lets them exist."""

    def run(self) -> None:
        """Deploy; on failure roll back, or stop where it is if rollback is disabled."""
        stack = self._stack
        if stack.previous is None:
            # A deployment that resumes a failed one keeps what the stack was before both.
            stack.previous = stack.target
        stack.target = self._target
        try:
            self._apply()
        except (ResourceError, CloudFormationError) as exc:
            self._fail(str(exc))
            return
        replaced = [step.before for step in stack.undo if step.before is not None and step.made_new]
        stack.undo, stack.previous = [], None
        if self._verb == "UPDATE":
            self._clean_up(replaced)
        self._operation.stack_event(f"{self._verb}_COMPLETE")

    def _apply(self) -> None:
        stack = self._stack
        stack_values = StackValues(self._region, self._clients, stack.resources)
        values = evaluator(stack, self._target, stack_values)
        self._check_removed_exports(values)
        self._active = {name for name in self._target.template.resources if values.active(name)}
        for logical_id in self._target.template.creation_order:
            if logical_id in self._active:
                self._resource(logical_id, values)
        new_outputs = outputs(self._target, values)
        with self._region.lock:
            self._check_exports(new_outputs)
            stack.outputs, stack.imported = new_outputs, frozenset(stack_values.imports)

    def _resource(self, logical_id: str, values: Evaluator) -> None:
        definition = self._target.template.resources[logical_id]
        dependencies = self._target.template.dependencies(logical_id)
        existing = self._stack.resources.get(logical_id)
        self._failed = (logical_id, "update" if existing else "create")
        properties: Properties = values.value(dict(definition.properties))
        if existing is None:
            identifier = self._target.imports.get(logical_id)
            if identifier:
                self._steps.adopt(definition, next(iter(identifier.values())), properties, dependencies)
            else:
                self._steps.create(definition, properties, dependencies)
        elif properties != existing.properties:
            kind = ResourceType.registry[existing.type]
            if kind.replaced_by(existing.properties, properties, self._stack.region):
                self._refuse_same_name(kind, existing, properties)
                self._steps.create(definition, properties, dependencies, replaced=existing)
            else:
                self._steps.update(definition, existing, properties, dependencies)
        elif existing.described_by(definition, existing.dependencies) != existing:
            self._steps.update(definition, existing, properties, dependencies)
        else:
            self._stack.resources[logical_id] = existing.described_by(definition, dependencies)
        self._failed = None

    def _refuse_same_name(self, kind: ResourceType, existing: StackResource, properties: Properties) -> None:
        name = kind.name_property
        if name and name in properties and properties[name] == existing.properties.get(name):
            message = (
                "CloudFormation cannot update a stack when a custom-named resource requires replacing. "
                f"Rename {properties[name]} and update the stack again."
            )
            self._operation.resource_event(
                existing.logical_id, existing.type, "UPDATE_FAILED", existing.physical_id, message
            )
            raise ResourceError(message)

    def _check_removed_exports(self, values: Evaluator) -> None:
        kept = {
            values.value(definition["Export"]["Name"])
            for definition in self._target.template.section("Outputs").values()
            if "Export" in definition and ("Condition" not in definition or values.condition(definition["Condition"]))
        }
        for name in sorted(set(self._stack.exports) - kept):
            self._refuse_if_imported(name, "delete")

    def _check_exports(self, new_outputs: tuple[Output, ...]) -> None:
        for output in new_outputs:
            if output.export_name is None:
                continue
            if self._stack.exports.get(output.export_name, output.value) != output.value:
                self._refuse_if_imported(output.export_name, "update")
            for other in self._region.live_stacks():
                if other is not self._stack and output.export_name in other.exports:
                    message = f"Export with name {output.export_name} is already exported by stack {other.name}."
                    raise ResourceError(message)

    def _refuse_if_imported(self, export_name: str, verb: str) -> None:
        importers = [name for name in self._region.importers(export_name) if name != self._stack.name]
        if importers:
            message = f"Cannot {verb} export {export_name} as it is in use by {' and '.join(importers)}."
            raise ResourceError(message)

    def _fail(self, reason: str) -> None:
        stack, rollback_prefix = self._stack, "" if self._verb == "CREATE" else f"{self._verb}_"
        if self._failed is not None:
            logical_id, action = self._failed
            own_event = stack.resource_statuses.get(logical_id)
            if own_event is None or not own_event.status.endswith("FAILED"):
                # Its properties could not even be evaluated, so that no step recorded the failure.
                kind = self._target.template.resources[logical_id].type
                self._operation.resource_event(logical_id, kind, f"{action.upper()}_FAILED", "", reason)
            reason = f"The following resource(s) failed to {action}: [{logical_id}]."
        if stack.disable_rollback:
            self._operation.stack_event(f"{self._verb}_FAILED", reason)
            return
        suffix = " Rollback requested by user." if self._verb == "CREATE" else ""
        roll_back(self._steps, self._operation, f"{rollback_prefix}ROLLBACK", reason + suffix)

    def _clean_up(self, replaced: list[StackResource]) -> None:
        stack = self._stack
        removed = [item for item in stack.resources.values() if item.logical_id not in self._active]
        leftovers = [(item, item.update_replace_policy) for item in reversed(replaced)]
        leftovers += [(item, item.deletion_policy) for item in deletion_order(removed)]
        if leftovers:
            self._operation.stack_event("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS")
        for resource, policy in leftovers:
            try:
                self._steps.delete(resource, policy=policy)
            except ResourceError:
                # As on AWS, what cannot be cleaned up stays behind, with a DELETE_FAILED event.
                continue
            finally:
                if resource in removed:
                    stack.resources.pop(resource.logical_id, None)
