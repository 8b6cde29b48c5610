"""CloudFormation's decisions: which request is allowed in which state, and the operations it starts."""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Collection
from typing import Any

from emulator.cloudformation import strictness
from emulator.cloudformation.clients import Clients
from emulator.cloudformation.deployment import USER_INITIATED, Deployment
from emulator.cloudformation.errors import (
    AlreadyExistsError,
    ChangeSetNotFoundError,
    InvalidChangeSetStatusError,
    ValidationError,
)
from emulator.cloudformation.model import REVIEW, ChangeSet, Operation, Stack, Target, now
from emulator.cloudformation.planning import NO_CHANGES, plan
from emulator.cloudformation.resources import ResourceSteps
from emulator.cloudformation.rollback import delete_stack, roll_back
from emulator.cloudformation.store import Region

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 20.0
"""How long a request waits for the operation that it starts.

AWS answers at once and callers poll, the CDK CLI every five seconds. Most operations here take less than a second:
a caller that finds them finished at its first look saves those seconds. Longer ones go on in the background.
"""
UPDATABLE = frozenset(
    {
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
        "UPDATE_ROLLBACK_COMPLETE",
        "IMPORT_COMPLETE",
        "IMPORT_ROLLBACK_COMPLETE",
        "CREATE_FAILED",
        "UPDATE_FAILED",
    }
)


