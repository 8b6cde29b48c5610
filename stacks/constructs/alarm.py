"""A CloudWatch alarm that says what it means and which page to open."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

RUNBOOKS = "docs/runbooks"

Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData = Literal["breaching", "notBreaching", "ignore", "missing"]


@dataclass(frozen=True, kw_only=True)
class MetricSource:
    """One metric with its statistic (`Sum`, `Average`, `Maximum`, `SampleCount` or a percentile such as `p95`).

    The unit is left out: CloudWatch then takes the metric as it is published, whatever its unit.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Sum"
    period_seconds: int = 60

    def as_query(self, query_id: str) -> dict[str, Any]:
        """The metric as an input of a metric math expression."""
        return {
            "id": query_id,
            "returnData": False,
            "metricStat": {
                "metric": {
                    "namespace": self.namespace,
                    "metricName": self.name,
                    "dimensions": self._dimensions(),
                },
                "stat": self.statistic,
                "period": self.period_seconds,
            },
        }

    def as_properties(self) -> dict[str, Any]:
        """The metric as the properties of an alarm that watches it alone."""
        is_percentile = self.statistic[:1] == "p" and self.statistic[1:].replace(".", "", 1).isdigit()
        return {
            "namespace": self.namespace,
            "metric_name": self.name,
            "dimensions": self._dimensions(),
            "period": self.period_seconds,
            ("extended_statistic" if is_percentile else "statistic"): self.statistic,
        }

    def _dimensions(self) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in self.dimensions.items()]


@dataclass(frozen=True, kw_only=True)
class MetricMath:
    """An expression over metrics, such as `m1 + m2`; `inputs` names them."""

    expression: str
    inputs: Mapping[str, MetricSource]

    def as_properties(self) -> dict[str, Any]:
        """The expression as the properties of an alarm."""
        return {
            "metrics": [
                {"id": "result", "expression": self.expression, "returnData": True},
                *(metric.as_query(query_id) for query_id, metric in self.inputs.items()),
            ]
        }


def total(metrics: Sequence[MetricSource]) -> MetricSource | MetricMath:
    """The sum of metrics; data that is missing counts as zero."""
    if len(metrics) == 1:
        return metrics[0]
    inputs = {f"m{number}": metric for number, metric in enumerate(metrics, start=1)}
    return MetricMath(expression=" + ".join(f"FILL({name}, 0)" for name in inputs), inputs=inputs)


def highest(metrics: Sequence[MetricSource]) -> MetricSource | MetricMath:
    """The highest of metrics at each moment."""
    if len(metrics) == 1:
        return metrics[0]
    inputs = {f"m{number}": metric for number, metric in enumerate(metrics, start=1)}
    return MetricMath(expression=f"MAX([{', '.join(inputs)}])", inputs=inputs)


@dataclass(frozen=True, kw_only=True)
class Condition:
    """When an alarm goes off: `datapoints` of the last `periods` values compare with `threshold`."""

    threshold: float
    comparison: Comparison = "GreaterThanOrEqualToThreshold"
    periods: int = 1
    datapoints: int | None = None
    missing_data: MissingData = "notBreaching"


class Alarm(cloudwatch.CfnAlarm):
    """Alarm `name` on `metric`. `meaning` is read by whoever is woken; `runbook` is the page that says what to do.

    `topic_arn` is told when it goes off and when it is over; without one, something else watches the alarm.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        meaning: str,
        runbook: str,
        metric: MetricSource | MetricMath,
        when: Condition,
        topic_arn: str | None = None,
    ) -> None:
        actions = None if topic_arn is None else [topic_arn]
        super().__init__(
            scope,
            construct_id,
            alarm_name=name,
            alarm_description=described(meaning, runbook),
            threshold=when.threshold,
            comparison_operator=when.comparison,
            evaluation_periods=when.periods,
            datapoints_to_alarm=when.datapoints,
            treat_missing_data=when.missing_data,
            alarm_actions=actions,
            ok_actions=actions,
            **metric.as_properties(),
        )
        self.name = name


def described(meaning: str, runbook: str) -> str:
    """Description of an alarm: what it means, and the page of the repository that says what to do."""
    return f"{meaning} Runbook: {RUNBOOKS}/{runbook}.md"
