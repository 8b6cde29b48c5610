"""One permission that a call needs, and the call as the operations' modules see it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.iam.context import Value
from emulator.iam.evaluation import ResourcePolicy
from emulator.iam.requests import UndeterminedError


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


@dataclass(frozen=True)
class Call:
    """An operation of a service by an account's function. Parameters have the model's names."""

    service: str
    operation: str
    partition: str
    region: str
    account: str
    parameters: Mapping[str, Any]
    headers: Mapping[str, str]

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """The ARN of a resource in the call's own region and account, unless others are given."""
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def parameter(self, name: str) -> str:
        """A parameter without which the resource is unknown; raises UndeterminedError."""
        value = self.parameters.get(name)
        if not isinstance(value, str) or not value:
            raise UndeterminedError(f"{self.service} {self.operation} has no {name}, which names its resource")
        return value

    def in_own_account(self, arn: str) -> str:
        """The ARN, if it is of the caller's account; raises UndeterminedError where another's policies count too."""
        if arn.split(":")[4] not in {self.account, ""}:
            raise UndeterminedError(f"{arn} is in another account: calls over accounts are not evaluated")
        return arn
