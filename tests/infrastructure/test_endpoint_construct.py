"""The endpoint construct: its grants, and its scaling."""

from __future__ import annotations

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from infrastructure_synthesis import Synthesis, Template, logical_id, make_app, the

from stacks.constructs.endpoint import RealTimeEndpoint
from stacks.constructs.endpoint_scaling import RealTimeScaling
from stacks.environment import Endpoint, InvocationsPerInstance, OptimizedModel, Scaling, Variant

TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/own"


@pytest.fixture
def endpoint() -> RealTimeEndpoint:
    stack = cdk.Stack(make_app(), "Stack", env=cdk.Environment(account="111122223333", region="us-east-1"))
    return RealTimeEndpoint(
        stack,
        "Endpoint",
        endpoint_name="sdxl-test",
        variants=[
            Variant(
                name="primary",
                model=OptimizedModel(source="optimized", model_package_arn=PACKAGE),
                instance_types=("ml.g5.2xlarge",),
            )
        ],
        settings=Endpoint(),
        log_group=logs.LogGroup(stack, "Log"),
        execution_role=iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
    )


def test_granted_calls_are_of_this_endpoint_only(endpoint: RealTimeEndpoint) -> None:
    stack = cdk.Stack.of(endpoint)
    endpoint.grant_invoke(iam.Role(stack, "Caller", assumed_by=iam.AccountRootPrincipal()))

    statements = assertions.Template.from_stack(stack).find_resources("AWS::IAM::Policy")
    (policy,) = statements.values()
    assert policy["Properties"]["PolicyDocument"]["Statement"] == [
        {
            "Effect": "Allow",
            "Action": ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"],
            "Resource": "arn:aws:sagemaker:us-east-1:111122223333:endpoint/sdxl-test",
        }
    ]


def test_endpoint_without_scaling_has_no_scalable_target(dev: dict[str, Template]) -> None:
    assert not [found for found in dev["Inference"]["Resources"].values() if "AutoScaling" in found["Type"]]


def test_scaling_tracks_concurrent_requests(examples: Synthesis) -> None:
    template = examples.templates["staging"]["Inference"]

    assert the(template, TARGET) == {
        "ServiceNamespace": "sagemaker",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ResourceId": "endpoint/sdxl-staging/variant/primary",
        "MinCapacity": 1,
        "MaxCapacity": 2,
    }
    assert the(template, POLICY) == {
        "PolicyName": "sdxl-staging-concurrent-requests",
        "PolicyType": "TargetTrackingScaling",
        "ScalingTargetId": {"Ref": logical_id(template, TARGET)},
        "TargetTrackingScalingPolicyConfiguration": {
            "PredefinedMetricSpecification": {
                "PredefinedMetricType": "SageMakerVariantConcurrentRequestsPerModelHighResolution"
            },
            "TargetValue": 1,
            "ScaleInCooldown": 300,
            "ScaleOutCooldown": 60,
        },
    }


def test_scaling_tracks_invocations_per_instance_and_follows_the_clock(prod: dict[str, Template]) -> None:
    configuration = the(prod["Inference"], POLICY)["TargetTrackingScalingPolicyConfiguration"]

    assert configuration["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"
    }
    assert the(prod["Inference"], TARGET)["ScheduledActions"] == [
        {
            "ScheduledActionName": "night",
            "Schedule": "cron(0 20 * * ? *)",
            "Timezone": "Europe/Dublin",
            "ScalableTargetAction": {"MinCapacity": 1, "MaxCapacity": 2},
        },
        {
            "ScheduledActionName": "morning",
            "Schedule": "cron(0 7 * * ? *)",
            "Timezone": "Europe/Dublin",
            "ScalableTargetAction": {"MinCapacity": 2, "MaxCapacity": 8},
        },
    ]


def test_scalable_target_waits_for_the_endpoint(prod: dict[str, Template]) -> None:
    template = prod["Inference"]
    target = template["Resources"][logical_id(template, TARGET)]

    assert target["DependsOn"] == [logical_id(template, "AWS::SageMaker::Endpoint")]


def test_zero_is_kept_and_not_replaced_by_a_default(endpoint: RealTimeEndpoint) -> None:
    # Given zeros in every number of the scaling, one of which no environment file may hold
    scaling = Scaling.model_construct(
        min_capacity=0,
        max_capacity=2,
        target=InvocationsPerInstance(metric="invocations_per_instance", target=0.5),
        scale_in_cooldown_seconds=0,
        scale_out_cooldown_seconds=0,
        schedules=(),
    )

    RealTimeScaling(cdk.Stack.of(endpoint), "Scaling", endpoint=endpoint, scaling=scaling)

    template = assertions.Template.from_stack(cdk.Stack.of(endpoint))
    template.has_resource_properties(TARGET, {"MinCapacity": 0, "MaxCapacity": 2})
    template.has_resource_properties(
        POLICY,
        {
            "TargetTrackingScalingPolicyConfiguration": {
                "TargetValue": 0.5,
                "ScaleInCooldown": 0,
                "ScaleOutCooldown": 0,
            }
        },
    )
