"""The alarms that wake an endpoint which has gone to zero. Each starts a scaling policy, and notifies nobody."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.alarms.metrics import AlarmSpec, Condition, component_metric, queue_metric
from stacks.environment import Environment

_CONSTRUCT_ID, _NAME, _RUNBOOK = "WakeAlarm", "wake", "backlog"


def asynchronous_wake_alarm(endpoint_name: str) -> AlarmSpec:
    """Return the alarm on requests that wait in the queue of an endpoint without an instance.

    Amazon SageMaker AI Developer Guide, "Autoscale an asynchronous endpoint": 2 of 2 minutes, missing data missing.
    """
    return AlarmSpec(
        construct_id=_CONSTRUCT_ID,
        name=_NAME,
        meaning="Requests wait, and the endpoint has no instance. A scaling policy adds one.",
        runbook=_RUNBOOK,
        metric=queue_metric(endpoint_name, "HasBacklogWithoutCapacity", "Average"),
        when=Condition(threshold=1, periods=2, datapoints=2, missing_data="missing"),
    )


def component_wake_alarm(component_name: str) -> AlarmSpec:
    """Return the alarm on calls that were refused because the component has no copy.

    Amazon SageMaker AI Developer Guide, "Scale an endpoint to zero instances": the highest of 30 seconds, 1 of 1.
    """
    return AlarmSpec(
        construct_id=_CONSTRUCT_ID,
        name=_NAME,
        meaning="A call was refused because the inference component has no copy. A scaling policy adds one.",
        runbook=_RUNBOOK,
        metric=component_metric(component_name, "NoCapacityInvocationFailures", "Maximum", 30),
        when=Condition(threshold=1, datapoints=1, missing_data="missing"),
    )


def wake_alarms(environment: Environment) -> Iterator[AlarmSpec]:
    """The alarm that wakes the environment's endpoint, where it may go to zero; the endpoint's name is before its."""
    scaling, endpoint_name = environment.scaling, f"sdxl-{environment.name}"
    if scaling is None or scaling.detached or not scaling.goes_to_zero:
        return
    if environment.endpoint.mode == "asynchronous":
        yield asynchronous_wake_alarm(endpoint_name)
    elif environment.endpoint.mode == "components":
        yield component_wake_alarm(endpoint_name)
