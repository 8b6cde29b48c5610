"""Alarms on what an endpoint waits for, by its mode: an instance, the end of a queue, or a larger max capacity."""

from __future__ import annotations

from collections.abc import Iterator

from stacks.alarms.metrics import (
    AlarmSpec,
    Condition,
    MetricMath,
    MetricSource,
    Watched,
    component_metric,
    instance_metric,
    queue_metric,
    request_metric,
)
from stacks.environment import Alarms, Environment, Variant, pascal


def capacity_alarms(
    environment: Environment, variant: Variant, thresholds: Alarms, *, is_first: bool
) -> Iterator[AlarmSpec]:
    """The alarms on the instances of `variant`, and on the requests that wait for them."""
    endpoint, name, mode = f"sdxl-{environment.name}", variant.name, environment.endpoint.mode
    suffix = "" if is_first else f"-{name}"
    id_suffix = "" if is_first else pascal(name)
    if variant.scaling is None or not variant.scaling.goes_to_zero:
        yield AlarmSpec(
            construct_id=f"NoHealthyInstance{id_suffix}",
            name=f"no-healthy-instance{suffix}",
            meaning=f"No instance of the variant {name} has reported for 5 minutes: none runs, or none responds.",
            runbook="no-healthy-instance",
            # Every instance reports once a minute. There is no count of instances to watch.
            metric=instance_metric(endpoint, name, "CPUUtilization", "SampleCount"),
            when=Condition(threshold=1, comparison="LessThanThreshold", periods=5, missing_data="breaching"),
            affects_callers=is_first,
        )
    if mode == "asynchronous":
        yield from _queue_alarms(endpoint, thresholds)
    elif mode == "components":
        yield _refused_calls_alarm(endpoint, thresholds)
    if _scales(variant):
        assert variant.scaling is not None  # noqa: S101 - it scales
        yield AlarmSpec(
            construct_id=f"AtMaxCapacity{id_suffix}",
            name=f"at-max-capacity{suffix}",
            meaning=f"The variant {name} has had as many instances as scaling allows, {variant.scaling.max_capacity}, "
            f"for {thresholds.at_max_capacity_minutes} minutes.",
            runbook="at-max-capacity",
            metric=_instance_count(environment, variant),
            when=Condition(
                # Not quite the number: it may be a quotient of sums.
                threshold=variant.scaling.max_capacity - 0.1,
                periods=thresholds.at_max_capacity_minutes,
            ),
        )


def _instance_count(environment: Environment, variant: Variant) -> Watched:
    """How many instances serve. SageMaker publishes no such number."""
    endpoint = f"sdxl-{environment.name}"
    invocations: MetricSource
    match environment.endpoint.mode:
        case "asynchronous":
            # It counts no invocations. Every instance reports once a minute.
            return instance_metric(endpoint, variant.name, "CPUUtilization", "SampleCount")
        case "components":
            invocations = component_metric(endpoint, "Invocations")
            per_instance = component_metric(endpoint, "InvocationsPerCopy")
        case "real-time":
            invocations = request_metric(endpoint, variant.name, "Invocations")
            per_instance = request_metric(endpoint, variant.name, "InvocationsPerInstance")
    # Each request counts 1/instances to the second ("SageMaker AI metrics in Amazon CloudWatch"): the quotient is the
    # number of instances.
    return MetricMath(
        expression="invocations / per_instance", inputs={"invocations": invocations, "per_instance": per_instance}
    )


def _queue_alarms(endpoint: str, thresholds: Alarms) -> Iterator[AlarmSpec]:
    yield AlarmSpec(
        construct_id="BacklogWithoutCapacity",
        name="backlog-without-capacity",
        meaning=f"Requests have waited for {thresholds.no_capacity_minutes} minutes, and the endpoint has no instance: "
        "it was not woken, or AWS has none to give.",
        runbook="backlog",
        metric=queue_metric(endpoint, "HasBacklogWithoutCapacity", "Average"),
        when=Condition(threshold=1, periods=thresholds.no_capacity_minutes),
        affects_callers=True,
    )
    yield AlarmSpec(
        construct_id="OldestRequest",
        name="oldest-request",
        meaning=f"A request of the asynchronous endpoint is {thresholds.oldest_request_minutes} minutes old.",
        runbook="backlog",
        metric=queue_metric(endpoint, "ApproximateAgeOfOldestRequest", "Maximum"),
        # SageMaker publishes seconds.
        when=Condition(threshold=thresholds.oldest_request_minutes * 60, periods=5, datapoints=3),
        affects_callers=True,
    )


def _refused_calls_alarm(component: str, thresholds: Alarms) -> AlarmSpec:
    minutes = thresholds.no_capacity_minutes
    return AlarmSpec(
        construct_id="NoCapacity",
        name="no-capacity",
        meaning=f"For {minutes} minutes, calls were refused in most minutes because no instance serves: the endpoint "
        "was not woken, or AWS has none to give.",
        runbook="backlog",
        metric=component_metric(component, "NoCapacityInvocationFailures"),
        # Callers come and go: not every minute has a call.
        when=Condition(threshold=1, periods=minutes, datapoints=(minutes + 1) // 2),
        affects_callers=True,
    )


def _scales(variant: Variant) -> bool:
    """Whether the instances may become more: where they may not, as many as allowed is how it should be."""
    scaling = variant.scaling
    return scaling is not None and not scaling.detached and scaling.min_capacity < scaling.max_capacity
