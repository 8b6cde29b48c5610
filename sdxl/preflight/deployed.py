"""What is in the account already: stacks, names that are taken, instance types that cannot be changed in one step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from typing import Any

from sdxl.deployment.endpoint import CHANGING
from sdxl.diff.between_stacks import delete_command
from sdxl.preflight.account import Account, AwsError, Finding
from sdxl.preflight.operations import NAMES, check_inference_names, check_operations_names

STACKS = "stacks"
SCALING_ROLE = "role of autoscaling"
SCALING_ROLE_NAME = "AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint"

STACK_PARTS = ("Storage", "Network", "Inference", "Api", "Operations")

# A stack in one of these holds nothing that is deployed. The CDK CLI deletes one whose first deployment was rolled
# back before it deploys (aws-cdk, `isCreationFailure`); what such a stack still owns is its own.
EMPTY = frozenset({None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED"})


def check_stacks_and_names(account: Account) -> Iterator[Finding]:
    """Our stacks can be updated, and no name that they need belongs to something else."""
    prefix = f"sdxl-{account.environment.name}"
    statuses: dict[str, str | None] = {}
    own: set[str] = set()
    try:
        for part in STACK_PARTS:
            statuses[part] = account.stack_status(f"{prefix}-{part}")
            if statuses[part] not in (None, "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"):
                own |= account.physical_ids(f"{prefix}-{part}")
    except AwsError as exc:
        yield exc.unknown(STACKS)
        yield exc.unknown(NAMES)
        return
    stuck = [*_stuck_stacks(prefix, statuses)]
    yield from stuck
    if not stuck:
        there = ", ".join(
            f"{prefix}-{part}" + (f" ({status}: the next deployment makes it anew)" if status in EMPTY else "")
            for part, status in statuses.items()
            if status is not None
        )
        yield Finding(name=STACKS, status="ok", found=there or "none yet", details={"stacks": statuses})
    yield from _check_names(account, prefix, own)


def _stuck_stacks(prefix: str, statuses: Mapping[str, str | None]) -> Iterator[Finding]:
    for part, status in statuses.items():
        if status in EMPTY or status is None:
            continue
        stack = f"{prefix}-{part}"
        if status == "DELETE_FAILED":
            remedy = (
                "It cannot be updated: read its events, then delete it: "
                f"aws cloudformation delete-stack --stack-name {stack}"
            )
        elif status in ("CREATE_FAILED", "UPDATE_FAILED"):
            remedy = f"An operation without rollback failed. Roll it back: npx cdk rollback {prefix}/{part}"
        elif status == "UPDATE_ROLLBACK_FAILED":
            remedy = f"aws cloudformation continue-update-rollback --stack-name {stack}"
        elif status.endswith("_IN_PROGRESS"):
            remedy = "Something changes it right now: wait until it is done."
        else:
            continue
        yield Finding(
            name=STACKS, status="failed", found=f"{stack} is in {status}", remedy=remedy, details={"stack": stack}
        )


def _check_names(account: Account, prefix: str, own: Set[str]) -> Iterator[Finding]:
    """What has a name of the environment, and is no resource of its stacks."""
    taken = [*_taken_log_groups(account, prefix, own)]
    if account.environment.model.source != "bedrock":
        taken += _check_endpoint_name(account, prefix, own)
        taken += check_inference_names(account, prefix, own)
    operations = account.environment.operations
    if operations is not None:
        taken += check_operations_names(account, prefix, operations, own)
    yield from taken or [Finding(name=NAMES, status="ok", found="free, or this environment's own")]


def _taken_log_groups(account: Account, prefix: str, own: Set[str]) -> Iterator[Finding]:
    groups = {
        f"/aws/lambda/{prefix}-image-api": "Api",
        f"/aws/lambda/{prefix}-key-authorizer": "Api",
        f"aws-waf-logs-{prefix}": "Api",
    }
    if account.environment.model.source != "bedrock":
        groups[f"/aws/sagemaker/Endpoints/{prefix}"] = "Inference"
    for group, part in groups.items():
        if group in own:
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


def _check_endpoint_name(account: Account, prefix: str, own: Set[str]) -> Iterator[Finding]:
    if any(name.endswith(f":endpoint/{prefix}") or name == prefix for name in own):
        return
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


ENDPOINT = "endpoint"


def check_endpoint_at_rest(account: Account) -> Iterator[Finding]:
    """SageMaker is not changing the endpoint: until it is done, autoscaling's change too, it refuses an update."""
    if account.environment.model.source == "bedrock":
        return
    name = f"sdxl-{account.environment.name}"
    try:
        status = str(account.call("sagemaker:DescribeEndpoint", EndpointName=name)["EndpointStatus"])
    except AwsError as exc:
        if not is_missing_endpoint(exc):
            yield exc.unknown(ENDPOINT)
        return
    if status in CHANGING:
        yield Finding(
            name=ENDPOINT,
            status="failed",
            found=f"{name} is {status}: SageMaker refuses an update meanwhile, and the deployment would be rolled back",
            remedy=f"Wait until it is done: aws sagemaker wait endpoint-in-service --endpoint-name {name}",
            details={"endpoint": name, "status": status},
        )
    else:
        yield Finding(name=ENDPOINT, status="ok", found=f"{name} is {status}")


