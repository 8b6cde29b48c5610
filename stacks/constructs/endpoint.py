"""A SageMaker real-time endpoint with its variants, execution role and rollback alarms: an L2-shaped construct."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.alarms.metrics import CRASH_TERMS, AlarmSpec, crash_metric
from stacks.alarms.rollback import rollback_alarms
from stacks.constructs.alarms import Alarm
from stacks.constructs.model_container import ModelContainer, model_container
from stacks.constructs.service_role import managed_policy
from stacks.constructs.template_metadata import acknowledge, keep_logical_id, path_in_stack
from stacks.constructs.vpc import VpcConfig
from stacks.environment import CanaryUpdate, Endpoint, GuardedUpdate, LinearUpdate, Variant, pascal

# Namespaces to which SageMaker publishes with the execution role: invocations, and the instances' own metrics.
_METRIC_NAMESPACES = ["AWS/SageMaker", "/aws/sagemaker/Endpoints"]

_INSTANCE_COUNT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredInstanceCount")
_WEIGHT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")


class SdxlEndpoint(Construct):
    """Models, endpoint configuration and endpoint, with what SageMaker may do for them as `execution_role`.

    The role comes from a stack that is deleted later: SageMaker needs it for minutes after the endpoint is deleted, to
    remove network interfaces and grants (API reference, DeleteEndpoint).

    The production variants of `variants` share the traffic by weight, and the shadow variant gets copies of requests.
    Where scaling decides the instance counts, updates leave them; otherwise updates set them. `update` says how a new
    model takes over; None leaves that to SageMaker, which is the only choice for Marketplace packages. `volume_key`
    encrypts the instances' storage volume; None leaves that to SageMaker, which is the only choice for instance types
    with local NVMe storage. `vpc_config` puts the models' interfaces into a VPC. Only the endpoint has a name: an
    update replaces models and endpoint configuration, and their names would collide.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint_name: str,
        variants: Sequence[Variant],
        settings: Endpoint,
        log_group: logs.LogGroup,
        execution_role: iam.IRole,
        update: GuardedUpdate | None = None,
        volume_key: kms.IKey | None = None,
        vpc_config: VpcConfig | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.endpoint_name = endpoint_name
        # From the name: it creates no reference between stacks.
        self.endpoint_arn = cdk.Stack.of(self).format_arn(
            service="sagemaker", resource="endpoint", resource_name=endpoint_name
        )
        self._log_group, self._vpc_config = log_group, vpc_config
        production = [variant for variant in variants if not variant.is_shadow]
        shadows = [variant for variant in variants if variant.is_shadow]
        self.variant_name = production[0].name
        containers = [model_container(variant.model, cdk.Stack.of(self).region) for variant in variants]
        specs = rollback_alarms(endpoint_name, [one.name for one in production], update.rollback) if update else []
        self.execution_role = execution_role
        self.permissions = self._add_permissions(containers, specs)
        ids = ["Model", *(f"{pascal(variant.name)}Model" for variant in variants[1:])]
        models = [self._add_model(*one) for one in zip(ids, containers, strict=True)]
        names = {variant.name: model.attr_model_name for variant, model in zip(variants, models, strict=True)}
        self.endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            production_variants=[_production_variant(names[one.name], one, settings) for one in production],
            shadow_production_variants=[_production_variant(names[one.name], one, settings) for one in shadows] or None,
            # Said also where it is off: left out, SageMaker switches it on for a new endpoint configuration.
            metrics_config=sagemaker.CfnEndpointConfig.MetricsConfigProperty(
                enable_detailed_observability=settings.detailed_metrics
            ),
            kms_key_id=None if volume_key is None else volume_key.key_arn,
        )
        if volume_key is None:
            types = dict.fromkeys(name for one in variants for name in one.instance_types)
            _acknowledge_no_volume_key(self.endpoint_config, [*types])
        self._add_crash_filter()
        alarms = self._add_rollback_alarms(specs)
        self.endpoint = sagemaker.CfnEndpoint(
            self,
            "Endpoint",
            endpoint_name=endpoint_name,
            endpoint_config_name=self.endpoint_config.attr_endpoint_config_name,
            deployment_config=None if update is None else _deployment_config(update, alarms),
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

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which a function finds the endpoint."""
        return {"SDXL_ENDPOINT_NAME": self.endpoint_name}

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow `grantee` to call the endpoint, and to see whether it is in service."""
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"],
            resource_arns=[self.endpoint_arn],
        )

    def _add_permissions(self, containers: Sequence[ModelContainer], alarms: Sequence[AlarmSpec]) -> iam.ManagedPolicy:
        """Let SageMaker fetch the model, and write the endpoint's log and metrics.

        Actions are those that SageMaker's guide lists for the CreateModel call; resources are narrowed to what is
        deployed. `logs:CreateLogGroup` is left out: the stack makes the group. With it, SageMaker would make a deleted
        group again, without key and retention, and the next deployment would fail on the group's name.
        """
        policy = managed_policy(
            self, "ExecutionRolePermissions", description="SageMaker execution role of the SDXL endpoint", statements=[]
        )
        keep_logical_id(policy, f"{path_in_stack(self)}/ExecutionRole/Permissions")
        policy.attach_to_role(self.execution_role)
        log_group, log_streams = (
            self._arn("logs", "log-group", self._log_group.log_group_name),
            self._log_group.log_group_arn,
        )
        policy.add_statements(
            iam.PolicyStatement(
                actions=["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                resources=[log_group, log_streams],
            )
        )
        # Metrics have no resource to name: the condition is the limit.
        policy.add_statements(
            iam.PolicyStatement(
                actions=["cloudwatch:PutMetricData"],
                resources=["*"],
                conditions={"StringEquals": {"cloudwatch:namespace": _METRIC_NAMESPACES}},
            )
        )
        if alarms:
            # "Auto-Rollback Configuration and Monitoring" demands it of the execution role. By their names: the alarms
            # do not exist yet.
            arns = [self._arn("cloudwatch", "alarm", f"{self.endpoint_name}-{spec.name}") for spec in alarms]
            policy.add_statements(iam.PolicyStatement(actions=["cloudwatch:DescribeAlarms"], resources=arns))
        if self._vpc_config is not None:
            self._vpc_config.grant_to_model(policy)
        for container in dict.fromkeys(containers):
            container.grant_read(policy)
        acknowledge(
            policy,
            {
                "AwsSolutions-IAM5[Resource::*]": (
                    "What is allowed on * has no resource level; "
                    "a condition limits cloudwatch:PutMetricData to SageMaker's namespaces"
                )
            },
        )
        return policy

    def _arn(self, service: str, resource: str, name: str) -> str:
        return cdk.Stack.of(self).format_arn(
            service=service,
            resource=resource,
            resource_name=name,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def _add_model(self, construct_id: str, container: ModelContainer) -> sagemaker.CfnModel:
        vpc_config = None
        if self._vpc_config is not None:
            vpc_config = sagemaker.CfnModel.VpcConfigProperty(
                subnets=[*self._vpc_config.subnet_ids], security_group_ids=[*self._vpc_config.security_group_ids]
            )
        model = sagemaker.CfnModel(
            self,
            construct_id,
            primary_container=container.definition(),
            execution_role_arn=self.execution_role.role_arn,
            enable_network_isolation=True,
            vpc_config=vpc_config,
        )
        # The role is of another stack, and its ARN does not imply the permissions that it gets here.
        model.node.add_dependency(self.permissions, self._log_group)
        return model

    def _add_crash_filter(self) -> None:
        """Count the lines of the log that report a crash: SageMaker publishes no metric of crashes."""
        metric = crash_metric(self.endpoint_name)
        crash_filter = logs.MetricFilter(
            self,
            "CrashFilter",
            log_group=self._log_group,
            filter_pattern=logs.FilterPattern.any_term(*CRASH_TERMS),
            metric_namespace=metric.namespace,
            metric_name=metric.name,
            metric_value="1",
        )
        keep_logical_id(crash_filter)

    def _add_rollback_alarms(self, specs: Sequence[AlarmSpec]) -> list[Alarm]:
        if not specs:
            return []
        scope = Construct(self, "RollbackAlarms")
        reason = "SageMaker watches it during an update; people are notified by the alarms of the operations stack"
        acknowledge(scope, {"NIST.800.53.R5-CloudWatchAlarmAction": reason})
        return [Alarm(scope, prefix=self.endpoint_name, spec=spec) for spec in specs]


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
        # SageMaker accepts an instance type or pools, never both.
        instance_type=instance_types[0] if len(instance_types) == 1 else None,
        instance_pools=pools if len(instance_types) > 1 else None,
        model_data_download_timeout_in_seconds=settings.model_download_timeout_seconds,
        container_startup_health_check_timeout_in_seconds=settings.health_check_timeout_seconds,
    )


def _deployment_config(
    update: GuardedUpdate, alarms: Sequence[Alarm]
) -> sagemaker.CfnEndpoint.DeploymentConfigProperty:
    """How an endpoint moves to a new model: the traffic's steps, and the alarms that roll the update back.

    Amazon SageMaker AI Developer Guide, "Deployment guardrails": SageMaker starts new instances next to those that
    serve, moves the traffic step by step, watches the alarms after each, and goes back to the old instances when one
    goes into ALARM.
    """
    endpoint = sagemaker.CfnEndpoint
    canary = linear = None
    if isinstance(update, CanaryUpdate):
        canary = endpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=update.canary_percent)
    elif isinstance(update, LinearUpdate):
        linear = endpoint.CapacitySizeProperty(type="CAPACITY_PERCENT", value=update.step_percent)
    return endpoint.DeploymentConfigProperty(
        blue_green_update_policy=endpoint.BlueGreenUpdatePolicyProperty(
            traffic_routing_configuration=endpoint.TrafficRoutingConfigProperty(
                type=update.traffic.upper(),
                wait_interval_in_seconds=update.bake_seconds,
                canary_size=canary,
                linear_step_size=linear,
            ),
            termination_wait_in_seconds=update.termination_wait_seconds,
            maximum_execution_timeout_in_seconds=update.max_duration_seconds,
        ),
        auto_rollback_configuration=endpoint.AutoRollbackConfigProperty(
            # The alarms' own names: with a text, the endpoint would not wait for the alarms.
            alarms=[endpoint.AlarmProperty(alarm_name=alarm.alarm_name) for alarm in alarms]
        ),
    )


def _acknowledge_no_volume_key(config: sagemaker.CfnEndpointConfig, instance_types: Sequence[str]) -> None:
    reason = (
        f"SageMaker refuses a volume key for {', '.join(instance_types)}: local NVMe storage, encrypted in hardware"
    )
    acknowledge(config, {"NIST.800.53.R5-SageMakerEndpointConfigurationKMSKeyConfigured": reason})
