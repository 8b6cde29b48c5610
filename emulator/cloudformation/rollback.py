"""Rolls a failed operation back, and deletes stacks: both go against the order in which resources were made."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from graphlib import TopologicalSorter

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.model import DELETED, Operation, StackResource, now
from emulator.cloudformation.resources import ResourceSteps


def roll_back(steps: ResourceSteps, operation: Operation, status: str, reason: str | None) -> None:
    """Undo every step of the stack's last operation, newest first: changes are changed back, then what is new goes.

    `status` is ROLLBACK, UPDATE_ROLLBACK or IMPORT_ROLLBACK. A change that cannot be undone leaves the stack in
    `<status>_FAILED`, with the steps that remain, so that the rollback can be continued.
    """
    stack = operation.stack
    operation.stack_event(f"{status}_IN_PROGRESS", reason)
    for step in reversed(list(stack.undo)):
        try:
            if not step.made_new:
                steps.revert(step)
                stack.undo.remove(step)
            elif step.before is not None:
                steps.restore(step.before)
        except ResourceError:
            message = f"The following resource(s) failed to update: [{step.after.logical_id}]."
            operation.stack_event(f"{status}_FAILED", message)
            return
    leftovers = [step.after for step in reversed(stack.undo)]
    stack.undo = []
    if status != "ROLLBACK" and leftovers:
        operation.stack_event(f"{status}_COMPLETE_CLEANUP_IN_PROGRESS")
    failed = [resource.logical_id for resource in leftovers if not _removed(steps, operation, resource)]
    if failed and status == "ROLLBACK":
        operation.stack_event("ROLLBACK_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}].")
        return
    if stack.previous is not None:
        stack.target = stack.previous
    stack.previous = None
    operation.stack_event(f"{status}_COMPLETE")


def delete_stack(steps: ResourceSteps, operation: Operation, retain: Collection[str]) -> None:
    """Delete every resource of a stack that no policy retains, dependents first, and then the stack."""
    stack = operation.stack
    operation.stack_event("DELETE_IN_PROGRESS", "User Initiated")
    failed: list[str] = []
    kept: set[str] = set()
    for resource in deletion_order(stack.resources.values()):
        if resource.logical_id in kept:
            # Something that depends on it is still there.
            kept.update(resource.dependencies)
            continue
        policy = "Retain" if resource.logical_id in retain else resource.deletion_policy
        try:
            steps.delete(resource, policy=policy)
        except ResourceError:
            failed.append(resource.logical_id)
            kept.update(resource.dependencies)
            continue
        del stack.resources[resource.logical_id]
    if failed:
        operation.stack_event("DELETE_FAILED", f"The following resource(s) failed to delete: [{', '.join(failed)}]. ")
        return
    stack.outputs, stack.imported, stack.deleted = (), frozenset(), now()
    stack.undo, stack.change_sets = [], {}
    operation.stack_event(DELETED)


def deletion_order(resources: Iterable[StackResource]) -> list[StackResource]:
    """Resources so that each comes before all that it depends on."""
    by_id = {resource.logical_id: resource for resource in resources}
    graph = {
        logical_id: [name for name in resource.dependencies if name in by_id] for logical_id, resource in by_id.items()
    }
    return [by_id[logical_id] for logical_id in reversed(list(TopologicalSorter(graph).static_order()))]


def _removed(steps: ResourceSteps, operation: Operation, resource: StackResource) -> bool:
    """Delete what the rolled back operation made; true unless that failed."""
    stack = operation.stack
    # RetainExceptOnCreate, unlike Retain, lets go of a resource whose very creation is rolled back.
    policy = "Retain" if resource.deletion_policy == "Retain" else "Delete"
    try:
        steps.delete(resource, policy=policy)
    except ResourceError:
        return False
    current = stack.resources.get(resource.logical_id)
    if current is not None and current.physical_id == resource.physical_id:
        del stack.resources[resource.logical_id]
    return True
