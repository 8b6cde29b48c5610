"""Names of topic, dashboard and alarms that belong to something else."""

from __future__ import annotations

from collections.abc import Iterator, Set
from typing import Any

from sdxl.preflight.account import Account, AwsError, Finding
from stacks.alarms.operations import operations_alarms
from stacks.alarms.rollback import rollback_alarms
from stacks.alarms.wake import wake_alarms
from stacks.catalog import partition_of
from stacks.environment import RESULT_TOPICS, Operations, guarded_update

NAMES = "names"
# Amazon CloudWatch API reference, DescribeAlarms: names in one call, and alarms in one answer. With ten variants, as
# many as there can be, an environment has fewer than 70.
_MOST_ALARMS = 100

_NOT_THERE = ("NotFound", "NotFoundException", "ResourceNotFound", "DashboardNotFoundError")


def check_operations_names(account: Account, prefix: str, operations: Operations, own: Set[str]) -> Iterator[Finding]:
    """Yield what is in the way of the operations stack. `own` are the physical ids of the environment's resources."""
    environment, owner = account.environment, f"{prefix}-Operations"
    yield from _taken_topic(account, f"{prefix}-alarms", owner, own)
    if prefix not in own:
        yield from _taken(
            account,
            "cloudwatch:GetDashboard",
            {"DashboardName": prefix},
            found=f"dashboard {prefix} exists, but no stack {owner} that it belongs to",
            remedy=f"Delete it if nobody uses it: aws cloudwatch delete-dashboards --dashboard-names {prefix}",
        )
    # The function's name is known once it is there; the alarms' names do not take it up.
    specs = operations_alarms(environment, "", operations.alarms)
    yield from _taken_alarms(account, {prefix, *(f"{prefix}-{spec.name}" for spec in specs)} - own, owner)


def _taken(account: Account, action: str, asked: dict[str, Any], *, found: str, remedy: str) -> Iterator[Finding]:
    try:
        account.call(action, **asked)
    except AwsError as exc:
        if exc.code not in _NOT_THERE:
            yield exc.unknown(NAMES)
        return
    yield Finding(name=NAMES, status="failed", found=found, remedy=remedy, details=asked)


def check_inference_names(account: Account, prefix: str, own: Set[str]) -> Iterator[Finding]:
    """Yield what is in the way of the inference stack: alarms, and topics of results."""
    environment, owner = account.environment, f"{prefix}-Inference"
    update, specs = guarded_update(environment), [*wake_alarms(environment)]
    if update is not None:
        variants = [variant.name for variant in environment.production_variants]
        specs += rollback_alarms(prefix, variants, update.rollback)
    if specs:
        yield from _taken_alarms(account, {f"{prefix}-{spec.name}" for spec in specs} - own, owner)
    for topic in RESULT_TOPICS if environment.endpoint.mode == "asynchronous" else ():
        yield from _taken_topic(account, f"{prefix}-{topic}", owner, own)


def _taken_topic(account: Account, name: str, owner: str, own: Set[str]) -> Iterator[Finding]:
    environment = account.environment
    arn = f"arn:{partition_of(environment.region)}:sns:{environment.region}:{environment.account}:{name}"
    if arn not in own:
        yield from _taken(
            account,
            "sns:GetTopicAttributes",
            {"TopicArn": arn},
            found=f"topic {name} exists, but no stack {owner} that it belongs to",
            remedy=f"Delete it if nobody uses it: aws sns delete-topic --topic-arn {arn}",
        )


def _taken_alarms(account: Account, names: Set[str], owner: str) -> Iterator[Finding]:
    if not names:
        # DescribeAlarms without names answers with all alarms of the account.
        return
    try:
        answer = account.call(
            "cloudwatch:DescribeAlarms",
            AlarmNames=sorted(names),
            AlarmTypes=["CompositeAlarm", "MetricAlarm"],
            MaxRecords=_MOST_ALARMS,
        )
    except AwsError as exc:
        yield exc.unknown(NAMES)
        return
    found = [alarm["AlarmName"] for kind in ("CompositeAlarms", "MetricAlarms") for alarm in answer.get(kind, ())]
    for name in found:
        yield Finding(
            name=NAMES,
            status="failed",
            found=f"alarm {name} exists, but no stack {owner} that it belongs to",
            remedy=f"Delete it if nobody uses it: aws cloudwatch delete-alarms --alarm-names {name}",
            details={"alarm": name},
        )
