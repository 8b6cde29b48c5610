"""Quotas of instances: what all variants need at most, with what other endpoints use, and during an update."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdxl.preflight.account import Account, AwsError, Finding
from sdxl.preflight.deployed import is_missing_endpoint
from sdxl.preflight.quotas import Quota, find_quota, quota_details, short_quota
from stacks.catalog import load_catalog
from stacks.environment import Variant

SAGEMAKER = "sagemaker"


@dataclass(frozen=True, kw_only=True)
class Need:
    """How many instances of a type the environment may want: as the first choice of its variants, and at all."""

    instance_type: str
    first_choice: int
    at_all: int


def check_endpoint_quotas(account: Account) -> Iterator[Finding]:
    """Every instance type may run as often as the environment may want it, together with all other endpoints."""
    needs = instances_needed(account.environment.all_variants)
    if not needs:
        return
    usage: Counter[str] | AwsError
    try:
        usage = instances_in_use(account)
    except AwsError as exc:
        usage = exc
    for need in needs:
        yield _check_type(account, need, usage)


def _check_type(account: Account, need: Need, usage: Counter[str] | AwsError) -> Finding:
    instance_type = need.instance_type
    name = f"quota of {instance_type}"
    known = load_catalog().instances.get(instance_type)
    code = None if known is None else known.quota_code
    if code is None:
        return Finding(
            name=name,
            status="unknown",
            found="the catalog has no quota code for it",
            remedy=f'Look for "{instance_type} for endpoint usage" in the Service Quotas console: '
            f"{need.at_all} wanted, and what other endpoints use.",
            details={"instance_type": instance_type, "capacity": need.at_all},
        )
    try:
        quota = find_quota(account, SAGEMAKER, code)
    except AwsError as exc:
        return exc.unknown(name)
    if quota is None:
        return Finding(
            name=name,
            status="failed",
            found=f"Service Quotas knows no {instance_type} for endpoints ({code}) in {account.environment.region}: "
            "the type is not offered there",
            remedy="Choose another of `endpoint.instance_types` (`sdxl catalog show`), or another region.",
            details={"instance_type": instance_type, "quota_code": code},
        )
    return _compare(account, quota, need, usage)


def instances_needed(variants: tuple[Variant, ...]) -> list[Need]:
    """Return what the variants and the shadow may ever want together, by instance type in order of preference."""
    first: Counter[str] = Counter()
    at_all: Counter[str] = Counter()
    for variant in variants:
        first[variant.instance_types[0]] += max_capacity(variant)
        at_all.update(dict.fromkeys(variant.instance_types, max_capacity(variant)))
    return [Need(instance_type=name, first_choice=first[name], at_all=count) for name, count in at_all.items()]


def max_capacity(variant: Variant) -> int:
    """Return the most instances that a variant may ever want."""
    counts = [variant.instance_count]
    if variant.scaling is not None:
        counts.append(variant.scaling.max_capacity)
        counts += [schedule.max_capacity or 0 for schedule in variant.scaling.schedules]
    return max(counts)


def instances_in_use(account: Account) -> Counter[str]:
    """Return how many instances of each type all endpoints but the environment's own have, or are about to have.

    Raises:
        AwsError: something of it could not be seen; part of it would be a wrong answer.
    """
    own = f"sdxl-{account.environment.name}"
    used: Counter[str] = Counter()
    for entry in account.pages("sagemaker:ListEndpoints", "Endpoints"):
        if entry["EndpointName"] == own or entry.get("EndpointStatus") in ("Failed", "Deleting"):
            continue
        try:
            endpoint = account.call("sagemaker:DescribeEndpoint", EndpointName=entry["EndpointName"])
        except AwsError as exc:
            if is_missing_endpoint(exc):  # deleted in the meantime
                continue
            raise
        configuration = account.call(
            "sagemaker:DescribeEndpointConfig", EndpointConfigName=endpoint["EndpointConfigName"]
        )
        for kind in ("ProductionVariants", "ShadowProductionVariants"):
            configured = {variant["VariantName"]: variant for variant in configuration.get(kind, ())}
            # While an endpoint is being created, its variants are known by the configuration alone.
            live = {variant["VariantName"]: variant for variant in endpoint.get(kind, ())}
            for variant_name, variant in configured.items():
                used.update(_variant_instances(variant, live.get(variant_name, {})))
    return used


def _variant_instances(configured: dict[str, Any], live: dict[str, Any]) -> Counter[str]:
    pools = live.get("InstancePools") or []
    running = Counter({pool["InstanceType"]: pool.get("CurrentInstanceCount", 0) for pool in pools})
    wanted = max(
        live.get("DesiredInstanceCount", live.get("CurrentInstanceCount", configured.get("InitialInstanceCount", 0))),
        live.get("CurrentInstanceCount", 0),
    )
    types = [pool["InstanceType"] for pool in configured.get("InstancePools", ())]
    first = configured.get("InstanceType") or (types[0] if types else None)
    if first is not None and wanted > running.total():
        running[first] += wanted - running.total()
    return running


def _compare(account: Account, quota: Quota, need: Need, usage: Counter[str] | AwsError) -> Finding:
    name, value = f"quota of {need.instance_type}", quota.value
    others = None if isinstance(usage, AwsError) else usage[need.instance_type]
    used, in_use = (
        others or 0,
        "what other endpoints use is unknown" if others is None else f"{others} in other endpoints",
    )
    wanted, at_update = need.at_all + used, used + 2 * need.first_choice
    details: dict[str, Any] = {
        "instance_type": need.instance_type,
        "capacity": need.at_all,
        "used_by_other_endpoints": others,
        "wanted_at_update": at_update,
    }
    text = f"{value:g} ({quota.code}); {wanted} wanted: {need.at_all} here, {in_use}"
    if need.first_choice and value < need.first_choice + used:
        return short_quota(account, quota, wanted, name=name, status="failed", text=text, details=details)
    if value < wanted:
        text += ". It is no fallback until it is raised"
        return short_quota(account, quota, wanted, name=name, status="warning", text=text, details=details)
    if isinstance(usage, AwsError):
        unknown = usage.unknown(name)
        details |= {**quota_details(quota, wanted), **unknown.details}
        return dataclasses.replace(unknown, found=f"{text}; {unknown.found}", details=details)
    if value < at_update:
        # SageMaker Developer Guide, "Blue/Green Deployments": as many new instances as old ones, next to them.
        text += (
            f". An update of all {need.first_choice} runs the old and the new ones side by side, and wants {at_update}"
        )
        return short_quota(account, quota, at_update, name=name, status="warning", text=text, details=details)
    return Finding(name=name, status="ok", found=text, details={**details, **quota_details(quota, wanted)})
