"""What is in the way of the deployment: names that are taken, stacks that cannot be updated, a role that is missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sdxl.preflight.account import Account, AwsError
from sdxl.preflight.findings import Finding
from sdxl.preflight.operations import NAMES, check_operations_names, check_rollback_names

STACKS = "stacks"
SCALING_ROLE = "role of autoscaling"
SCALING_ROLE_NAME = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"

STACK_PARTS = ("Storage", "Network", "Inference", "Api", "Operations")

# A stack in one of these owns nothing.
_EMPTY = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})


def check_stacks_and_names(account: Account) -> Iterator[Finding]:
    """Our stacks can be updated, and no name that they need belongs to something else."""
    prefix = f"sdxl-{account.environment.name}"
    statuses: dict[str, str | None] = {}
    for part in STACK_PARTS:
        try:
            statuses[part] = account.stack_status(f"{prefix}-{part}")
        except AwsError as exc:
            yield exc.unknown(STACKS)
            yield exc.unknown(NAMES)
            return
    stuck = [*_stuck_stacks(prefix, statuses)]
    yield from stuck
    if not stuck:
        there = ", ".join(f"{prefix}-{part}" for part, status in statuses.items() if status not in _EMPTY)
        yield Finding(name=STACKS, status="ok", found=there or "none yet", details={"stacks": statuses})
    yield from _check_names(account, prefix, statuses)


def _stuck_stacks(prefix: str, statuses: Mapping[str, str | None]) -> Iterator[Finding]:
    for part, status in statuses.items():
        if status is None or status == "REVIEW_IN_PROGRESS":
            continue
        stack = f"{prefix}-{part}"
        if status in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED", "DELETE_FAILED"):
            remedy = (
                "It cannot be updated: read its events, then delete it: "
                f"aws cloudformation delete-stack --stack-name {stack}"
            )
        elif status == "UPDATE_ROLLBACK_FAILED":
            remedy = f"aws cloudformation continue-update-rollback --stack-name {stack}"
        elif status.endswith("_IN_PROGRESS"):
            remedy = "Something changes it right now: wait until it is done."
        else:
            continue
        yield Finding(
            name=STACKS, status="failed", found=f"{stack} is in {status}", remedy=remedy, details={"stack": stack}
        )


def _check_names(account: Account, prefix: str, statuses: Mapping[str, str | None]) -> Iterator[Finding]:
    taken = [*_taken_log_groups(account, prefix, statuses)]
    if account.environment.model.source != "bedrock" and statuses["Inference"] in _EMPTY:
        taken += _check_endpoint_name(account, prefix)
        taken += check_rollback_names(account, prefix)
    operations = account.environment.operations
    if operations is not None and statuses["Operations"] in _EMPTY:
        taken += check_operations_names(account, prefix, operations)
    yield from taken or [Finding(name=NAMES, status="ok", found="free, or this environment's own")]


def _taken_log_groups(account: Account, prefix: str, statuses: Mapping[str, str | None]) -> Iterator[Finding]:
    groups = {
        f"/aws/lambda/{prefix}-image-api": "Api",
        f"/aws/lambda/{prefix}-key-authorizer": "Api",
        f"aws-waf-logs-{prefix}": "Api",
    }
    if account.environment.model.source != "bedrock":
        groups[f"/aws/sagemaker/Endpoints/{prefix}"] = "Inference"
    # Where the stack is there, the name is its own.
    for group, part in groups.items():
        if statuses[part] not in _EMPTY:
            continue
        try:
            found = account.pages(
                "logs:DescribeLogGroups",
                "logGroups",
                token="nextToken",  # noqa: S106
                logGroupNamePrefix=group,
            )
            is_taken = any(entry["logGroupName"] == group for entry in found)
        except AwsError as exc:
            yield exc.unknown(f"{NAMES}: log groups")
            return
        if is_taken:
            yield Finding(
                name=NAMES,
                status="failed",
                found=f"log group {group} exists, but no stack {prefix}-{part} that it belongs to",
                remedy=f"Keep what you need of it, then: aws logs delete-log-group --log-group-name {group}",
                details={"log_group": group},
            )


def _check_endpoint_name(account: Account, prefix: str) -> Iterator[Finding]:
    try:
        endpoint = account.call("sagemaker:DescribeEndpoint", EndpointName=prefix)
    except AwsError as exc:
        if not is_missing_endpoint(exc):
            yield exc.unknown(f"{NAMES}: endpoint")
        return
    yield Finding(
        name=NAMES,
        status="failed",
        found=f"endpoint {prefix} exists ({endpoint['EndpointStatus']}), but no stack {prefix}-Inference that it "
        "belongs to",
        remedy="Name the environment otherwise, or delete the endpoint if nobody uses it: "
        f"aws sagemaker delete-endpoint --endpoint-name {prefix}",
        details={"endpoint": prefix},
    )


def is_missing_endpoint(error: AwsError) -> bool:
    """Whether SageMaker says that there is no such endpoint."""
    return error.code == "ResourceNotFound" or (
        error.code == "ValidationException" and "could not find" in error.message.lower()
    )


def check_scaling_role(account: Account) -> Iterator[Finding]:
    """The role with which Application Auto Scaling changes the endpoint is there."""
    environment = account.environment
    if environment.scaling is None or environment.model.source == "bedrock":
        return
    try:
        account.call("iam:GetRole", RoleName=SCALING_ROLE_NAME)
    except AwsError as exc:
        if exc.code != "NoSuchEntity":
            yield exc.unknown(SCALING_ROLE)
            return
        yield Finding(
            name=SCALING_ROLE,
            status="warning",
            found=f"there is no {SCALING_ROLE_NAME} yet",
            remedy="The first deployment makes it, if it is allowed iam:CreateServiceLinkedRole. Otherwise: aws iam "
            "create-service-linked-role --aws-service-name sagemaker.application-autoscaling.amazonaws.com",
            details={"role": SCALING_ROLE_NAME},
        )
        return
    yield Finding(name=SCALING_ROLE, status="ok", found=SCALING_ROLE_NAME)
