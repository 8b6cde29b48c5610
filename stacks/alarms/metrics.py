"""What alarms watch: one metric with its statistic, or an expression over several."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

CRASHES = "ContainerCrashes"


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


def of_variants(
    endpoint_name: str, variant_names: Sequence[str], name: str, statistic: str, period_seconds: int = 60
) -> list[MetricSource]:
    """The metric `name` that SageMaker publishes of each variant's requests."""
    return [
        MetricSource(
            namespace="AWS/SageMaker",
            name=name,
            dimensions={"EndpointName": endpoint_name, "VariantName": variant},
            statistic=statistic,
            period_seconds=period_seconds,
        )
        for variant in variant_names
    ]


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


def crash_metric(endpoint_name: str) -> MetricSource:
    """Crashes of an endpoint's containers. A filter of terms has no dimensions: the namespace is the endpoint's own."""
    return MetricSource(namespace=f"SDXL/{endpoint_name}", name=CRASHES)
