"""Endpoints: what serves them, what an update keeps, and what SageMaker refuses."""

from __future__ import annotations

from typing import Any

import pytest
from cloudformation_support import ROLE, FakeContainers, Stacks

from emulator.monitoring.clock import SPEED_VARIABLE


def endpoint(instance_type: str = "ml.g5.4xlarge", count: int | str = 1, image: str = "image", **settings: Any) -> Any:
    variant = {
        "VariantName": "primary",
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InitialInstanceCount": count,
        "InitialVariantWeight": "0",
        "InstanceType": instance_type,
    }
    container = {"Image": image, "ModelDataUrl": "s3://b/k"}
    role = {"Fn::GetAtt": ["R", "Arn"]}
    config = {"Fn::GetAtt": ["Config", "EndpointConfigName"]}
    return {
        "R": ROLE,
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {"PrimaryContainer": container, "ExecutionRoleArn": role, "EnableNetworkIsolation": "true"},
        },
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {"EndpointName": "sdxl", "EndpointConfigName": config, **settings},
        },
    }


TARGET = {
    "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
    "DependsOn": "Endpoint",
    "Properties": {
        "MaxCapacity": "4",
        "MinCapacity": "1",
        "ResourceId": "endpoint/sdxl/variant/primary",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ServiceNamespace": "sagemaker",
        "ScheduledActions": [
            {
                "ScheduledActionName": "night",
                "Schedule": "cron(0 20 * * ? *)",
                "ScalableTargetAction": {"MinCapacity": "0", "MaxCapacity": "0"},
            }
        ],
    },
}


def test_an_endpoint_is_served_by_its_models_container_and_moves_to_the_next(
    stacks: Stacks, client: Any, containers: FakeContainers
) -> None:
    stacks.deploy(endpoint())
    sagemaker = client("sagemaker")
    model = sagemaker.describe_model(ModelName=sagemaker.list_models()["Models"][0]["ModelName"])
    assert model["EnableNetworkIsolation"] is True
    variant = sagemaker.describe_endpoint(EndpointName="sdxl")["ProductionVariants"][0]
    assert (variant["CurrentInstanceCount"], variant["CurrentWeight"]) == (1, 0.0)
    assert containers.running == {("sdxl", "primary"): "image"}

    stacks.deploy(endpoint("ml.g5.2xlarge", image="other"))

    assert containers.running == {("sdxl", "primary"): "other"}
    assert len(sagemaker.list_models()["Models"]) == 1
    assert len(sagemaker.list_endpoint_configs()["EndpointConfigs"]) == 1
    stacks.api.delete_stack(StackName="stack")
    assert containers.running == {}


def test_an_update_to_a_container_that_does_not_start_is_rolled_back(
    stacks: Stacks, client: Any, containers: FakeContainers
) -> None:
    stacks.deploy(endpoint())
    containers.broken.add("bad")

    assert stacks.deploy(endpoint(image="bad")) == "UPDATE_ROLLBACK_COMPLETE"

    assert "bad did not pass the ping health check" in stacks.reasons()
    assert client("sagemaker").describe_endpoint(EndpointName="sdxl")["EndpointStatus"] == "InService"
    assert containers.running == {("sdxl", "primary"): "image"}
    assert len(client("sagemaker").list_models()["Models"]) == 1


@pytest.mark.parametrize(
    ("settings", "count"),
    [
        ({}, 2),
        ({"RetainAllVariantProperties": "true"}, 3),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
            },
            2,
        ),
    ],
)
def test_an_update_keeps_the_scaled_count_only_where_it_is_to_be_retained(
    stacks: Stacks, client: Any, containers: FakeContainers, settings: dict[str, Any], count: int
) -> None:
    stacks.deploy(endpoint(**settings))
    scaled = [{"VariantName": "primary", "DesiredInstanceCount": 3, "DesiredWeight": 1.0}]
    client("sagemaker").update_endpoint_weights_and_capacities(EndpointName="sdxl", DesiredWeightsAndCapacities=scaled)

    stacks.deploy(endpoint(count=2, **settings))

    variant = client("sagemaker").describe_endpoint(EndpointName="sdxl")["ProductionVariants"][0]
    assert variant["DesiredInstanceCount"] == count


def test_a_scaled_variants_instance_type_changes_only_after_its_target_is_gone(
    stacks: Stacks, client: Any, containers: FakeContainers
) -> None:
    stacks.deploy({**endpoint(), "Target": TARGET})
    actions = client("application-autoscaling").describe_scheduled_actions(ServiceNamespace="sagemaker")
    assert actions["ScheduledActions"][0]["ScalableTargetAction"] == {"MinCapacity": 0, "MaxCapacity": 0}

    assert stacks.deploy({**endpoint("ml.g5.2xlarge"), "Target": TARGET}) == "UPDATE_ROLLBACK_COMPLETE"
    assert 'The variant(s) "primary" must be deregistered as scalable targets' in stacks.reasons()

    stacks.deploy(endpoint())
    assert stacks.deploy(endpoint("ml.g5.2xlarge")) == "UPDATE_COMPLETE"


