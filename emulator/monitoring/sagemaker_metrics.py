"""SageMaker's metrics: of each invocation by variant, and of the instances of endpoints, which are idle.

Source: Amazon SageMaker AI Developer Guide, "SageMaker AI metrics in Amazon CloudWatch".
"""

from __future__ import annotations

from dataclasses import dataclass

from moto.cloudwatch.models import CloudWatchBackend
from moto.sagemaker.models import sagemaker_backends

from emulator.monitoring.metrics import SOURCES, MetricKey, publish

NAMESPACE = "AWS/SageMaker"
_OF_QUEUED = ("Invocation4XXErrors", "Invocation5XXErrors", "ModelLatency")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How one invocation of a variant ended. `status` is the caller's, `model_status` the container's, 0 for none.

    Times are in seconds; they are published in microseconds.
    """

    status: int
    model_status: int | None
    model_seconds: float
    overhead_seconds: float


def publish_invocation(
    endpoint_key: tuple[str, str, str],
    variant: str,
    outcome: Outcome,
    *,
    component: str | None = None,
    is_queued: bool = False,
) -> None:
    """Publish the metrics of one invocation: of an inference component, or of a variant.

    Of invocations that were queued, an asynchronous endpoint publishes errors and the model's latency alone ("Alarms
    and logs for tracking metrics from asynchronous endpoints").
    """
    account, region, endpoint = endpoint_key
    model_failed = outcome.model_status is not None and not 200 <= outcome.model_status < 300
    blamed = outcome.model_status if model_failed and outcome.model_status else outcome.status
    values = {
        "Invocations": 1.0,
        "InvocationsPerInstance": 1.0 / _instances(account, region, endpoint, variant),
        "Invocation4XXErrors": float(400 <= blamed < 500),
        # A container that closed the connection, or that did not answer in time, counts as one that failed.
        "Invocation5XXErrors": float(blamed >= 500 or (model_failed and outcome.model_status == 0)),
        "InvocationModelErrors": float(model_failed),
        "OverheadLatency": outcome.overhead_seconds * 1e6,
    }
    if outcome.model_status is not None:
        values["ModelLatency"] = outcome.model_seconds * 1e6
    if component:
        # How many copies an invocation counts for, the component's own metric says.
        del values["InvocationsPerInstance"]
        publish(account, region, NAMESPACE, values, {"InferenceComponentName": component})
        return
    if is_queued:
        values = {name: values[name] for name in _OF_QUEUED if name in values}
    publish(account, region, NAMESPACE, values, {"EndpointName": endpoint, "VariantName": variant})


def _instances(account: str, region: str, endpoint_name: str, variant: str) -> int:
    endpoint = sagemaker_backends[account][region].endpoints.get(endpoint_name)
    counts = [
        int(item.get("CurrentInstanceCount", 1))
        for item in (endpoint.production_variants if endpoint else [])
        if item["VariantName"] == variant
    ]
    return max(counts[0], 1) if counts else 1


INSTANCE_NAMESPACE = "/aws/sagemaker/Endpoints"
# A stand-in draws in a moment, on no GPU.
IDLE_PERCENT = {
    "CPUUtilization": 1.0,
    "MemoryUtilization": 1.0,
    "GPUUtilization": 0.0,
    "GPUMemoryUtilization": 0.0,
    "DiskUtilization": 1.0,
}


def install() -> None:
    """Let alarms see the instances' metrics. None is stored: they follow from how many instances there are now."""
    SOURCES[INSTANCE_NAMESPACE] = reported


def reported(backend: CloudWatchBackend, metric: MetricKey) -> list[float]:
    """A value for each instance of a variant that serves; none where the endpoint or the metric does not exist."""
    endpoints = sagemaker_backends[backend.account_id][backend.region_name].endpoints
    endpoint = endpoints.get(metric.dimensions.get("EndpointName"))
    if endpoint is None or endpoint.endpoint_status not in {"InService", "Updating"}:
        return []
    return [
        IDLE_PERCENT[metric.name]
        for variant in endpoint.production_variants
        if variant["VariantName"] == metric.dimensions.get("VariantName") and metric.name in IDLE_PERCENT
        for _ in range(int(variant.get("CurrentInstanceCount", 1)))
    ]
