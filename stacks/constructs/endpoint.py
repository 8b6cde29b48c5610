"""A SageMaker real-time endpoint with one production variant, with the face of an L2 construct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import local_arn
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.endpoint_metrics import EndpointMetrics
from stacks.constructs.execution_role import ExecutionRole
from stacks.constructs.model_container import ModelContainer
from stacks.environment import Endpoint

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

VARIANT_NAME = "primary"

_INSTANCE_COUNT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredInstanceCount")


class SdxlEndpoint(Construct):
    """Model, endpoint configuration and endpoint, with the execution role they need.

    `instance_types` is in order of preference: with several, SageMaker takes the next one where capacity is missing.
    `is_scaled` says that scaling decides the instance count: updates then leave it, and otherwise set it.
    `volume_key_arn` encrypts the instances' storage volume; None leaves that to SageMaker, which is the only choice for
    instance types with local NVMe storage. Only the endpoint has a name: an update replaces model and endpoint
    configuration, and names of their own would collide.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        container: ModelContainer,
        instance_types: Sequence[str],
        settings: Endpoint,
        log_group: EncryptedLogGroup,
        is_scaled: bool,
        volume_key_arn: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name = endpoint_name
        self.variant_name = VARIANT_NAME
        self.execution_role = ExecutionRole(self, "ExecutionRole", container=container, log_group=log_group)

        self.model = sagemaker.CfnModel(
            self,
            "Model",
            primary_container=container.definition(),
            execution_role_arn=self.execution_role.arn,
            enable_network_isolation=True,
        )
        # The role's ARN implies its permissions. Said again, because a race here shows on AWS only, as "access denied".
        self.model.node.add_dependency(self.execution_role, log_group)

        self.endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            production_variants=[_production_variant(self.model.attr_model_name, instance_types, settings)],
            kms_key_id=volume_key_arn,
        )
        if volume_key_arn is None:
            _acknowledge_no_volume_key(self.endpoint_config, instance_types)

        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=self.endpoint_config.attr_endpoint_config_name,
            # What was changed since the deployment stays: an update must not scale a busy endpoint back.
            retain_all_variant_properties=True,
            # Without scaling nothing but this setting changes the count: retained, it would never take effect again.
            exclude_retained_variant_properties=None if is_scaled else [_INSTANCE_COUNT],
        )
        self.metrics = EndpointMetrics(endpoint_name=endpoint_name, variant_name=VARIANT_NAME)

    @property
    def endpoint_arn(self) -> str:
        """ARN of the endpoint, built from its name: naming it creates no reference between stacks."""
        return local_arn(self, "sagemaker", f"endpoint/{self.endpoint_name}")

    def environment(self) -> Mapping[str, str]:
        """Environment variables that tell a function where the model is."""
        return {"SDXL_ENDPOINT_NAME": self.endpoint_name}

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Let `grantee` call the endpoint and see whether it is in service."""
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"],
            resource_arns=[self.endpoint_arn],
        )

    def metric_invocations(self, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Requests sent to the model. Sum over `period` (default: a minute)."""
        return self.metrics.invocation("Invocations", "Sum", period)

    def metric_model_errors(self, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Requests that the model did not answer with 2xx. Sum over `period` (default: a minute)."""
        return self.metrics.invocation("InvocationModelErrors", "Sum", period)

    def metric_invocation_5xx_errors(self, period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Requests that SageMaker or the model answered with 5xx. Sum over `period` (default: a minute)."""
        return self.metrics.invocation("Invocation5XXErrors", "Sum", period)

    def metric_model_latency(self, statistic: str = "p95", period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Time the model took to answer, in microseconds."""
        return self.metrics.invocation("ModelLatency", statistic, period)

    def metric_overhead_latency(self, statistic: str = "p95", period: cdk.Duration | None = None) -> cloudwatch.Metric:
        """Time SageMaker added to the model's own, in microseconds."""
        return self.metrics.invocation("OverheadLatency", statistic, period)

    def metric_gpu_utilization(
        self, statistic: str = "Average", period: cdk.Duration | None = None
    ) -> cloudwatch.Metric:
        """GPU use in percent, summed over the GPUs of an instance: 0 to 100 times their number."""
        return self.metrics.instance("GPUUtilization", statistic, period)

    def metric_gpu_memory_utilization(
        self, statistic: str = "Maximum", period: cdk.Duration | None = None
    ) -> cloudwatch.Metric:
        """GPU memory use in percent, summed over the GPUs of an instance: 0 to 100 times their number."""
        return self.metrics.instance("GPUMemoryUtilization", statistic, period)

    def metric_disk_utilization(
        self, statistic: str = "Maximum", period: cdk.Duration | None = None
    ) -> cloudwatch.Metric:
        """Disk use in percent."""
        return self.metrics.instance("DiskUtilization", statistic, period)


def _production_variant(
    model_name: str, instance_types: Sequence[str], settings: Endpoint
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    if not instance_types:
        raise ValueError("instance_types is empty: name at least one instance type")
    pools = [
        sagemaker.CfnEndpointConfig.InstancePoolProperty(instance_type=name, priority=priority)
        for priority, name in enumerate(instance_types, start=1)
    ]
    return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        variant_name=VARIANT_NAME,
        model_name=model_name,
        initial_instance_count=settings.instance_count,
        initial_variant_weight=settings.variant_weight,
        # Pools stand in place of the instance type, never beside it.
        instance_type=instance_types[0] if len(instance_types) == 1 else None,
        instance_pools=pools if len(instance_types) > 1 else None,
        model_data_download_timeout_in_seconds=settings.model_download_timeout_seconds,
        container_startup_health_check_timeout_in_seconds=settings.health_check_timeout_seconds,
    )


def _acknowledge_no_volume_key(config: sagemaker.CfnEndpointConfig, instance_types: Sequence[str]) -> None:
    reason = (
        f"SageMaker refuses a volume key for {', '.join(instance_types)}: local NVMe storage, encrypted in hardware"
    )
    acknowledge(config, {"NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured": reason})
