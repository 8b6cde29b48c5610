"""The records CloudFormation keeps: stacks, their resources, events, outputs and change sets."""

from __future__ import annotations

import logging
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from emulator.cloudformation.template import ResourceDefinition, Template

log = logging.getLogger(__name__)

STACK_TYPE = "AWS::CloudFormation::Stack"
DELETED = "DELETE_COMPLETE"
REVIEW = "REVIEW_IN_PROGRESS"


def now() -> datetime:
    """The present moment, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True)
class StackResource:
    """A resource as it was made, with what is needed to compare, change back and delete it."""

    logical_id: str
    type: str
    physical_id: str
    properties: dict[str, Any]
    attributes: dict[str, Any]
    dependencies: tuple[str, ...]
    deletion_policy: str
    update_replace_policy: str
    metadata: Mapping[str, Any]

    def described_by(self, definition: ResourceDefinition, dependencies: tuple[str, ...]) -> StackResource:
        """The same resource with what a template says besides its properties."""
        return replace(
            self,
            dependencies=dependencies,
            deletion_policy=definition.deletion_policy,
            update_replace_policy=definition.update_replace_policy,
            metadata=definition.metadata,
        )


@dataclass(frozen=True)
class UndoStep:
    """How to undo one change: `before` is None for a resource that the operation made."""

    before: StackResource | None
    after: StackResource

    @property
    def made_new(self) -> bool:
        """Whether the step left a new physical resource behind."""
        return self.before is None or self.before.physical_id != self.after.physical_id


@dataclass(frozen=True)
class Output:
    """An output of a stack."""

    key: str
    value: str
    description: str | None
    export_name: str | None


@dataclass(frozen=True)
class Event:
    """One line of a stack's history."""

    event_id: str
    operation_id: str
    logical_id: str
    physical_id: str
    type: str
    status: str
    reason: str | None
    timestamp: datetime
    client_request_token: str | None


@dataclass
class ResourceStatus:
    """What DescribeStackResources says of a logical id."""

    type: str
    physical_id: str
    status: str
    reason: str | None
    timestamp: datetime


@dataclass(frozen=True)
class PropertyChange:
    """A property that a change set would change."""

    name: str
    requires_recreation: str
    before: Any
    after: Any
    source: str
    causing_entity: str | None


@dataclass(frozen=True)
class ResourceChange:
    """What a change set would do to one resource."""

    action: str
    logical_id: str
    type: str
    physical_id: str | None = None
    replacement: str | None = None
    policy_action: str | None = None
    scope: tuple[str, ...] = ()
    details: tuple[PropertyChange, ...] = ()
    before: Mapping[str, Any] | None = None
    after: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Target:
    """What a stack is to become."""

    template: Template
    parameters: Mapping[str, str]
    tags: Mapping[str, str]
    capabilities: tuple[str, ...] = ()
    role_arn: str | None = None
    imports: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Logical id to resource identifier, for resources that exist already and are taken into the stack."""


@dataclass
class ChangeSet:
    """A planned change of a stack."""

    id: str
    name: str
    type: str
    target: Target
    changes: tuple[ResourceChange, ...]
    status: str
    status_reason: str | None
    execution_status: str
    created: datetime
    description: str | None = None
    deployment_config: Mapping[str, Any] | None = None


@dataclass
class Stack:
    """A stack in one account and region. `target` is None until a change set has been executed."""

    id: str
    name: str
    account: str
    region: str
    partition: str
    status: str
    created: datetime
    status_reason: str | None = None
    target: Target | None = None
    resources: dict[str, StackResource] = field(default_factory=dict)
    resource_statuses: dict[str, ResourceStatus] = field(default_factory=dict)
    outputs: tuple[Output, ...] = ()
    imported: frozenset[str] = frozenset()
    events: list[Event] = field(default_factory=list)
    change_sets: dict[str, ChangeSet] = field(default_factory=dict)
    updated: datetime | None = None
    deleted: datetime | None = None
    disable_rollback: bool = False
    termination_protection: bool = False
    undo: list[UndoStep] = field(default_factory=list)
    """Steps that take an operation back that failed with rollback disabled, oldest first."""
    previous: Target | None = None
    """What the stack was before the operation that `undo` would undo."""

    @property
    def in_progress(self) -> bool:
        """Whether an operation is under way."""
        return self.status.endswith("_IN_PROGRESS") and self.status != REVIEW

    @property
    def exports(self) -> dict[str, str]:
        """What the stack exports: name to value."""
        return {output.export_name: output.value for output in self.outputs if output.export_name}

    def pseudo_parameters(self) -> dict[str, Any]:
        """The values of the AWS::* names."""
        suffixes = {"aws-cn": "amazonaws.com.cn"}
        return {
            "AWS::AccountId": self.account,
            "AWS::NotificationARNs": [],
            "AWS::Partition": self.partition,
            "AWS::Region": self.region,
            "AWS::StackId": self.id,
            "AWS::StackName": self.name,
            "AWS::URLSuffix": suffixes.get(self.partition, "amazonaws.com"),
        }


@dataclass(frozen=True)
class Operation:
    """One create, update, rollback or delete of a stack: names its events."""

    stack: Stack
    token: str | None = None
    id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def stack_event(self, status: str, reason: str | None = None) -> None:
        """Put the stack into a status and record it."""
        self.stack.status, self.stack.status_reason = status, reason
        log.info("stack %s %s%s", self.stack.name, status, f": {reason}" if reason else "")
        self._record(self.stack.name, self.stack.id, STACK_TYPE, status, reason)

    def resource_event(
        self, logical_id: str, resource_type: str, status: str, physical_id: str = "", reason: str | None = None
    ) -> None:
        """Record a resource's status."""
        self.stack.resource_statuses[logical_id] = ResourceStatus(resource_type, physical_id, status, reason, now())
        self._record(logical_id, physical_id, resource_type, status, reason)

    def _record(self, logical_id: str, physical_id: str, kind: str, status: str, reason: str | None) -> None:
        event_id = f"{logical_id}-{status}-{uuid.uuid4()}"
        # Callers put events in order by their time, which the wire carries in milliseconds.
        moment = now()
        if self.stack.events:
            moment = max(moment, self.stack.events[-1].timestamp + timedelta(milliseconds=1))
        event = Event(event_id, self.id, logical_id, physical_id, kind, status, reason, moment, self.token)
        self.stack.events.append(event)
