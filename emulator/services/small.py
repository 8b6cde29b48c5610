"""Small changes to moto: S3, IAM, CloudWatch and CloudTrail."""

from __future__ import annotations

from typing import Any

from moto.cloudtrail.responses import CloudTrailResponse
from moto.cloudwatch.responses import CloudWatchResponse
from moto.core.responses import ActionResult
from moto.iam.models import IAMBackend
from moto.s3.models import FakeBucket

from emulator.iam.conditions import Context
from emulator.iam.evaluation import Caller, ResourcePolicy, evaluate
from emulator.monitoring.alarms import evaluate_all

REQUEST_CONTEXT = Context({"aws:SecureTransport": "true"}, absent=("aws:SourceVpc", "aws:SourceVpce"))
"""What is known of every request. Traffic on this machine stands for TLS, and comes through no VPC endpoint."""


def _change_s3() -> None:
    """Bucket policies by IAM's rules, and logging whose target's policy comes later."""
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


# moto makes the name out of the service's; Application Auto Scaling User Guide, "Service-linked roles", has this one.
_SERVICE_LINKED_ROLES = {
    "AWSServiceRoleForApplicationAutoScaling_Sagemaker": "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"
}


def _change_iam() -> None:
    """Give service-linked roles the names that AWS gives them."""
    create_role = IAMBackend.create_role

    def named(self: IAMBackend, role_name: str, *arguments: Any, **named_arguments: Any) -> Any:
        return create_role(self, _SERVICE_LINKED_ROLES.get(role_name, role_name), *arguments, **named_arguments)

    IAMBackend.create_role = named


def _change_cloudwatch() -> None:
    """Let DescribeAlarms answer with states that are looked up then, and take composite alarms."""
    original = CloudWatchResponse.describe_alarms
    if hasattr(original, "evaluates"):
        return

    def describe_alarms(self: CloudWatchResponse) -> Any:
        evaluate_all(self.cloudwatch_backend)
        return original(self)

    describe_alarms.evaluates = True  # type: ignore[attr-defined]
    CloudWatchResponse.describe_alarms = describe_alarms
    # moto's own reads an AlarmRule too, so that only the action's name is missing.
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm


def _change_cloudtrail() -> None:
    """Answer LookupEvents: nothing is recorded here. Without it the CLI tries again for half a minute."""

    def lookup_events(_: CloudTrailResponse) -> ActionResult:
        return ActionResult({"Events": []})

    CloudTrailResponse.lookup_events = lookup_events


def install() -> None:
    """Make every change."""
    _change_s3()
    _change_iam()
    _change_cloudwatch()
    _change_cloudtrail()
