"""Autoscaling of an endpoint, a type for each mode: none takes an endpoint, or a target, of another mode.

The resources are L1: the CDK's ScalableTarget creates a role, and SageMaker scales with its service-linked role alone.
"""

from __future__ import annotations

from typing import cast

from aws_cdk import aws_applicationautoscaling as autoscaling
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct, IDependable

from stacks.alarms.metrics import AlarmSpec
from stacks.alarms.wake import asynchronous_wake_alarm, component_wake_alarm
from stacks.constructs.alarms import Alarm
from stacks.constructs.endpoint import AsynchronousEndpoint, ComponentEndpoint, RealTimeEndpoint
from stacks.environment import (
    BacklogPerInstance,
    ConcurrentRequests,
    ConcurrentRequestsPerCopy,
    InvocationsPerCopy,
    InvocationsPerInstance,
    Scaling,
    ScalingTarget,
    ScheduledCapacity,
)

_SERVICE_NAMESPACE = "sagemaker"
_INSTANCES = "sagemaker:variant:DesiredInstanceCount"
_COPIES = "sagemaker:inference-component:DesiredCopyCount"

# An instance takes 5 to 10 minutes to start, and the alarm stays in ALARM until it serves. With the 300 and 60 s of
# AWS's examples one request would start several. What more is needed, target tracking adds once an instance serves.
_WAKE_COOLDOWN_SECONDS = 900

_Policy = autoscaling.CfnScalingPolicy
_Tracking = autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty


class _EndpointScaling(Construct):
    """A scalable target, one target tracking policy, and the scheduled changes of the target's bounds.

    `scaled` is what must exist before the target is registered: the resource id is only text.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        scaling: Scaling,
        scaled: IDependable,
        resource_id: str,
        dimension: str,
        policy_stem: str,
        specification: _Policy.PredefinedMetricSpecificationProperty | _Policy.CustomizedMetricSpecificationProperty,
    ) -> None:
        super().__init__(scope, construct_id)
        self._stem = policy_stem
        self.target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace=_SERVICE_NAMESPACE,
            scalable_dimension=dimension,
            resource_id=resource_id,
            min_capacity=scaling.min_capacity,
            max_capacity=scaling.max_capacity,
            scheduled_actions=[_scheduled_action(schedule) for schedule in scaling.schedules] or None,
        )
        self.target.node.add_dependency(scaled)
        predefined = customized = None
        if isinstance(specification, _Policy.PredefinedMetricSpecificationProperty):
            predefined = specification
        else:
            customized = specification
        self.policy = autoscaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name=f"{policy_stem}-{scaling.target.metric.replace('_', '-')}",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.target.ref,
            target_tracking_scaling_policy_configuration=_Tracking(
                target_value=scaling.target.target,
                predefined_metric_specification=predefined,
                customized_metric_specification=customized,
                scale_in_cooldown=scaling.scale_in_cooldown_seconds,
                scale_out_cooldown=scaling.scale_out_cooldown_seconds,
            ),
        )

    def _add_wake_policy(self, alarm_prefix: str, spec: AlarmSpec, *, aggregation: str) -> None:
        """Add one when the alarm that `spec` describes goes into ALARM.

        At zero nothing publishes the metric that target tracking follows: without this policy nothing would wake.
        """
        policy = autoscaling.CfnScalingPolicy(
            self,
            "WakePolicy",
            policy_name=f"{self._stem}-wake",
            policy_type="StepScaling",
            scaling_target_id=self.target.ref,
            step_scaling_policy_configuration=_Policy.StepScalingPolicyConfigurationProperty(
                adjustment_type="ChangeInCapacity",
                metric_aggregation_type=aggregation,
                cooldown=_WAKE_COOLDOWN_SECONDS,
                step_adjustments=[_Policy.StepAdjustmentProperty(metric_interval_lower_bound=0, scaling_adjustment=1)],
            ),
        )
        alarm = Alarm(self, prefix=alarm_prefix, spec=spec)
        cast(cloudwatch.CfnAlarm, alarm.node.default_child).alarm_actions = [policy.ref]


class RealTimeScaling(_EndpointScaling):
    """Instances of a variant by the requests that it gets. `variant_name` is the endpoint's first one unless given.

    Raises TypeError for a target of another mode.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: RealTimeEndpoint,
        scaling: Scaling,
        variant_name: str | None = None,
    ) -> None:
        variant = endpoint.variant_name if variant_name is None else variant_name
        match scaling.target:
            case InvocationsPerInstance():
                metric = "SageMakerVariantInvocationsPerInstance"
            case ConcurrentRequests():
                metric = "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            case _:
                raise wrong_target(scaling.target, "real-time")
        super().__init__(
            scope,
            construct_id,
            scaling=scaling,
            scaled=endpoint.endpoint,
            resource_id=f"endpoint/{endpoint.endpoint_name}/variant/{variant}",
            dimension=_INSTANCES,
            policy_stem=endpoint.endpoint_name if variant_name is None else f"{endpoint.endpoint_name}-{variant_name}",
            specification=_Policy.PredefinedMetricSpecificationProperty(predefined_metric_type=metric),
        )


