"""How an endpoint moves to a new model: the traffic's steps, and the alarms that take the update back.

Amazon SageMaker AI Developer Guide, "Deployment guardrails": SageMaker starts new instances beside those that serve,
moves the traffic step by step, watches the alarms after each, and goes back to the old instances when one goes off.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from constructs import Construct

from stacks.alarms.spec import AlarmSpec
from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.alarm import Alarm
from stacks.environment import CanaryUpdate, GuardedUpdate, LinearUpdate


class RollbackAlarms(Construct):
    """The alarms that `specs` describe, which take an update of `endpoint_name` back."""

    def __init__(self, scope: Construct, construct_id: str, *, endpoint_name: str, specs: Sequence[AlarmSpec]) -> None:
        super().__init__(scope, construct_id)
        self.alarms = [Alarm(self, prefix=endpoint_name, spec=spec) for spec in specs]
        reason = "SageMaker watches it during an update; people are told by the alarms of the operations stack"
        acknowledge(self, {"NIST.800.53.R5-CloudWatchAlarmAction": reason})

    @property
    def names(self) -> list[str]:
        """Names of the alarms."""
        return [alarm.name for alarm in self.alarms]


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
