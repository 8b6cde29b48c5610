"""The alarms that roll an endpoint's update back, which SageMaker watches while it is in progress."""

from __future__ import annotations

from collections.abc import Sequence

from stacks.alarms.metrics import AlarmSpec, Condition, crash_metric, highest, request_metric, total
from stacks.environment import Rollback


def rollback_alarms(endpoint_name: str, variant_names: Sequence[str], rollback: Rollback) -> list[AlarmSpec]:
    """Return the alarms on errors, latency and crashes of an endpoint's variants; the endpoint's name is before theirs.

    Both the old and the new instances publish under the same names, so each alarm sees what callers see. Three alarms
    however many variants there are: SageMaker watches 10 at most (API reference, AutoRollbackConfig).
    """
    return [
        AlarmSpec(
            construct_id="Errors",
            name="update-errors",
            meaning="The endpoint answers requests with 5xx. An update in progress is rolled back.",
            runbook="update-rolled-back",
            metric=total([request_metric(endpoint_name, one, "Invocation5XXErrors") for one in variant_names]),
            when=Condition(threshold=rollback.server_errors),
        ),
        AlarmSpec(
            construct_id="Latency",
            name="update-latency",
            meaning="The model takes too long for an image. An update in progress is rolled back.",
            runbook="update-rolled-back",
            metric=highest([request_metric(endpoint_name, one, "ModelLatency", "p95") for one in variant_names]),
            # SageMaker publishes it in microseconds.
            when=Condition(threshold=rollback.latency_p95_seconds * 1_000_000, comparison="GreaterThanThreshold"),
        ),
        AlarmSpec(
            construct_id="Crashes",
            name="update-crashes",
            meaning="A container of the endpoint crashed. An update in progress is rolled back.",
            runbook="container-crash",
            metric=crash_metric(endpoint_name),
            when=Condition(threshold=rollback.container_crashes),
        ),
    ]
