"""S3 as moto lacks it: bucket policies by IAM's rules, and logging whose target's policy comes later."""

from __future__ import annotations

from typing import Any

from moto.s3.models import FakeBucket

from emulator.iam.context import Context
from emulator.iam.evaluation import Caller, ResourcePolicy, evaluate

REQUEST_CONTEXT = Context({"aws:SecureTransport": "true"}, absent=("aws:SourceVpc", "aws:SourceVpce"))
"""What is known of every request. Traffic on this machine stands for TLS, and comes through no VPC endpoint."""


def install() -> None:
    """Mend moto's S3."""
    FakeBucket.get_permission = _get_permission
    # S3 does not look at the target's policy when logging is set; a stack sets it before the policy exists.
    FakeBucket._log_permissions_enabled_policy = staticmethod(lambda **_: True)


def _get_permission(self: FakeBucket, action: str, resource: str) -> Any:
    """What the bucket's policy says of its account's root, as which everyone acts here who is no function.

    What it says of a function's role is decided before a call gets here.
    """
    from moto.iam.access_control import PermissionResult  # noqa: PLC0415 - as moto does, when there is a policy

    if self.policy is None:
        return PermissionResult.NEUTRAL
    root = f"arn:{self.partition}:iam::{self.account_id}:root"
    policy = ResourcePolicy(f"policy of bucket {self.name}", self.policy.decode())
    decision = evaluate(Caller(self.account_id, root, root, ()), action, resource, REQUEST_CONTEXT, policy)
    if decision.by is None:
        return PermissionResult.NEUTRAL
    return PermissionResult.PERMITTED if decision.allowed else PermissionResult.DENIED