def test_an_instance_type_that_sagemaker_does_not_have_is_refused(stacks: Stacks, containers: FakeContainers) -> None:
    assert stacks.deploy(endpoint("ml.nonsense.large")) == "ROLLBACK_COMPLETE"
    assert "ml.nonsense.large" in stacks.reasons()


def guarded(kind: str, *, most_seconds: int = 3600, alarms: tuple[str, ...] = (), **routing: Any) -> dict[str, Any]:
    """Settings of an endpoint whose updates are guarded."""
    routing = {"Type": kind, "WaitIntervalInSeconds": 60, **routing}
    policy = {"TrafficRoutingConfiguration": routing, "MaximumExecutionTimeoutInSeconds": most_seconds}
    rollback = {"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": name} for name in alarms]}} if alarms else {}
    return {"DeploymentConfig": {"BlueGreenUpdatePolicy": policy, **rollback}}


@pytest.mark.parametrize(
    ("settings", "shares"),
    [
        (guarded("ALL_AT_ONCE"), [1.0]),
        (guarded("CANARY", CanarySize={"Type": "CAPACITY_PERCENT", "Value": 20}), [0.2, 1.0]),
        (guarded("CANARY", CanarySize={"Type": "INSTANCE_COUNT", "Value": 1}), [0.25, 1.0]),
        (guarded("LINEAR", LinearStepSize={"Type": "CAPACITY_PERCENT", "Value": 30}), [0.3, 0.6, 0.9, 1.0]),
        (
            guarded("LINEAR", LinearStepSize={"Type": "CAPACITY_PERCENT", "Value": 10}),
            [*(n / 10 for n in range(1, 11))],
        ),
    ],
)
def test_traffic_moves_in_the_steps_of_the_deployment_config(
    stacks: Stacks, containers: FakeContainers, settings: dict[str, Any], shares: list[float], monkeypatch: Any
) -> None:
    monkeypatch.setenv(SPEED_VARIABLE, "10000")
    stacks.deploy(endpoint(count=4, **settings))

    assert stacks.deploy(endpoint(count=4, image="new", **settings)) == "UPDATE_COMPLETE"

    assert containers.shares == pytest.approx(shares)
    assert containers.running == {("sdxl", "primary"): "new"}


def test_an_update_that_takes_too_long_is_taken_back(
    stacks: Stacks, containers: FakeContainers, monkeypatch: Any
) -> None:
    monkeypatch.setenv(SPEED_VARIABLE, "1000")
    settings = guarded(
        "LINEAR", most_seconds=600, WaitIntervalInSeconds=120, LinearStepSize={"Type": "CAPACITY_PERCENT", "Value": 10}
    )
    stacks.deploy(endpoint(**settings))

    assert stacks.deploy(endpoint(image="new", **settings)) == "UPDATE_ROLLBACK_COMPLETE"

    assert "The deployment of endpoint sdxl took longer than 600 s and was rolled back." in stacks.reasons()
    assert containers.running == {("sdxl", "primary"): "image"}


def test_an_alarm_that_is_on_takes_an_update_back_before_the_next_step(
    stacks: Stacks, client: Any, containers: FakeContainers, monkeypatch: Any
) -> None:
    monkeypatch.setenv(SPEED_VARIABLE, "1000")
    canary = guarded("CANARY", alarms=("errors",), CanarySize={"Type": "CAPACITY_PERCENT", "Value": 50})
    stacks.deploy(endpoint(count=2, **canary))
    client("cloudwatch").put_metric_alarm(
        AlarmName="errors",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanOrEqualToThreshold",
        TreatMissingData="breaching",
    )

    assert stacks.deploy(endpoint(count=2, image="new", **canary)) == "UPDATE_ROLLBACK_COMPLETE"

    assert "alarm(s) errors went off" in stacks.reasons()
    assert containers.shares == [0.5]
    assert client("sagemaker").describe_endpoint(EndpointName="sdxl")["EndpointStatus"] == "InService"
    assert containers.running == {("sdxl", "primary"): "image"}


def test_a_scaled_variant_is_renamed_only_after_its_target_is_gone(
    stacks: Stacks, client: Any, containers: FakeContainers
) -> None:
    stacks.deploy({**endpoint(), "Target": TARGET})
    renamed = endpoint()
    renamed["Config"]["Properties"]["ProductionVariants"][0]["VariantName"] = "other"

    assert stacks.deploy(renamed) == "UPDATE_ROLLBACK_COMPLETE"
    assert 'The variant(s) "primary" must be deregistered as scalable targets' in stacks.reasons()

    stacks.deploy(endpoint())
    assert stacks.deploy(renamed) == "UPDATE_COMPLETE"
    assert containers.running == {("sdxl", "other"): "image"}
