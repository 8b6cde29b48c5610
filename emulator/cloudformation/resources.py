"""One resource's step of a stack operation: made, changed, replaced or deleted, with its events."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError

from emulator.cloudformation.clients import Clients
from emulator.cloudformation.errors import CloudFormationError, ResourceError
from emulator.cloudformation.model import Operation, StackResource, UndoStep
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType
from emulator.cloudformation.template import ResourceDefinition

log = logging.getLogger(__name__)

REPLACING = "Requested update requires the creation of a new physical resource; hence creating one."
Result = TypeVar("Result")


class ResourceSteps:
    """The steps of one operation on one stack."""

    def __init__(self, clients: Clients, operation: Operation) -> None:
        self._clients, self._operation, self._stack = clients, operation, operation.stack

    def create(
        self,
        definition: ResourceDefinition,
        properties: Properties,
        dependencies: tuple[str, ...],
        replaced: StackResource | None = None,
    ) -> StackResource:
        """Make a resource, or the new one of a replacement, and note how to undo it."""
        logical_id, verb = definition.logical_id, "UPDATE" if replaced else "CREATE"
        self._event(definition, f"{verb}_IN_PROGRESS", "", REPLACING if replaced else None)
        step_recorded = False

        def record(made: Made) -> StackResource:
            nonlocal step_recorded
            resource = _resource(definition, made, properties, dependencies)
            if step_recorded:
                self._stack.undo.pop()
            else:
                self._event(definition, f"{verb}_IN_PROGRESS", made.physical_id, "Resource creation Initiated")
            step_recorded = True
            self._stack.undo.append(UndoStep(before=replaced, after=resource))
            self._stack.resources[logical_id] = resource
            return resource

        kind = ResourceType.registry[definition.type]
        context = replace(self.context(logical_id), initiated=lambda made: (record(made), None)[1])
        try:
            resource = record(attempt(lambda: kind.create(context, properties)))
        except ResourceError as exc:
            physical_id = self._stack.resources[logical_id].physical_id if step_recorded else ""
            self._event(definition, f"{verb}_FAILED", physical_id, str(exc))
            raise
        self._event(definition, f"{verb}_COMPLETE", resource.physical_id)
        return resource

    def adopt(
        self,
        definition: ResourceDefinition,
        physical_id: str,
        properties: Properties,
        dependencies: tuple[str, ...],
    ) -> None:
        """Take an existing resource into the stack."""
        self._event(definition, "IMPORT_IN_PROGRESS", physical_id, "Resource import started.")
        kind, context = ResourceType.registry[definition.type], self.context(definition.logical_id)
        try:
            made = attempt(lambda: kind.adopt(context, physical_id, properties))
        except ResourceError as exc:
            self._event(definition, "IMPORT_FAILED", physical_id, str(exc))
            raise
        resource = _resource(definition, made, properties, dependencies)
        self._stack.resources[definition.logical_id] = resource
        # An import that is rolled back lets the resource go without deleting it.
        self._stack.undo.append(UndoStep(before=None, after=replace(resource, deletion_policy="Retain")))
        self._event(definition, "IMPORT_COMPLETE", physical_id, "Resource import completed.")

    def update(
        self,
        definition: ResourceDefinition,
        existing: StackResource,
        properties: Properties,
        dependencies: tuple[str, ...],
    ) -> None:
        """Change a resource in place and note how to undo that."""
        after = existing.described_by(definition, dependencies)
        self._event(definition, "UPDATE_IN_PROGRESS", existing.physical_id)
        # Noted before it is tried: a change that fails half way is rolled back too.
        self._stack.undo.append(UndoStep(before=existing, after=replace(after, properties=properties)))
        try:
            ResourceType.registry[existing.type].refuse_fixed(dict(existing.properties), properties)
            made = self._changed(existing, properties)
        except ResourceError as exc:
            self._event(definition, "UPDATE_FAILED", existing.physical_id, str(exc))
            raise
        after = replace(after, properties=properties, attributes=dict(made.attributes))
        self._stack.undo[-1] = UndoStep(before=existing, after=after)
        self._stack.resources[definition.logical_id] = after
        self._event(definition, "UPDATE_COMPLETE", existing.physical_id)

    def revert(self, step: UndoStep) -> None:
        """Change a resource back to what it was before an in-place update."""
        before = step.before
        if before is None:
            return
        self._resource_event(before, "UPDATE_IN_PROGRESS")
        try:
            self._changed(step.after, before.properties)
        except ResourceError as exc:
            self._resource_event(before, "UPDATE_FAILED", str(exc))
            raise
        self._stack.resources[before.logical_id] = before
        self._resource_event(before, "UPDATE_COMPLETE")

    def restore(self, resource: StackResource) -> None:
        """Point the stack at the resource that a replacement would have taken the place of."""
        self._stack.resources[resource.logical_id] = resource
        self._resource_event(resource, "UPDATE_COMPLETE")

    def delete(self, resource: StackResource, *, policy: str) -> None:
        """Delete a resource, or leave it where its policy retains it."""
        if policy != "Delete":
            self._resource_event(resource, "DELETE_SKIPPED")
            return
        self._resource_event(resource, "DELETE_IN_PROGRESS")
        kind, context = ResourceType.registry[resource.type], self.context(resource.logical_id)
        made = Made(resource.physical_id, resource.attributes)
        try:
            attempt(lambda: kind.delete(context, made, dict(resource.properties)))
        except ResourceError as exc:
            self._resource_event(resource, "DELETE_FAILED", str(exc))
            raise
        self._resource_event(resource, "DELETE_COMPLETE")

    def context(self, logical_id: str) -> Context:
        """Where a resource of the stack lives."""
        stack = self._stack
        return Context(
            account=stack.account,
            region=stack.region,
            partition=stack.partition,
            stack_name=stack.name,
            stack_id=stack.id,
            logical_id=logical_id,
            clients=self._clients,
        )

    def _changed(self, resource: StackResource, properties: Properties) -> Made:
        made = Made(resource.physical_id, resource.attributes)
        if properties == resource.properties:
            return made
        kind, context = ResourceType.registry[resource.type], self.context(resource.logical_id)
        return attempt(lambda: kind.update(context, made, dict(resource.properties), dict(properties)))

    def _event(self, definition: ResourceDefinition, status: str, physical_id: str, reason: str | None = None) -> None:
        self._operation.resource_event(definition.logical_id, definition.type, status, physical_id, reason)

    def _resource_event(self, resource: StackResource, status: str, reason: str | None = None) -> None:
        self._operation.resource_event(resource.logical_id, resource.type, status, resource.physical_id, reason)


def attempt(step: Callable[[], Result]) -> Result:
    """Run a step of a resource type; any error becomes a ResourceError with a reason to show."""
    try:
        return step()
    except ResourceError:
        raise
    except (ClientError, BotoCoreError, CloudFormationError) as exc:
        raise ResourceError(str(exc)) from exc
    except Exception as exc:
        # A fault of the emulator itself must fail the stack and roll it back like any other, not leave it hanging.
        log.exception("a resource type failed unexpectedly")
        message = f"Internal failure of the emulator: {type(exc).__name__}: {exc}"
        raise ResourceError(message) from exc


def _resource(
    definition: ResourceDefinition, made: Made, properties: Properties, dependencies: tuple[str, ...]
) -> StackResource:
    return StackResource(
        logical_id=definition.logical_id,
        type=definition.type,
        physical_id=made.physical_id,
        properties=properties,
        attributes=dict(made.attributes),
        dependencies=dependencies,
        deletion_policy=definition.deletion_policy,
        update_replace_policy=definition.update_replace_policy,
        metadata=definition.metadata,
    )