def check_left_endpoint(account: Account) -> Iterator[Finding]:
    """With Bedrock, no endpoint of an earlier deployment is left: the CDK does not delete its stack."""
    if account.environment.model.source != "bedrock":
        return
    name = f"sdxl-{account.environment.name}"
    try:
        endpoint = account.call("sagemaker:DescribeEndpoint", EndpointName=name)
    except AwsError as exc:
        if not is_missing_endpoint(exc):
            yield exc.unknown(ENDPOINT)
        return
    yield Finding(
        name=ENDPOINT,
        status="warning",
        found=f"{name} of an earlier deployment is {endpoint['EndpointStatus']} and goes on being billed; the monthly "
        "cost below is without it",
        remedy=f"Deploy, then delete its stack: {delete_command(f'{name}-Inference')}",
        details={"endpoint": name},
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


CHANGE = "instance types in use"


def check_deployed_instance_types(account: Account) -> Iterator[Finding]:
    """No variant that is scaled changes its instance types: SageMaker refuses that while the target is registered.

    SageMaker Developer Guide, "Update endpoints that use auto scaling". It refuses the removal of such a variant too.
    """
    wanted_types = {variant.name: variant.instance_types for variant in account.environment.all_variants}
    if not wanted_types:
        return
    name = f"sdxl-{account.environment.name}"
    try:
        deployed = _deployed_types(account, name)
        changed = [
            variant
            for variant, types in deployed.items()
            if variant in wanted_types and wanted_types[variant] != types and _is_scaled(account, name, variant)
        ]
    except AwsError as exc:
        yield exc.unknown(CHANGE)
        return
    for variant in changed:
        now, wanted = ", ".join(deployed[variant]), ", ".join(wanted_types[variant])
        yield Finding(
            name=CHANGE,
            status="failed",
            found=f"variant {variant} runs on {now}, the file says {wanted}, and its scalable target is registered: "
            "SageMaker refuses to change the two at once",
            remedy=f"In two steps: deploy with {now} and `scaling.detached: true`; then with {wanted} and without "
            "`detached`.",
            details={"variant": variant, "deployed": list(deployed[variant]), "wanted": list(wanted_types[variant])},
        )
    if not changed:
        found = "as the file says, or not scaled" if deployed else "none yet"
        yield Finding(
            name=CHANGE, status="ok", found=found, details={"deployed": {k: list(v) for k, v in deployed.items()}}
        )


MODE = "endpoint mode"


def check_endpoint_mode(account: Account) -> Iterator[Finding]:
    """The deployed endpoint has the mode of the file: SageMaker is not known to turn one into another."""
    environment = account.environment
    if not environment.all_variants:
        return
    name = f"sdxl-{environment.name}"
    try:
        endpoint = account.call("sagemaker:DescribeEndpoint", EndpointName=name)
        configuration = account.call(
            "sagemaker:DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"]
        )
    except AwsError as exc:
        if not is_missing_endpoint(exc):
            yield exc.unknown(MODE)
        return
    deployed = _mode(configuration)
    if deployed == environment.endpoint.mode:
        yield Finding(name=MODE, status="ok", found=f"{deployed}, as the file says")
        return
    yield Finding(
        name=MODE,
        status="warning",
        found=f"endpoint {name} is {deployed}, the file says {environment.endpoint.mode}: SageMaker is not known to "
        "change that in place",
        remedy="Deploy an environment of another name, move the callers, and destroy this one.",
        details={"deployed": deployed, "wanted": environment.endpoint.mode},
    )


def _mode(configuration: dict[str, Any]) -> str:
    if configuration.get("AsyncInferenceConfig"):
        return "asynchronous"
    variants = configuration.get("ProductionVariants", ())
    # SageMaker demands a role of the configuration itself where its variants have no model.
    without_model = any("ModelName" not in variant for variant in variants)
    return "components" if without_model and configuration.get("ExecutionRoleArn") else "real-time"


def _deployed_types(account: Account, name: str) -> dict[str, tuple[str, ...]]:
    try:
        endpoint = account.call("sagemaker:DescribeEndpoint", EndpointName=name)
    except AwsError as exc:
        if is_missing_endpoint(exc):
            return {}
        raise
    configuration = account.call("sagemaker:DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"])
    variants = configuration.get("ProductionVariants", ())
    return {variant["VariantName"]: _types(variant) for variant in variants}


def _types(variant: dict[str, Any]) -> tuple[str, ...]:
    pools = sorted(variant.get("InstancePools") or (), key=lambda pool: pool.get("Priority", 0))
    return tuple(pool["InstanceType"] for pool in pools) or (variant["InstanceType"],)


def _is_scaled(account: Account, name: str, variant: str) -> bool:
    targets = account.call(
        "application-autoscaling:DescribeScalableTargets",
        ServiceNamespace="sagemaker",
        ResourceIds=[f"endpoint/{name}/variant/{variant}"],
    )
    return bool(targets["ScalableTargets"])
