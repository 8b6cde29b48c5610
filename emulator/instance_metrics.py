"""What the instances of endpoints report every minute: that they are there, and that they are idle.

Nothing is stored: how many instances an endpoint has now is what they report.
"""

from __future__ import annotations

from moto.cloudwatch.models import CloudWatchBackend
from moto.sagemaker.models import sagemaker_backends

from emulator.monitoring.metrics import SOURCES, MetricKey

NAMESPACE = "/aws/sagemaker/Endpoints"
# A stand-in draws in a moment, on no GPU.
IDLE_PERCENT = {
    "CPUUtilization": 1.0,
    "MemoryUtilization": 1.0,
    "GPUUtilization": 0.0,
    "GPUMemoryUtilization": 0.0,
    "DiskUtilization": 1.0,
}


def install() -> None:
    """Let alarms see the instances' metrics."""
    SOURCES[NAMESPACE] = reported


def reported(backend: CloudWatchBackend, metric: MetricKey) -> list[float]:
    """A value for each instance of a variant that serves; none where there is no such endpoint or metric."""
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
