"""Names of the operations stack that belong to something else: topic, alarms, dashboard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sdxl.preflight.account import Account, AwsError
from sdxl.preflight.findings import Finding

NAMES = "names"

_NOT_THERE = ("NotFound", "NotFoundException", "ResourceNotFound", "DashboardNotFoundError")


def check_operations_names(account: Account, prefix: str) -> Iterator[Finding]:
    """Yield what is in the way of an operations stack that is not there yet."""
    from stacks.catalog import partition_of  # noqa: PLC0415 - slow, and seldom needed

    environment, owner = account.environment, f"{prefix}-Operations"
    topic = f"arn:{partition_of(environment.region)}:sns:{environment.region}:{environment.account}:{prefix}-alarms"
    yield from _taken(
        account,
        "sns:GetTopicAttributes",
        {"TopicArn": topic},
        found=f"topic {prefix}-alarms exists, but no stack {owner} that it belongs to",
        remedy=f"Delete it if nobody uses it: aws sns delete-topic --topic-arn {topic}",
    )
    yield from _taken(
        account,
        "cloudwatch:GetDashboard",
        {"DashboardName": prefix},
        found=f"dashboard {prefix} exists, but no stack {owner} that it belongs to",
        remedy=f"Delete it if nobody uses it: aws cloudwatch delete-dashboards --dashboard-names {prefix}",
    )
    yield from _taken_alarms(account, prefix, owner)


def _taken(account: Account, action: str, asked: dict[str, Any], *, found: str, remedy: str) -> Iterator[Finding]:
    try:
        account.call(action, **asked)
    except AwsError as exc:
        if exc.code not in _NOT_THERE:
            yield exc.unknown(NAMES)
        return
    yield Finding(name=NAMES, status="failed", found=found, remedy=remedy, details=asked)


def _taken_alarms(account: Account, prefix: str, owner: str) -> Iterator[Finding]:
    try:
        answer = account.call(
            "cloudwatch:DescribeAlarms", AlarmNamePrefix=prefix, AlarmTypes=["CompositeAlarm", "MetricAlarm"]
        )
    except AwsError as exc:
        yield exc.unknown(NAMES)
        return
    found = [alarm["AlarmName"] for kind in ("CompositeAlarms", "MetricAlarms") for alarm in answer.get(kind, ())]
    # Those of another environment, whose name begins like this one's, are not in the way.
    own = _alarm_names(prefix)
    for name in sorted(set(found) & own):
        yield Finding(
            name=NAMES,
            status="failed",
            found=f"alarm {name} exists, but no stack {owner} that it belongs to",
            remedy=f"Delete it if nobody uses it: aws cloudwatch delete-alarms --alarm-names {name}",
            details={"alarm": name},
        )


def _alarm_names(prefix: str) -> set[str]:
    """The composite alarm, and the names that environment_alarms.py gives to the others."""
    parts = (
        "api-errors",
        "api-latency",
        "function-errors",
        "throttled",
        "model-errors",
        "model-latency",
        "model-throttles",
        "container-crash",
    )
    return {prefix, *(f"{prefix}-{part}" for part in parts)}
