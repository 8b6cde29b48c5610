"""One permission that a call needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from emulator.iam.context import Value
from emulator.iam.evaluation import ResourcePolicy


@dataclass(frozen=True)
class Permission:
    """An action on a resource, `*` where the action has no resource level.

    `context` are the condition keys of the service, `absent` those that the request could have and has not. `via` is
    the service that makes the call on the caller's behalf, where one does.
    """

    action: str
    resource: str
    context: Mapping[str, Value] = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    resource_policy: ResourcePolicy | None = None
    via: str | None = None
