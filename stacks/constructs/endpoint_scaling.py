"""Autoscaling of a real-time endpoint's variant.

An asynchronous endpoint publishes other metrics and scales another way. It gets another class, which takes another type
of endpoint: neither accepts the other's. The resources are L1: the CDK's ScalableTarget creates a role, and SageMaker
scales variants with its service-linked role alone.
"""

from __future__ import annotations

from aws_cdk import aws_applicationautoscaling as autoscaling
from constructs import Construct

from stacks.constructs.endpoint import SdxlEndpoint
from stacks.environment import ConcurrentRequests, InvocationsPerInstance, Scaling, ScheduledCapacity

_SERVICE_NAMESPACE = "sagemaker"
_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
_PREDEFINED_METRICS = {
    InvocationsPerInstance: "SageMakerVariantInvocationsPerInstance",
    ConcurrentRequests: "SageMakerVariantConcurrentRequestsPerModelHighResolution",
}


class RealTimeScaling(Construct):
    """Scalable target of a variant, one target tracking policy, and the scheduled changes of its bounds.

    `variant_name` is of `endpoint`; its first variant unless given.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        endpoint: SdxlEndpoint,
        scaling: Scaling,
        variant_name: str | None = None,
    ) -> None:
        super().__init__(scope, construct_id)
        variant = endpoint.variant_name if variant_name is None else variant_name
        stem = endpoint.endpoint_name if variant_name is None else f"{endpoint.endpoint_name}-{variant_name}"
        self.target = autoscaling.CfnScalableTarget(
            self,
            "Target",
            service_namespace=_SERVICE_NAMESPACE,
            scalable_dimension=_DIMENSION,
            resource_id=f"endpoint/{endpoint.endpoint_name}/variant/{variant}",
            min_capacity=scaling.min_capacity,
            max_capacity=scaling.max_capacity,
            scheduled_actions=[_scheduled_action(schedule) for schedule in scaling.schedules] or None,
        )
        # The resource id is only text: without this the target may be registered before its variant is there.
        self.target.add_resource_dependency(endpoint.endpoint)
        self.policy = autoscaling.CfnScalingPolicy(
            self,
            "Policy",
            policy_name=f"{stem}-{scaling.target.metric.replace('_', '-')}",
            policy_type="TargetTrackingScaling",
            scaling_target_id=self.target.ref,
            target_tracking_scaling_policy_configuration=(
                autoscaling.CfnScalingPolicy.TargetTrackingScalingPolicyConfigurationProperty(
                    target_value=scaling.target.target,
                    predefined_metric_specification=(
                        autoscaling.CfnScalingPolicy.PredefinedMetricSpecificationProperty(
                            predefined_metric_type=_PREDEFINED_METRICS[type(scaling.target)]
                        )
                    ),
                    scale_in_cooldown=scaling.scale_in_cooldown_seconds,
                    scale_out_cooldown=scaling.scale_out_cooldown_seconds,
                )
            ),
        )


def _scheduled_action(schedule: ScheduledCapacity) -> autoscaling.CfnScalableTarget.ScheduledActionProperty:
    return autoscaling.CfnScalableTarget.ScheduledActionProperty(
        scheduled_action_name=schedule.name,
        schedule=schedule.schedule,
        timezone=schedule.timezone,
        scalable_target_action=autoscaling.CfnScalableTarget.ScalableTargetActionProperty(
            min_capacity=schedule.min_capacity, max_capacity=schedule.max_capacity
        ),
    )
