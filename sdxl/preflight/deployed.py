"""What runs already, against the environment file: changes that SageMaker refuses in one step."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdxl.preflight.account import Account, AwsError
from sdxl.preflight.findings import Finding
from sdxl.preflight.names import is_missing_endpoint

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
