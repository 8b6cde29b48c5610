"""The scaling policies of asynchronous endpoints and inference components, and the scheduled changes of their bounds.

Step policies act while an alarm that names them is in ALARM state. Target tracking looks at its metric as the alarms do
that AWS makes for it: above the target for 3 periods it scales out, below 90 % of it for 15 minutes it scales in
(Application Auto Scaling User Guide, "Target tracking scaling policies"). Missing data changes nothing.

Policies of variants of real-time endpoints are kept and change nothing: a stand-in model has no load.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from moto.cloudwatch.models import cloudwatch_backends
from moto.sagemaker.exceptions import AWSValidationException

from emulator.monitoring import alarms, clock
from emulator.monitoring.clock import seconds_here
from emulator.monitoring.metrics import MetricKey, statistic, values_between
from emulator.scaling.capacity import CAPACITIES, COMPONENT_DIMENSION, Capacities, Scaled
from emulator.scaling.schedule_times import comes_between

_MODULE = "moto.applicationautoscaling.models"
# Of a component: metric, seconds of a period, periods above the target, periods below it.
_COMPONENT_METRICS = {
    "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution": ("ConcurrentRequestsPerCopy", 10, 3, 90),
    "SageMakerInferenceComponentInvocationsPerCopy": ("InvocationsPerCopy", 60, 3, 15),
}
_STATISTICS = {"InvocationsPerCopy": "Sum"}
_PERIOD_SECONDS, _OUT_PERIODS, _IN_PERIODS = 60, 3, 15
_IN_SHARE = 0.9
_DEFAULT_COOLDOWN_SECONDS = 300.0


def install() -> None:
    """Let moto take components as scalable targets, and refuse policies that would change nothing in silence.

    Imports moto's Application Auto Scaling, which takes as long as the rest of moto together.
    """
    from moto.applicationautoscaling import models, responses  # noqa: PLC0415 - only where something is scaled

    if hasattr(models, "takes_components"):
        return
    models.takes_components = True
    known = models.ScalableDimensionValueSet
    names = {member.name: member.value for member in known} | {"SAGEMAKER_COMPONENT_COPY_COUNT": COMPONENT_DIMENSION}
    models.ScalableDimensionValueSet = responses.ScalableDimensionValueSet = Enum(known.__name__, names)
    put = models.ApplicationAutoscalingBackend.put_scaling_policy

    def put_scaling_policy(self: Any, *arguments: Any, **named: Any) -> Any:
        _check(named.get("policy_body") or (arguments[4] if len(arguments) > 4 else {}) or {})
        return put(self, *arguments, **named)

    models.ApplicationAutoscalingBackend.put_scaling_policy = put_scaling_policy


def _check(body: Mapping[str, Any]) -> None:
    adjustment = body.get("AdjustmentType")
    if adjustment not in (None, "ChangeInCapacity"):
        message = f"the emulator scales by ChangeInCapacity alone, not by {adjustment}"
        raise AWSValidationException(message)
    if (body.get("CustomizedMetricSpecification") or {}).get("Metrics"):
        raise AWSValidationException("metric math in a scaling policy is not emulated: name one metric")


class ScalingEngine:
    """Acts on every scalable target whose count the emulator keeps."""

    def __init__(self, capacities: Capacities) -> None:
        self._capacities = capacities
        # By policy and direction: when it acted last.
        self._acted: dict[tuple[str, str], datetime] = {}
        self._looked_at_schedules = clock.calendar()

    def step(self) -> None:
        """Let serve what has started, keep the bounds, and act as the policies say."""
        now = clock.now()
        self._capacities.settle(now)
        self._apply_schedules()
        for account, region, target, scaled in self._targets():
            low, high = int(target.min_capacity), int(target.max_capacity)
            if not low <= scaled.desired <= high:
                scaled.scale(min(max(scaled.desired, low), high), now)
            for policy in self._policies(account, region, target):
                count = self._wanted(account, region, policy, scaled, now)
                if count is not None:
                    scaled.scale(min(max(count, low), high), now)

    def _targets(self) -> Iterator[tuple[str, str, Any, Scaled]]:
        for account, region, backend in _backends():
            for dimension, by_id in list(backend.targets.items()):
                for resource_id, target in list(by_id.items()):
                    scaled = self._capacities.find(account, region, dimension, resource_id)
                    if scaled is not None:
                        yield account, region, target, scaled

    @staticmethod
    def _policies(account: str, region: str, target: Any) -> list[Any]:
        models = sys.modules[_MODULE]
        backend = models.applicationautoscaling_backends[account][region]
        key = (target.resource_id, target.scalable_dimension)
        return [one for one in list(backend.policies.values()) if (one.resource_id, one.scalable_dimension) == key]

    def _wanted(self, account: str, region: str, policy: Any, scaled: Scaled, now: datetime) -> int | None:
        if policy.policy_type == "StepScaling":
            return self._by_step(account, region, policy, scaled, now)
        return self._by_target(account, region, policy, scaled, now)

    def _by_step(self, account: str, region: str, policy: Any, scaled: Scaled, now: datetime) -> int | None:
        settings, cloudwatch = policy.step_scaling_policy_configuration, cloudwatch_backends[account][region]
        for alarm in list(cloudwatch.alarms.values()):
            if policy.policy_arn not in (alarm.alarm_actions or ()):
                continue
            if alarms.evaluate(cloudwatch, alarm, now) != "ALARM":
                continue
            value = alarms.value_of(cloudwatch, alarm, now)
            step = _step_adjustment(settings, (value or 0.0) - float(alarm.threshold))
            cooldown = float(settings.get("Cooldown", _DEFAULT_COOLDOWN_SECONDS))
            if step and self._may_act(policy, "step", cooldown, now):
                return scaled.desired + step
        return None

    def _by_target(self, account: str, region: str, policy: Any, scaled: Scaled, now: datetime) -> int | None:
        if scaled.current == 0:
            # Nothing publishes.
            return None
        settings = policy.target_tracking_scaling_policy_configuration
        metric, wanted, period, periods_out, periods_in = _tracked(settings, policy.resource_id)
        backend, target = cloudwatch_backends[account][region], float(settings["TargetValue"])

        def values(count: int) -> list[float]:
            length = timedelta(seconds=seconds_here(period))
            found = [
                statistic(values_between(backend, metric, now - (number + 1) * length, now - number * length), wanted)
                for number in range(count)
            ]
            return [value for value in found if value is not None] if None not in found else []

        above = values(periods_out)
        if above and min(above) > target:
            count = max(math.ceil(scaled.current * above[0] / target), scaled.desired + 1)
            may = self._may_act(policy, "out", float(settings.get("ScaleOutCooldown", _DEFAULT_COOLDOWN_SECONDS)), now)
            return count if may else None
        below = values(periods_in)
        if below and max(below) < _IN_SHARE * target and not settings.get("DisableScaleIn"):
            count = math.ceil(scaled.current * max(below) / target)
            cooldown = float(settings.get("ScaleInCooldown", _DEFAULT_COOLDOWN_SECONDS))
            if count < scaled.desired and self._may_act(policy, "in", cooldown, now):
                return count
        return None

    def _may_act(self, policy: Any, direction: str, cooldown_seconds: float, now: datetime) -> bool:
        key = (str(policy.policy_arn), direction)
        last = self._acted.get(key)
        if last is not None and now - last < timedelta(seconds=seconds_here(cooldown_seconds)):
            return False
        self._acted[key] = now
        return True

    def _apply_schedules(self) -> None:
        after, until = self._looked_at_schedules, clock.calendar()
        self._looked_at_schedules = until
        for _, _, backend in _backends():
            for action in list(backend.scheduled_actions):
                target = backend.targets.get(action.scalable_dimension, {}).get(action.resource_id)
                seen = datetime.fromtimestamp(action.creation_time, tz=None)  # noqa: DTZ006 - a rate counts from it alone
                if target is None or not comes_between(action.schedule, action.timezone, seen, after, until):
                    continue
                bounds = action.scalable_target_action or {}
                for name, attribute in (("MinCapacity", "min_capacity"), ("MaxCapacity", "max_capacity")):
                    if bounds.get(name) is not None:
                        setattr(target, attribute, int(bounds[name]))


def _backends() -> Iterator[tuple[str, str, Any]]:
    """Application Auto Scaling of every account and region; where nobody has imported it, nothing is registered."""
    models = sys.modules.get(_MODULE)
    if models is None:
        return
    for account, regions in list(models.applicationautoscaling_backends.items()):
        for region, backend in list(regions.items()):
            yield account, region, backend


def _step_adjustment(settings: Mapping[str, Any], breach: float) -> int:
    """What a step policy adds where its metric is `breach` above the alarm's threshold."""
    for step in settings.get("StepAdjustments") or []:
        low, high = step.get("MetricIntervalLowerBound"), step.get("MetricIntervalUpperBound")
        if (low is None or breach >= float(low)) and (high is None or breach < float(high)):
            return int(step["ScalingAdjustment"])
    return 0


def _tracked(settings: Mapping[str, Any], resource_id: str) -> tuple[MetricKey, str, int, int, int]:
    """The metric that a policy tracks, its statistic, seconds of a period, and periods until it acts out and in."""
    customized = settings.get("CustomizedMetricSpecification")
    if customized:
        dimensions = {item["Name"]: item["Value"] for item in customized.get("Dimensions") or []}
        metric = MetricKey(customized["Namespace"], customized["MetricName"], dimensions)
        return metric, str(customized["Statistic"]), _PERIOD_SECONDS, _OUT_PERIODS, _IN_PERIODS
    kind = settings["PredefinedMetricSpecification"]["PredefinedMetricType"]
    name, period, periods_out, periods_in = _COMPONENT_METRICS[kind]
    metric = MetricKey("AWS/SageMaker", name, {"InferenceComponentName": resource_id.partition("/")[2]})
    return metric, _STATISTICS.get(name, "Average"), period, periods_out, periods_in


ENGINE = ScalingEngine(CAPACITIES)
