"""The alarms that take an endpoint's update back, which SageMaker watches while it is under way."""

from __future__ import annotations

from collections.abc import Sequence

from stacks.alarms.metrics import crash_metric, highest, of_variants, total
from stacks.alarms.spec import AlarmSpec, Condition
from stacks.environment import Rollback


def rollback_alarms(endpoint_name: str, variant_names: Sequence[str], rollback: Rollback) -> list[AlarmSpec]:
    """Alarms on errors and latency of an endpoint's variants, and on crashes; their names come after the endpoint's.

    Both the old and the new instances publish under the same names, so each alarm sees what callers see. Three alarms
    however many variants there are: SageMaker watches 10 at most (API reference, AutoRollbackConfig).
    """
    return [
        AlarmSpec(
            construct_id="Errors",
            name="update-errors",
            meaning="The endpoint answers requests with 5xx. An update that is under way is taken back.",
            runbook="update-rolled-back",
            metric=total(of_variants(endpoint_name, variant_names, "Invocation5XXErrors", "Sum")),
            when=Condition(threshold=rollback.server_errors),
        ),
        AlarmSpec(
            construct_id="Latency",
            name="update-latency",
            meaning="The model takes too long for an image. An update that is under way is taken back.",
            runbook="update-rolled-back",
            metric=highest(of_variants(endpoint_name, variant_names, "ModelLatency", "p95")),
            # SageMaker publishes it in microseconds.
            when=Condition(threshold=rollback.latency_p95_seconds * 1_000_000, comparison="GreaterThanThreshold"),
        ),
        AlarmSpec(
            construct_id="Crashes",
            name="update-crashes",
            meaning="A container of the endpoint crashed. An update that is under way is taken back.",
            runbook="container-crash",
            metric=crash_metric(endpoint_name),
            when=Condition(threshold=rollback.container_crashes),
        ),
    ]
