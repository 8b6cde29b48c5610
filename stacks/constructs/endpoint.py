"""A SageMaker endpoint with its variants, execution role and rollback alarms: an L2-shaped construct for each mode.

`RealTimeEndpoint`, `AsynchronousEndpoint` and `ComponentEndpoint` are types of their own. They publish other metrics,
and none takes another's scaling.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sagemaker as sagemaker
from constructs import Construct

from stacks.alarms.metrics import CRASH_TERMS, AlarmSpec, crash_metric
from stacks.alarms.rollback import rollback_alarms
from stacks.catalog import load_catalog
from stacks.constructs.alarms import Alarm
from stacks.constructs.asynchronous_results import AsynchronousResults
from stacks.constructs.model_container import ModelContainer, model_container
from stacks.constructs.service_role import managed_policy
from stacks.constructs.template_metadata import acknowledge, keep_logical_id, path_in_stack
from stacks.constructs.vpc import VpcConfig
from stacks.environment import CanaryUpdate, Endpoint, GuardedUpdate, LinearUpdate, Variant, pascal

# Namespaces to which SageMaker publishes with the execution role: invocations, and the instances' own metrics.
_METRIC_NAMESPACES = ["AWS/SageMaker", "/aws/sagemaker/Endpoints"]

# Main memory of a copy, without which SageMaker places none. AWS's examples of inference components have 1024 MB; the
# copy gets the whole instance all the same, because it takes all of its GPUs.
_COMPONENT_MEMORY_MB = 1024

_INSTANCE_COUNT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredInstanceCount")
_WEIGHT = sagemaker.CfnEndpoint.VariantPropertyProperty(variant_property_type="DesiredWeight")


class SdxlEndpoint(Construct):
    """What the endpoints of all modes have: models, endpoint configuration and endpoint, and their execution role.

    A mode is a subclass, which says what its endpoint configuration has besides and how a function calls it.

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
        self.models = [self._add_model(*one) for one in zip(ids, containers, strict=True)]
        names = {variant.name: model.attr_model_name for variant, model in zip(variants, self.models, strict=True)}
        self.endpoint_config = sagemaker.CfnEndpointConfig(
            self,
            "EndpointConfig",
            production_variants=[self._production_variant(names[one.name], one, settings) for one in production],
            shadow_production_variants=[self._production_variant(names[one.name], one, settings) for one in shadows]
            or None,
            # Said also where it is off: left out, SageMaker switches it on for a new endpoint configuration.
            metrics_config=sagemaker.CfnEndpointConfig.MetricsConfigProperty(
                enable_detailed_observability=settings.detailed_metrics
            ),
            kms_key_id=None if volume_key is None else volume_key.key_arn,
            **self._mode_properties(),
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

    def _mode_properties(self) -> Mapping[str, Any]:
        """What the endpoint configuration of this mode has besides. Called before the endpoint exists."""
        return {}

    def _production_variant(
        self, model_name: str, variant: Variant, settings: Endpoint
    ) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        return sagemaker.CfnEndpointConfig.ProductionVariantProperty(
            model_name=model_name,
            initial_variant_weight=variant.weight,
            model_data_download_timeout_in_seconds=settings.model_download_timeout_seconds,
            container_startup_health_check_timeout_in_seconds=settings.health_check_timeout_seconds,
            **_instances(variant),
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


class RealTimeEndpoint(SdxlEndpoint):
    """An endpoint whose callers wait for the answer."""


class AsynchronousEndpoint(SdxlEndpoint):
    """An endpoint with a queue: a call is accepted at once, and its result arrives in `results`.

    SageMaker lets such an endpoint take asynchronous calls alone. `concurrent_invocations` is how many requests an
    instance is sent at once.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        results: AsynchronousResults,
        concurrent_invocations: int,
        **others: Any,
    ) -> None:
        self.results, self._concurrent_invocations = results, concurrent_invocations
        super().__init__(scope, construct_id, **others)
        results.grant_deliver(self.permissions)

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which a function finds the endpoint and its results."""
        return {**super().environment(), "SDXL_ENDPOINT_MODE": "asynchronous"}

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow `grantee` to queue requests, to put their input where SageMaker reads it, and to read the results."""
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpointAsync"],
            resource_arns=[self.endpoint_arn],
        )
        self.results.grant_use(grantee)

    def _mode_properties(self) -> Mapping[str, Any]:
        config = sagemaker.CfnEndpointConfig
        return {
            "async_inference_config": config.AsyncInferenceConfigProperty(
                client_config=config.AsyncInferenceClientConfigProperty(
                    max_concurrent_invocations_per_instance=self._concurrent_invocations
                ),
                output_config=self.results.output_config(),
            )
        }


class ComponentEndpoint(SdxlEndpoint):
    """An endpoint whose model is an inference component: SageMaker adds and removes the instances that its copies need.

    A copy takes the GPUs of one instance, so that there are as many instances as copies, from `fewest` to `most`. With
    a `fewest` of 0 none is left while nobody calls, and calls are refused until one has started.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        fewest: int,
        most: int,
        variants: Sequence[Variant],
        **others: Any,
    ) -> None:
        self._fewest, self._most, self._role = fewest, most, others["execution_role"]
        self._vpc = others.get("vpc_config")
        super().__init__(scope, construct_id, variants=variants, **others)
        settings: Endpoint = others["settings"]
        (variant,) = variants
        self.component_name = self.endpoint_name
        self.component_arn = cdk.Stack.of(self).format_arn(
            service="sagemaker", resource="inference-component", resource_name=self.component_name
        )
        component = sagemaker.CfnInferenceComponent
        self.component = component(
            self,
            "Component",
            inference_component_name=self.component_name,
            endpoint_name=self.endpoint.attr_endpoint_name,
            variant_name=variant.name,
            specification=component.InferenceComponentSpecificationProperty(
                model_name=self.models[0].attr_model_name,
                startup_parameters=component.InferenceComponentStartupParametersProperty(
                    model_data_download_timeout_in_seconds=settings.model_download_timeout_seconds,
                    container_startup_health_check_timeout_in_seconds=settings.health_check_timeout_seconds,
                ),
                compute_resource_requirements=component.InferenceComponentComputeResourceRequirementsProperty(
                    number_of_accelerator_devices_required=_gpus(variant),
                    min_memory_required_in_mb=_COMPONENT_MEMORY_MB,
                ),
            ),
            # A component cannot be created without a copy. Afterwards scaling decides.
            runtime_config=component.InferenceComponentRuntimeConfigProperty(copy_count=variant.instance_count),
        )

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which a function finds the endpoint and its component."""
        return {
            **super().environment(),
            "SDXL_ENDPOINT_MODE": "components",
            "SDXL_INFERENCE_COMPONENT": self.component_name,
        }

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow `grantee` to call the component on its endpoint, and to see whether the endpoint is in service."""
        describe, invoke = "sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"
        iam.Grant.add_to_principal(grantee=grantee, actions=[describe, invoke], resource_arns=[self.endpoint_arn])
        iam.Grant.add_to_principal(grantee=grantee, actions=[invoke], resource_arns=[self.component_arn])

    def _mode_properties(self) -> Mapping[str, Any]:
        config = sagemaker.CfnEndpointConfig
        in_vpc = self._vpc and config.VpcConfigProperty(
            subnets=[*self._vpc.subnet_ids], security_group_ids=[*self._vpc.security_group_ids]
        )
        # Without a model of its own, the configuration says what a model says otherwise.
        return {
            "execution_role_arn": self._role.role_arn,
            "enable_network_isolation": True,
            "vpc_config": in_vpc or None,
        }

    def _production_variant(
        self,
        model_name: str,  # noqa: ARG002 - the component has the model
        variant: Variant,
        settings: Endpoint,  # noqa: ARG002 - and how long it may take to start
    ) -> sagemaker.CfnEndpointConfig.ProductionVariantProperty:
        config = sagemaker.CfnEndpointConfig
        return config.ProductionVariantProperty(
            **_instances(variant),
            managed_instance_scaling=config.ManagedInstanceScalingProperty(
                status="ENABLED", min_instance_count=self._fewest, max_instance_count=self._most
            ),
            routing_config=config.RoutingConfigProperty(routing_strategy="LEAST_OUTSTANDING_REQUESTS"),
        )


def _gpus(variant: Variant) -> int:
    """GPUs of an instance. Of several types that may be found, what the smallest has."""
    return min(load_catalog().instance_type(name).gpu_count for name in variant.instance_types)


def _instances(variant: Variant) -> dict[str, Any]:
    """Properties of a production variant that say on what and how many instances it starts."""
    instance_types = variant.instance_types
    if not instance_types:
        raise ValueError(f"instance_types of the variant {variant.name!r} is empty: name at least one instance type")
    pools = [
        sagemaker.CfnEndpointConfig.InstancePoolProperty(instance_type=name, priority=priority)
        for priority, name in enumerate(instance_types, start=1)
    ]
    return {
        "variant_name": variant.name,
        "initial_instance_count": variant.instance_count,
        # SageMaker accepts an instance type or pools, never both.
        "instance_type": instance_types[0] if len(instance_types) == 1 else None,
        "instance_pools": pools if len(instance_types) > 1 else None,
    }


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
