"""CloudWatch metrics that SageMaker publishes for a real-time endpoint's variant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import aws_cdk as cdk

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

# Units as SageMaker publishes them ("SageMaker AI metrics in Amazon CloudWatch"): under another, CloudWatch finds
# nothing.
UNITS = {
    "Invocations": "NONE",
    "InvocationModelErrors": "NONE",
    "Invocation5XXErrors": "NONE",
    "ModelLatency": "MICROSECONDS",
    "OverheadLatency": "MICROSECONDS",
    "GPUUtilization": "PERCENT",
    "GPUMemoryUtilization": "PERCENT",
    "DiskUtilization": "PERCENT",
}


@dataclass(frozen=True, kw_only=True)
class EndpointMetrics:
    """Metrics of one variant, by the two namespaces that SageMaker keeps apart."""

    endpoint_name: str
    variant_name: str

    def invocation(self, name: str, statistic: str, period: cdk.Duration | None) -> cloudwatch.Metric:
        """A metric about requests, from `AWS/SageMaker`."""
        return self._metric("AWS/SageMaker", name, statistic, period)

    def instance(self, name: str, statistic: str, period: cdk.Duration | None) -> cloudwatch.Metric:
        """A metric about instances, from `/aws/sagemaker/Endpoints`."""
        return self._metric("/aws/sagemaker/Endpoints", name, statistic, period)

    def _metric(self, namespace: str, name: str, statistic: str, period: cdk.Duration | None) -> cloudwatch.Metric:
        # Imported where it is used: a stack without alarms does not pay for loading it.
        from aws_cdk import aws_cloudwatch as cloudwatch  # noqa: PLC0415

        return cloudwatch.Metric(
            namespace=namespace,
            metric_name=name,
            dimensions_map={"EndpointName": self.endpoint_name, "VariantName": self.variant_name},
            statistic=statistic,
            period=cdk.Duration.minutes(1) if period is None else period,
            unit=cloudwatch.Unit[UNITS[name]],
        )
