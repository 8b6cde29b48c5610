"""The metrics that alarms, dashboard and preflight name, as data. Nothing here loads the CDK.

One function for each namespace: names and dimensions are those that the service publishes, listed with their sources in
tests/infrastructure/published_metrics.json.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from stacks.environment import API_STAGE

CRASHES = "ContainerCrashes"
# What the containers' servers and frameworks write when a worker is lost: TorchServe and multi-model-server ("Backend
# worker process died", "Worker died"), PyTorch ("CUDA out of memory", "CUDA error"), the kernel's end of a process.
CRASH_TERMS = (
    "Backend worker process died",
    "Worker died",
    "CUDA out of memory",
    "CUDA error",
    "Segmentation fault",
    "Killed process",
)
FIVE_MINUTES = 300

Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData = Literal["breaching", "notBreaching", "ignore", "missing"]


@dataclass(frozen=True, kw_only=True)
class MetricSource:
    """One metric with its statistic (`Sum`, `Average`, `Maximum`, `SampleCount` or a percentile such as `p95`).

    The unit is left out: CloudWatch then takes the metric as it is published, in any unit. `label` is what a graph
    shows; None leaves that to CloudWatch.
    """

    namespace: str
    name: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Sum"
    period_seconds: int = 60
    label: str | None = None


@dataclass(frozen=True, kw_only=True)
class MetricMath:
    """An expression over metrics of one period, such as `m1 + m2`; `inputs` names them."""

    expression: str
    inputs: Mapping[str, MetricSource]

    @property
    def period_seconds(self) -> int:
        """Period of the expression, which is that of its inputs. Raises ValueError where these differ."""
        (period,) = {metric.period_seconds for metric in self.inputs.values()}
        return period


Watched = MetricSource | MetricMath


@dataclass(frozen=True, kw_only=True)
class Condition:
    """When an alarm goes into ALARM: `datapoints` of the last `periods` values compare with `threshold`.

    `datapoints` of None means all of `periods`.
    """

    threshold: float
    comparison: Comparison = "GreaterThanOrEqualToThreshold"
    periods: int = 1
    datapoints: int | None = None
    missing_data: MissingData = "notBreaching"


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm: what it watches, when it goes into ALARM, what that means, and the runbook to open.

    `name` comes after the environment's. Where `affects_callers`, callers notice, and the environment's own alarm
    notifies; the other alarms notify themselves.
    """

    construct_id: str
    name: str
    meaning: str
    runbook: str
    metric: Watched
    when: Condition
    affects_callers: bool = False


def api_metric(api_name: str, name: str, statistic: str = "Sum", period_seconds: int = 60) -> MetricSource:
    """Return a metric of API Gateway for the REST API `api_name`. It publishes latencies in milliseconds."""
    return MetricSource(
        namespace="AWS/ApiGateway",
        name=name,
        dimensions={"ApiName": api_name, "Stage": API_STAGE},
        statistic=statistic,
        period_seconds=period_seconds,
    )


def function_metric(function_name: str, name: str, statistic: str = "Sum") -> MetricSource:
    """Return a metric of AWS Lambda, over 5 minutes."""
    return MetricSource(
        namespace="AWS/Lambda",
        name=name,
        dimensions={"FunctionName": function_name},
        statistic=statistic,
        period_seconds=FIVE_MINUTES,
    )


def image_metric(
    environment: str,
    name: str,
    statistic: str = "Sum",
    *,
    period_seconds: int = FIVE_MINUTES,
    dimensions: Mapping[str, str] | None = None,
) -> MetricSource:
    """Return a metric that the image function publishes for `environment`, with further `dimensions`."""
    return MetricSource(
        namespace="SDXL",
        name=name,
        dimensions={"environment": environment, **(dimensions or {})},
        statistic=statistic,
        period_seconds=period_seconds,
    )


def request_metric(
    endpoint_name: str, variant_name: str, name: str, statistic: str = "Sum", period_seconds: int = 60
) -> MetricSource:
    """Return a metric of a variant's requests. SageMaker publishes latencies in microseconds."""
    return MetricSource(
        namespace="AWS/SageMaker",
        name=name,
        dimensions=_variant(endpoint_name, variant_name),
        statistic=statistic,
        period_seconds=period_seconds,
    )


def queue_metric(endpoint_name: str, name: str, statistic: str = "Maximum", period_seconds: int = 60) -> MetricSource:
    """Return a metric of the queue of an asynchronous endpoint. SageMaker publishes ages in seconds."""
    return MetricSource(
        namespace="AWS/SageMaker",
        name=name,
        dimensions={"EndpointName": endpoint_name},
        statistic=statistic,
        period_seconds=period_seconds,
    )


def component_metric(component_name: str, name: str, statistic: str = "Sum", period_seconds: int = 60) -> MetricSource:
    """Return a metric of the calls of an inference component. SageMaker publishes latencies in microseconds."""
    return MetricSource(
        namespace="AWS/SageMaker",
        name=name,
        dimensions={"InferenceComponentName": component_name},
        statistic=statistic,
        period_seconds=period_seconds,
    )


def instance_metric(
    endpoint_name: str, variant_name: str, name: str, statistic: str, period_seconds: int = 60
) -> MetricSource:
    """Return a metric of a variant's instances. Percentages of GPUs are added up: 0 to 100 times their number."""
    return MetricSource(
        namespace="/aws/sagemaker/Endpoints",
        name=name,
        dimensions=_variant(endpoint_name, variant_name),
        statistic=statistic,
        period_seconds=period_seconds,
    )


def bedrock_metric(
    model_id: str, name: str, statistic: str = "Sum", period_seconds: int = FIVE_MINUTES
) -> MetricSource:
    """Return a metric of Amazon Bedrock, in the region in which the model is called. Latencies are in milliseconds."""
    return MetricSource(
        namespace="AWS/Bedrock",
        name=name,
        dimensions={"ModelId": model_id},
        statistic=statistic,
        period_seconds=period_seconds,
    )


def crash_metric(endpoint_name: str) -> MetricSource:
    """Return the count of crashes of an endpoint's containers.

    A metric filter by terms has no dimensions: the namespace is the endpoint's own.
    """
    return MetricSource(namespace=f"SDXL/{endpoint_name}", name=CRASHES)


def total(metrics: Sequence[MetricSource]) -> Watched:
    """Return the sum of metrics; missing data counts as zero."""
    if len(metrics) == 1:
        return metrics[0]
    inputs = {f"m{number}": metric for number, metric in enumerate(metrics, start=1)}
    return MetricMath(expression=" + ".join(f"FILL({name}, 0)" for name in inputs), inputs=inputs)


def highest(metrics: Sequence[MetricSource]) -> Watched:
    """Return the highest of metrics at each moment."""
    if len(metrics) == 1:
        return metrics[0]
    inputs = {f"m{number}": metric for number, metric in enumerate(metrics, start=1)}
    return MetricMath(expression=f"MAX([{', '.join(inputs)}])", inputs=inputs)


def _variant(endpoint_name: str, variant_name: str) -> dict[str, str]:
    return {"EndpointName": endpoint_name, "VariantName": variant_name}
