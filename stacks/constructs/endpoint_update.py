"""How an endpoint moves to a new model: the traffic's steps, and the alarms that take the update back.

Amazon SageMaker AI Developer Guide, "Deployment guardrails": SageMaker starts new instances beside those that serve,
moves the traffic step by step, watches the alarms after each, and goes back to the old instances when one goes off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.alarm import Alarm, Condition, MetricSource, highest, total
from stacks.constructs.arn import local_arn
from stacks.constructs.crash_filter import crash_metric
from stacks.environment import CanaryUpdate, GuardedUpdate, LinearUpdate, Rollback


class RollbackAlarms(Construct):
    """Alarms that take an update of `endpoint_name` back: errors and latency of its variants, and crashes.

    Both the old and the new instances publish under the same names, so each alarm sees what callers see. Three alarms
    however many variants there are: SageMaker watches 10 at most (API reference, AutoRollbackConfig).
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variant_names: Sequence[str],
        rollback: Rollback,
    ) -> None:
        super().__init__(scope, construct_id)

        def of_variants(name: str, statistic: str) -> list[MetricSource]:
            return [
                MetricSource(
                    namespace="AWS/SageMaker",
                    name=name,
                    dimensions={"EndpointName": endpoint_name, "VariantName": variant},
                    statistic=statistic,
                )
                for variant in variant_names
            ]

        crashes = crash_metric(endpoint_name)
        self.alarms = [
            Alarm(
                self,
                "Errors",
                name=f"{endpoint_name}-update-errors",
                meaning="The endpoint answers requests with 5xx. An update that is under way is taken back.",
                runbook="update-rolled-back",
                metric=total(of_variants("Invocation5XXErrors", "Sum")),
                when=Condition(threshold=rollback.server_errors),
            ),
            Alarm(
                self,
                "Latency",
                name=f"{endpoint_name}-update-latency",
                meaning="The model takes too long for an image. An update that is under way is taken back.",
                runbook="update-rolled-back",
                metric=highest(of_variants("ModelLatency", "p95")),
                # SageMaker publishes it in microseconds.
                when=Condition(threshold=rollback.latency_p95_seconds * 1_000_000, comparison="GreaterThanThreshold"),
            ),
            Alarm(
                self,
                "Crashes",
                name=f"{endpoint_name}-update-crashes",
                meaning="A container of the endpoint crashed. An update that is under way is taken back.",
                runbook="container-crash",
                metric=crashes,
                when=Condition(threshold=rollback.container_crashes),
            ),
        ]
        reason = "SageMaker watches it during an update; people are told by the alarms of the operations stack"
        acknowledge(self, {"NIST.800.53.R5-CloudWatchAlarmAction": reason})

    @property
    def names(self) -> list[str]:
        """Names of the alarms."""
        return [alarm.name for alarm in self.alarms]


def alarm_arns(scope: Construct, endpoint_name: str) -> list[str]:
    """ARNs of the alarms of an endpoint, from their names: known before there are any."""
    return [
        local_arn(scope, "cloudwatch", f"alarm:{endpoint_name}-update-{what}")
        for what in ("errors", "latency", "crashes")
    ]


def deployment_config(update: GuardedUpdate, alarm_names: Sequence[str]) -> dict[str, Any]:
    """The endpoint's `DeploymentConfig`."""
    routing: dict[str, Any] = {
        "type": update.traffic.upper(),
        "waitIntervalInSeconds": update.bake_seconds,
    }
    if isinstance(update, CanaryUpdate):
        routing["canarySize"] = {"type": "CAPACITY_PERCENT", "value": update.canary_percent}
    elif isinstance(update, LinearUpdate):
        routing["linearStepSize"] = {"type": "CAPACITY_PERCENT", "value": update.step_percent}
    return {
        "blueGreenUpdatePolicy": {
            "trafficRoutingConfiguration": routing,
            "terminationWaitInSeconds": update.termination_wait_seconds,
            "maximumExecutionTimeoutInSeconds": update.max_duration_seconds,
        },
        "autoRollbackConfiguration": {"alarms": [{"alarmName": name} for name in alarm_names]},
    }
