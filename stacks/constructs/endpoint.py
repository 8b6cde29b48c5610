"""A SageMaker real-time endpoint with its variants, with the face of an L2 construct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.alarms.rollback import rollback_alarms
from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import local_arn
from stacks.constructs.crash_filter import CrashFilter
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.endpoint_metrics import EndpointMetrics
from stacks.constructs.endpoint_update import RollbackAlarms, deployment_config
from stacks.constructs.execution_role import ExecutionRole
from stacks.constructs.model_container import ModelContainer, model_container
from stacks.constructs.placement import Placement
from stacks.constructs.statement import Statement, allow
from stacks.environment import Endpoint, GuardedUpdate, Variant, pascal

if TYPE_CHECKING:
    from aws_cdk import aws_cloudwatch as cloudwatch

_INSTANCE_COUNT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredInstanceCount")
_WEIGHT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")


class SdxlEndpoint(Construct):
    """Models, endpoint configuration and endpoint, with the execution role they need.

    The production variants of `variants` share the traffic by weight, and the shadow variant gets copies of requests.
    Where scaling decides the instance counts, updates leave them; otherwise updates set them. `update` says how a new
    model takes over; None leaves that to SageMaker, which is the only choice for Marketplace packages. `volume_key_arn`
    encrypts the instances' storage volume; None leaves that to SageMaker, which is the only
    choice for instance types with local NVMe storage. `placement` puts the models' interfaces into a VPC. Only
    the endpoint has a name: an update replaces models and endpoint configuration, and names of their own would collide.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variants: Sequence[Variant],
        settings: Endpoint,
        log_group: EncryptedLogGroup,
        update: GuardedUpdate | None = None,
        volume_key_arn: str | None = None,
        placement: Placement | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name = endpoint_name
        # From the name: it creates no reference between stacks.
        self.endpoint_arn = local_arn(scope, "sagemaker", f"endpoint/{endpoint_name}")
        production = [variant for variant in variants if not variant.is_shadow]
        shadows = [variant for variant in variants if variant.is_shadow]
        self.variant_name = production[0].name
        containers = [model_container(variant.model, cdk.Stack.of(self).region) for variant in variants]
        specs = rollback_alarms(endpoint_name, [one.name for one in production], update.rollback) if update else []
        self.execution_role = ExecutionRole(
            self,
            "ExecutionRole",
            containers=containers,
            log_group=log_group,
            # From their names: known before there are any.
            watched_alarm_arns=[local_arn(scope, "cloudwatch", f"alarm:{endpoint_name}-{spec.name}") for spec in specs],
            placement=placement,
        )
        self._log_group, self._placement = log_group, placement
        ids = ["Model", *(f"{pascal(variant.name)}Model" for variant in variants[1:])]
        models = [self._add_model(*one) for one in zip(ids, containers, strict=True)]
        self.model = models[0]
        names = {variant.name: model.attr_model_name for variant, model in zip(variants, models, strict=True)}

        self.endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            production_variants=[_production_variant(names[one.name], one, settings) for one in production],
            shadow_production_variants=[_production_variant(names[one.name], one, settings) for one in shadows] or None,
            kms_key_id=volume_key_arn,
        )
        if volume_key_arn is None:
            types = dict.fromkeys(name for one in variants for name in one.instance_types)
            _acknowledge_no_volume_key(self.endpoint_config, [*types])

        CrashFilter(self, "CrashFilter", endpoint_name=endpoint_name, log_group=log_group)
        alarms = None
        if update is not None:
            alarms = RollbackAlarms(self, "RollbackAlarms", endpoint_name=endpoint_name, specs=specs)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=self.endpoint_config.attr_endpoint_config_name,
            deployment_config=None if alarms is None or update is None else deployment_config(update, alarms.names),
            # What was changed since the deployment stays: an update must not scale a busy endpoint back.
            retain_all_variant_properties=True,
            exclude_retained_variant_properties=[
                # Without scaling nothing but this setting changes the count: retained, it would never take effect.
                # Scaling that is detached has decided the counts, and will again.
                *([] if any(one.scaling is not None for one in production) else [_INSTANCE_COUNT]),
                # Shares of the traffic are the environment file's to decide.
                *([_WEIGHT] if len(variants) > 1 else []),
            ]
            or None,
        )
        if alarms is not None:
            # The names alone would not make the endpoint wait for the alarms.
            self.endpoint.node.add_dependency(*alarms.alarms)
        self.metrics = EndpointMetrics(endpoint_name=endpoint_name, variant_name=self.variant_name)

    def _add_model(self, construct_id: str, container: ModelContainer) -> sagemaker.CfnModel:
        vpc_config = None
        if self._placement is not None:
            vpc_config = sagemaker.CfnModel.VpcConfigProperty(
                subnets=[*self._placement.subnet_ids], security_group_ids=[*self._placement.security_group_ids]
            )
        model = sagemaker.CfnModel(
            self,
            construct_id,
            primary_container=container.definition(),
            execution_role_arn=self.execution_role.arn,
            enable_network_isolation=True,
            vpc_config=vpc_config,
        )
        # The role's ARN implies its permissions. Said again, because a race here shows on AWS only, as "access denied".
        model.node.add_dependency(self.execution_role, self._log_group)
        return model

    def environment(self) -> Mapping[str, str]:
        """Environment variables that tell a function where the model is."""
        return {"SDXL_ENDPOINT_NAME": self.endpoint_name}

    def invoke_statements(self) -> list[Statement]:
        """What calling the endpoint, and seeing whether it is in service, takes of a role."""
        return [allow(["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"], [self.endpoint_arn])]

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
    model_name: str, variant: Variant, settings: Endpoint
) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
    instance_types = variant.instance_types
    if not instance_types:
        raise ValueError(f"instance_types of the variant {variant.name!r} is empty: name at least one instance type")
    pools = [
        sagemaker.CfnEndpointConfig.InstancePoolProperty(instance_type=name, priority=priority)
        for priority, name in enumerate(instance_types, start=1)
    ]
    return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
        variant_name=variant.name,
        model_name=model_name,
        initial_instance_count=variant.instance_count,
        initial_variant_weight=variant.weight,
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