class Engine:
    """Acts on the stacks of one region."""

    def __init__(self, region: Region, clients: Clients) -> None:
        self.region, self._clients = region, clients

    def create_change_set(
        self,
        *,
        stack_name: str,
        change_set_name: str,
        change_set_type: str,
        make_target: Callable[[Stack | None], Target],
        description: str | None = None,
        deployment_config: dict[str, Any] | None = None,
    ) -> tuple[Stack, ChangeSet]:
        """Plan a change of a stack, which is made in review where it does not exist."""
        with self.region.lock:
            stack = self.region.find(stack_name)
            self._check_change_set_type(stack, stack_name, change_set_type)
            target = make_target(stack)
            strictness.check(target.template, self.region.region)
            strictness.check_capabilities(target.template, target.capabilities)
            new = stack is None
            stack = stack or self.region.new_stack(stack_name, REVIEW)
            if new:
                Operation(stack).stack_event(REVIEW, USER_INITIATED)
            if change_set_name in stack.change_sets:
                message = f"ChangeSet {change_set_name} already exists"
                raise AlreadyExistsError(message)
            try:
                change_set = self._planned(stack, change_set_name, change_set_type, target)
            except ValidationError:
                if new:
                    self.region.forget(stack)
                raise
            change_set.description, change_set.deployment_config = description, deployment_config
            stack.change_sets[change_set_name] = change_set
            return stack, change_set

    def change_set(self, name_or_id: str, stack_name: str | None) -> tuple[Stack, ChangeSet]:
        """A change set by its ARN, or by its name within a stack."""
        stacks = [self.region.find(stack_name)] if stack_name else list(self.region.live_stacks())
        for stack in stacks:
            for change_set in stack.change_sets.values() if stack else ():
                if change_set.id == name_or_id or (stack_name and change_set.name == name_or_id):
                    assert stack is not None  # noqa: S101
                    return stack, change_set
        message = f"ChangeSet [{name_or_id}] does not exist"
        raise ChangeSetNotFoundError(message)

    def execute_change_set(
        self, name_or_id: str, stack_name: str | None, *, disable_rollback: bool, token: str | None
    ) -> None:
        """Carry a change set out; all change sets of the stack go with it, as on AWS."""
        with self.region.lock:
            stack, change_set = self.change_set(name_or_id, stack_name)
            if change_set.execution_status != "AVAILABLE":
                message = (
                    f"ChangeSet [{change_set.id}] cannot be executed in its current status of [{change_set.status}]"
                )
                raise InvalidChangeSetStatusError(message)
            self._refuse_in_progress(stack, "updated")
            stack.change_sets = {}
            thread = self._deploy(
                stack, change_set.target, change_set.type, disable_rollback=disable_rollback, token=token
            )
        thread.join(PATIENCE_SECONDS)

    def delete_change_set(self, name_or_id: str, stack_name: str | None) -> None:
        """Drop a change set; a change set that does not exist is no error, unless its ARN names a missing stack."""
        with self.region.lock:
            try:
                stack, change_set = self.change_set(name_or_id, stack_name)
            except ChangeSetNotFoundError:
                return
            del stack.change_sets[change_set.name]

    def create_stack(self, stack_name: str, target: Target, *, disable_rollback: bool, token: str | None) -> Stack:
        """Create a stack directly."""
        with self.region.lock:
            if self.region.find(stack_name) is not None:
                message = f"Stack [{stack_name}] already exists"
                raise AlreadyExistsError(message)
            strictness.check(target.template, self.region.region)
            strictness.check_capabilities(target.template, target.capabilities)
            stack = self.region.new_stack(stack_name, "CREATE_IN_PROGRESS")
            try:
                plan(self.region, self._clients, stack, target)
            except ValidationError:
                self.region.forget(stack)
                raise
            thread = self._deploy(stack, target, "CREATE", disable_rollback=disable_rollback, token=token)
        thread.join(PATIENCE_SECONDS)
        return stack

    def update_stack(
        self,
        stack_name: str,
        make_target: Callable[[Stack | None], Target],
        *,
        disable_rollback: bool,
        token: str | None,
    ) -> Stack:
        """Update a stack directly."""
        with self.region.lock:
            stack = self.region.get(stack_name)
            self._refuse_in_progress(stack, "updated")
            target = make_target(stack)
            strictness.check(target.template, self.region.region)
            strictness.check_capabilities(target.template, target.capabilities)
            _, anything = plan(self.region, self._clients, stack, target)
            if not anything:
                raise ValidationError("No updates are to be performed.")
            thread = self._deploy(stack, target, "UPDATE", disable_rollback=disable_rollback, token=token)
        thread.join(PATIENCE_SECONDS)
        return stack

    def delete_stack(self, stack_name: str, *, retain: Collection[str], token: str | None) -> None:
        """Delete a stack; one that does not exist is no error."""
        with self.region.lock:
            stack = self.region.find(stack_name)
            if stack is None or stack.status == "DELETE_COMPLETE":
                return
            if stack.termination_protection:
                message = f"Stack [{stack.name}] cannot be deleted while TerminationProtection is enabled"
                raise ValidationError(message)
            if stack.status == REVIEW:
                self.region.forget(stack)
                return
            self._refuse_in_progress(stack, "deleted")
            operation = Operation(stack, token)
            for name in sorted(stack.exports):
                importers = [importer for importer in self.region.importers(name) if importer != stack.name]
                if importers:
                    reason = (
                        f"Delete canceled. Cannot delete export {name} as it is in use by {' and '.join(importers)}."
                    )
                    operation.stack_event("DELETE_FAILED", reason)
                    return
            stack.status = "DELETE_IN_PROGRESS"
            steps = ResourceSteps(self._clients, operation)
            thread = _start(stack, lambda: delete_stack(steps, operation, retain))
        thread.join(PATIENCE_SECONDS)

    def roll_back_stack(self, stack_name: str, *, token: str | None, skip: Collection[str] = ()) -> Stack:
        """Roll back an operation that failed with rollback disabled, or go on with a rollback that failed.

        Resources in `skip` are left as they are. AWS CloudFormation API Reference, ContinueUpdateRollback,
        ResourcesToSkip: they must be ones whose rollback failed.
        """
        rollbacks = {
            "CREATE_FAILED": "ROLLBACK",
            "UPDATE_FAILED": "UPDATE_ROLLBACK",
            "UPDATE_ROLLBACK_FAILED": "UPDATE_ROLLBACK",
        }
        with self.region.lock:
            stack = self.region.get(stack_name)
            if stack.status not in rollbacks:
                message = f"Stack:{stack.id} is in {stack.status} state and can not be rolled back."
                raise ValidationError(message)
            skippable = {name for name, found in stack.resource_statuses.items() if found.status == "UPDATE_FAILED"}
            if unknown := sorted(set(skip) - skippable):
                message = (
                    f"Resources {unknown} cannot be skipped: only resources in UPDATE_FAILED can be, which are "
                    f"{sorted(skippable)}."
                )
                raise ValidationError(message)
            stack.undo = [step for step in stack.undo if step.after.logical_id not in skip]
            operation, status = Operation(stack, token), rollbacks[stack.status]
            for name in skip:
                found = stack.resource_statuses[name]
                reason = "Resource skipped on user's request"
                operation.resource_event(name, found.type, "UPDATE_COMPLETE", found.physical_id, reason)
            steps = ResourceSteps(self._clients, operation)
            stack.status = f"{status}_IN_PROGRESS"
            thread = _start(stack, lambda: roll_back(steps, operation, status, USER_INITIATED))
        thread.join(PATIENCE_SECONDS)
        return stack

    def _planned(self, stack: Stack, name: str, kind: str, target: Target) -> ChangeSet:
        changes, anything = plan(self.region, self._clients, stack, target)
        missing = set(target.imports) - {item.logical_id for item in changes if item.action == "Import"}
        if missing:
            message = f"Resources to import [{', '.join(sorted(missing))}] are not new in the template"
            raise ValidationError(message)
        return ChangeSet(
            id=f"{self.region.arn_prefix}:changeSet/{name}/{uuid.uuid4()}",
            name=name,
            type=kind,
            target=target,
            changes=changes,
            status="CREATE_COMPLETE" if anything else "FAILED",
            status_reason=None if anything else NO_CHANGES,
            execution_status="AVAILABLE" if anything else "UNAVAILABLE",
            created=now(),
        )

    def _check_change_set_type(self, stack: Stack | None, stack_name: str, kind: str) -> None:
        if kind == "UPDATE":
            if stack is None or stack.status == REVIEW:
                message = f"Stack [{stack_name}] does not exist"
                raise ValidationError(message)
            self._refuse_in_progress(stack, "updated")
        elif kind == "CREATE" and stack is not None and stack.status != REVIEW:
            message = f"Stack [{stack_name}] already exists and cannot be created again with the changeSet [CREATE]."
            raise ValidationError(message)

    def _refuse_in_progress(self, stack: Stack, participle: str) -> None:
        states = UPDATABLE | {REVIEW}
        if stack.in_progress or (participle == "updated" and stack.status not in states):
            message = f"Stack:{stack.id} is in {stack.status} state and can not be {participle}."
            raise ValidationError(message)

    def _deploy(
        self, stack: Stack, target: Target, kind: str, *, disable_rollback: bool, token: str | None
    ) -> threading.Thread:
        operation = Operation(stack, token)
        stack.disable_rollback = disable_rollback
        if kind != "CREATE":
            stack.updated = now()
        operation.stack_event(f"{kind}_IN_PROGRESS", USER_INITIATED)
        deployment = Deployment(self.region, self._clients, operation, target, kind)
        return _start(stack, deployment.run)


def _start(stack: Stack, work: Callable[[], None]) -> threading.Thread:
    def run() -> None:
        try:
            work()
        except Exception as exc:
            log.exception("an operation on stack %s failed unexpectedly", stack.name)
            failed = stack.status.replace("_COMPLETE_CLEANUP", "").replace("_IN_PROGRESS", "_FAILED")
            reason = f"Internal failure of the emulator: {type(exc).__name__}: {exc}"
            Operation(stack).stack_event(failed, reason)

    thread = threading.Thread(target=run, name=f"stack {stack.name}", daemon=True)
    thread.start()
    return thread