class AsynchronousScaling(_EndpointScaling):
    """Instances of an asynchronous endpoint by its queue. Where it may go to zero, a policy of its own wakes it.

    Raises TypeError for a target of another mode.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, endpoint: AsynchronousEndpoint, scaling: Scaling
    ) -> None:
        if not isinstance(scaling.target, BacklogPerInstance):
            raise wrong_target(scaling.target, "asynchronous")
        super().__init__(
            scope,
            construct_id,
            scaling=scaling,
            scaled=endpoint.endpoint,
            resource_id=f"endpoint/{endpoint.endpoint_name}/variant/{endpoint.variant_name}",
            dimension=_INSTANCES,
            policy_stem=endpoint.endpoint_name,
            # Published with the endpoint's name alone, without the variant's.
            specification=_Policy.CustomizedMetricSpecificationProperty(
                namespace="AWS/SageMaker",
                metric_name="ApproximateBacklogSizePerInstance",
                dimensions=[_Policy.MetricDimensionProperty(name="EndpointName", value=endpoint.endpoint_name)],
                statistic="Average",
            ),
        )
        if scaling.goes_to_zero:
            spec = asynchronous_wake_alarm(endpoint.endpoint_name)
            self._add_wake_policy(endpoint.endpoint_name, spec, aggregation="Average")


class ComponentScaling(_EndpointScaling):
    """Copies of an inference component by the calls that it gets. Where it may go to zero, a policy wakes it.

    SageMaker adds and removes the instances for the copies. Raises TypeError for a target of another mode.
    """

    def __init__(self, scope: Construct, construct_id: str, *, endpoint: ComponentEndpoint, scaling: Scaling) -> None:
        match scaling.target:
            case ConcurrentRequestsPerCopy():
                metric = "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
            case InvocationsPerCopy():
                metric = "SageMakerInferenceComponentInvocationsPerCopy"
            case _:
                raise wrong_target(scaling.target, "components")
        super().__init__(
            scope,
            construct_id,
            scaling=scaling,
            scaled=endpoint.component,
            resource_id=f"inference-component/{endpoint.component_name}",
            dimension=_COPIES,
            policy_stem=endpoint.endpoint_name,
            specification=_Policy.PredefinedMetricSpecificationProperty(predefined_metric_type=metric),
        )
        if scaling.goes_to_zero:
            spec = component_wake_alarm(endpoint.component_name)
            self._add_wake_policy(endpoint.endpoint_name, spec, aggregation="Maximum")


def wrong_target(target: ScalingTarget, mode: str) -> TypeError:
    """Return the error of a target that is not of the endpoint's mode."""
    return TypeError(f"scaling.target.metric {target.metric!r} is not one that an endpoint of mode {mode!r} publishes")


def _scheduled_action(schedule: ScheduledCapacity) -> autoscaling.CfnScalableTarget.ScheduledActionProperty:
    return autoscaling.CfnScalableTarget.ScheduledActionProperty(
        scheduled_action_name=schedule.name,
        schedule=schedule.schedule,
        timezone=schedule.timezone,
        scalable_target_action=autoscaling.CfnScalableTarget.ScalableTargetActionProperty(
            min_capacity=schedule.min_capacity, max_capacity=schedule.max_capacity
        ),
    )
