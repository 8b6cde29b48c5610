"""Endpoints of each mode: what their configuration says, what roles may do, and that no scaling fits another mode."""

from __future__ import annotations

import json
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import aws_iam as iam
from aws_cdk import aws_logs as logs
from infrastructure_synthesis import Synthesis, Template, make_app, resources, the, with_names

from stacks.constructs.endpoint import RealTimeEndpoint
from stacks.constructs.endpoint_scaling import AsynchronousScaling, ComponentScaling, RealTimeScaling
from stacks.environment import Endpoint, OptimizedModel, Scaling, Variant

CONFIG = "AWS::SageMaker::EndpointConfig"
TARGET = "AWS::ApplicationAutoScaling::ScalableTarget"
POLICY = "AWS::ApplicationAutoScaling::ScalingPolicy"
COMPONENT = "AWS::SageMaker::InferenceComponent"


@pytest.fixture(scope="module")
def asynchronous(access: Synthesis) -> Any:
    return access.templates["async"]


@pytest.fixture(scope="module")
def components(access: Synthesis) -> Any:
    return access.templates["components"]


def policies(template: Template) -> dict[str, Any]:
    """Scaling policies by type."""
    found = [item["Properties"] for item in resources(template, POLICY).values()]
    return {properties["PolicyType"]: properties for properties in found}


def statements(template: Template, description: str) -> list[dict[str, Any]]:
    """What the managed policy with this description allows."""
    (policy,) = (
        item["Properties"]
        for item in resources(template, "AWS::IAM::ManagedPolicy").values()
        if item["Properties"]["Description"] == description
    )
    found: list[dict[str, Any]] = policy["PolicyDocument"]["Statement"]
    return found


def allowed(template: Template, description: str, action: str) -> tuple[Any, Any]:
    """Resources and condition of the statements that allow `action`."""
    found = [one for one in statements(template, description) if action in ([*one["Action"], one["Action"]])]
    assert found, action
    return [one["Resource"] for one in found], [one.get("Condition") for one in found]


def test_an_asynchronous_endpoint_writes_encrypted_results_and_announces_them(asynchronous: Any) -> None:
    template = asynchronous["Inference"]
    config = the(template, CONFIG)["AsyncInferenceConfig"]
    topics = {item["Properties"]["TopicName"]: name for name, item in resources(template, "AWS::SNS::Topic").items()}

    assert config["ClientConfig"] == {"MaxConcurrentInvocationsPerInstance": 1}
    output = config["OutputConfig"]
    assert json.dumps(output["S3OutputPath"]).endswith('"/asynchronous/output"]]}')
    assert json.dumps(output["S3FailurePath"]).endswith('"/asynchronous/failure"]]}')
    assert "Key" in json.dumps(output["KmsKeyId"])
    assert output["NotificationConfig"] == {
        "SuccessTopic": {"Ref": topics["sdxl-async-succeeded"]},
        "ErrorTopic": {"Ref": topics["sdxl-async-failed"]},
    }
    for item in resources(template, "AWS::SNS::Topic").values():
        assert item["Properties"]["KmsMasterKeyId"] == output["KmsKeyId"]
    assert {"SuccessTopicArn", "ErrorTopicArn"} <= template["Outputs"].keys()


def test_the_execution_role_reads_inputs_writes_results_and_publishes_and_no_more(asynchronous: Any) -> None:
    template, role = asynchronous["Inference"], "SageMaker execution role of the SDXL endpoint"
    actions = {
        action
        for one in statements(template, role)
        for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
    }

    assert {action for action in actions if action.startswith(("s3:", "sns:", "kms:"))} == {
        *(
            "s3:GetObject",
            "s3:PutObject",
            "s3:AbortMultipartUpload",
            "sns:Publish",
            "kms:Decrypt",
            "kms:GenerateDataKey",
        )
    }
    assert "/asynchronous/input/*" in json.dumps(allowed(template, role, "s3:GetObject"))
    written = json.dumps(allowed(template, role, "s3:PutObject"))
    assert "/asynchronous/output/*" in written
    assert "/asynchronous/failure/*" in written
    assert "/asynchronous/input/*" not in written
    _, (condition,) = allowed(template, role, "kms:GenerateDataKey")
    assert condition == {
        "StringEquals": {"kms:ViaService": ["s3.us-east-1.amazonaws.com", "sns.us-east-1.amazonaws.com"]}
    }


def test_the_function_may_queue_requests_put_inputs_and_read_results(asynchronous: Any) -> None:
    template, role = asynchronous["Api"], "Execution role of the SDXL image API function"

    (endpoint,), _ = allowed(template, role, "sagemaker:InvokeEndpointAsync")
    assert endpoint == "arn:aws:sagemaker:us-east-1:111122223333:endpoint/sdxl-async"
    assert "sagemaker:InvokeEndpoint" not in json.dumps(statements(template, role)).split('"')
    text = json.dumps(allowed(template, role, "s3:GetObject"))
    assert all(f"/asynchronous/{place}/*" in text for place in ("input", "output", "failure"))
    written = json.dumps(allowed(template, role, "s3:PutObject"))
    assert "/asynchronous/input/*" in written
    assert "/asynchronous/output/*" not in written


def test_a_queue_scales_the_endpoint_and_an_alarm_wakes_it(asynchronous: Any) -> None:
    template = asynchronous["Inference"]
    tracking, step = policies(template)["TargetTrackingScaling"], policies(template)["StepScaling"]
    (alarm_id,) = (
        name
        for name, item in resources(template, "AWS::CloudWatch::Alarm").items()
        if item["Properties"]["AlarmName"] == "sdxl-async-wake"
    )
    alarm = template["Resources"][alarm_id]["Properties"]
    (step_id,) = (name for name, item in resources(template, POLICY).items() if item["Properties"] == step)

    assert the(template, TARGET)["ResourceId"] == "endpoint/sdxl-async/variant/primary"
    assert (the(template, TARGET)["MinCapacity"], the(template, TARGET)["MaxCapacity"]) == (0, 4)
    assert tracking["TargetTrackingScalingPolicyConfiguration"]["CustomizedMetricSpecification"] == {
        "Namespace": "AWS/SageMaker",
        "MetricName": "ApproximateBacklogSizePerInstance",
        "Dimensions": [{"Name": "EndpointName", "Value": "sdxl-async"}],
        "Statistic": "Average",
    }
    assert step["StepScalingPolicyConfiguration"]["StepAdjustments"] == [
        {"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}
    ]
    # Longer than an instance takes to start.
    assert step["StepScalingPolicyConfiguration"]["Cooldown"] == 900
    assert alarm["AlarmActions"] == [{"Ref": step_id}]
    assert (alarm["MetricName"], alarm["Period"], alarm["EvaluationPeriods"], alarm["DatapointsToAlarm"]) == (
        *("HasBacklogWithoutCapacity", 60, 2, 2),
    )
    assert alarm["Dimensions"] == [{"Name": "EndpointName", "Value": "sdxl-async"}]
    assert alarm["TreatMissingData"] == "missing"


def test_an_endpoint_with_a_component_has_no_model_of_its_own(components: Any) -> None:
    template = components["Inference"]
    config = the(template, CONFIG)
    (variant,) = config["ProductionVariants"]
    component = the(template, COMPONENT)

    assert "ModelName" not in variant
    assert "InitialVariantWeight" not in variant
    assert variant["ManagedInstanceScaling"] == {
        "Status": "ENABLED",
        "MinInstanceCount": 0,
        "MaxInstanceCount": 3,
    }
    assert "EndpointExecutionRole" in json.dumps(config["ExecutionRoleArn"])
    assert config["EnableNetworkIsolation"] is True
    assert component["RuntimeConfig"] == {"CopyCount": 1}
    assert component["Specification"]["ComputeResourceRequirements"]["NumberOfAcceleratorDevicesRequired"] == 1
    assert component["Specification"]["StartupParameters"] == {
        "ContainerStartupHealthCheckTimeoutInSeconds": 600,
        "ModelDataDownloadTimeoutInSeconds": 1200,
    }
    assert "DeploymentConfig" not in the(template, "AWS::SageMaker::Endpoint")


def test_calls_scale_the_copies_and_an_alarm_wakes_them(components: Any) -> None:
    template = components["Inference"]
    target = the(template, TARGET)
    (alarm,) = (item["Properties"] for item in resources(template, "AWS::CloudWatch::Alarm").values())

    assert target["ResourceId"] == "inference-component/sdxl-components"
    assert target["ScalableDimension"] == "sagemaker:inference-component:DesiredCopyCount"
    tracking = policies(template)["TargetTrackingScaling"]["TargetTrackingScalingPolicyConfiguration"]
    assert tracking["PredefinedMetricSpecification"] == {
        "PredefinedMetricType": "SageMakerInferenceComponentConcurrentRequestsPerCopyHighResolution"
    }
    assert (alarm["MetricName"], alarm["Statistic"], alarm["Period"], alarm["EvaluationPeriods"]) == (
        *("NoCapacityInvocationFailures", "Maximum", 30, 1),
    )
    assert alarm["Dimensions"] == [{"Name": "InferenceComponentName", "Value": "sdxl-components"}]


def test_the_function_may_call_the_component_on_its_endpoint(components: Any) -> None:
    template, role = components["Api"], "Execution role of the SDXL image API function"
    found, _ = allowed(template, role, "sagemaker:InvokeEndpoint")
    variables = next(
        item["Properties"]["Environment"]["Variables"]
        for item in resources(template, "AWS::Lambda::Function").values()
        if item["Properties"]["Handler"] == "image_api.api.handler"
    )

    assert found == [
        "arn:aws:sagemaker:us-east-1:111122223333:endpoint/sdxl-components",
        "arn:aws:sagemaker:us-east-1:111122223333:inference-component/sdxl-components",
    ]
    assert variables["SDXL_INFERENCE_COMPONENT"] == "sdxl-components"


def test_an_endpoint_that_keeps_an_instance_has_no_wake_policy(synth: Any) -> None:
    scaling = {"min_capacity": 1, "max_capacity": 2, "target": {"metric": "backlog_per_instance", "target": 5}}

    template = synth(endpoint={"mode": "asynchronous"}, scaling=scaling)["Inference"]

    assert policies(template).keys() == {"TargetTrackingScaling"}
    names = [item["Properties"]["AlarmName"] for item in resources(template, "AWS::CloudWatch::Alarm").values()]
    assert "sdxl-test-wake" not in names


def test_an_asynchronous_endpoint_s_update_is_guarded(synth: Any) -> None:
    template = synth(endpoint={"mode": "asynchronous"})["Inference"]
    deployment = the(template, "AWS::SageMaker::Endpoint")["DeploymentConfig"]

    watched = with_names(template, deployment["AutoRollbackConfiguration"]["Alarms"])
    assert [alarm["AlarmName"] for alarm in watched] == [
        "sdxl-test-update-errors",
        "sdxl-test-update-latency",
        "sdxl-test-update-crashes",
    ]


NETWORK = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
    "vpc_endpoints": "create",
    "route_table_ids": ["rtb-0123456789abcdef0"],
}


@pytest.mark.parametrize(
    ("mode", "action", "called"),
    [
        ("asynchronous", "sagemaker:InvokeEndpointAsync", ["endpoint/sdxl-test"]),
        ("components", "sagemaker:InvokeEndpoint", ["endpoint/sdxl-test", "inference-component/sdxl-test"]),
    ],
)
def test_vpc_endpoints_let_the_mode_s_calls_through(synth: Any, mode: str, action: str, called: list[str]) -> None:
    template = synth(endpoint={"mode": mode}, network=NETWORK)["Network"]
    by_service = {
        str(item["Properties"]["ServiceName"]).rpartition("us-east-1.")[2]: item["Properties"]["PolicyDocument"]
        for item in resources(template, "AWS::EC2::VPCEndpoint").values()
    }

    (statement,) = by_service["sagemaker.runtime"]["Statement"]
    found = statement["Resource"] if isinstance(statement["Resource"], list) else [statement["Resource"]]
    assert (statement["Action"], [arn.split(":", 5)[5] for arn in found]) == (action, called)
    assert ("/asynchronous/*" in json.dumps(by_service["s3"])) == (mode == "asynchronous")


def test_a_used_up_budget_stops_queued_calls_too(synth: Any) -> None:
    budget = {"monthly_usd": 100, "action": {"approval": "automatic"}}
    operations = {"emails": ["oncall@example.com"], "budget": budget}

    template = synth(endpoint={"mode": "asynchronous"}, operations=operations)["Operations"]

    denied = [
        one
        for item in resources(template, "AWS::IAM::ManagedPolicy").values()
        for one in item["Properties"]["PolicyDocument"]["Statement"]
        if one["Effect"] == "Deny"
    ]
    assert any("sagemaker:InvokeEndpointAsync" in one["Action"] for one in denied)


def test_alarms_watch_what_each_mode_publishes(asynchronous: Any, components: Any) -> None:
    names = {
        mode: {item["Properties"]["AlarmName"] for item in resources(templates, "AWS::CloudWatch::Alarm").values()}
        for mode, templates in (("async", asynchronous["Operations"]), ("components", components["Operations"]))
    }

    assert {"sdxl-async-backlog-without-capacity", "sdxl-async-oldest-request"} <= names["async"]
    assert "sdxl-components-no-capacity" in names["components"]
    # At zero no instance reports, and that is how it should be.
    assert not [name for found in names.values() for name in found if "no-healthy-instance" in name]
    assert "sdxl-async-model-latency" not in names["async"]


def test_a_target_of_another_mode_is_a_type_error() -> None:
    stack = cdk.Stack(make_app(), "Stack", env=cdk.Environment(account="111122223333", region="us-east-1"))
    package = "arn:aws:sagemaker:us-east-1:111122223333:model-package/own"
    model = OptimizedModel(source="optimized", model_package_arn=package)
    endpoint = RealTimeEndpoint(
        stack,
        "Endpoint",
        endpoint_name="sdxl-test",
        variants=[Variant(name="primary", model=model, instance_types=("ml.g5.2xlarge",))],
        settings=Endpoint(),
        log_group=logs.LogGroup(stack, "Log"),
        execution_role=iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
    )
    backlog = Scaling.model_validate({"max_capacity": 2, "target": {"metric": "backlog_per_instance", "target": 5}})
    concurrent = Scaling.model_validate({"max_capacity": 2, "target": {"metric": "concurrent_requests", "target": 1}})

    with pytest.raises(TypeError, match="'backlog_per_instance' is not one that an endpoint of mode 'real-time'"):
        RealTimeScaling(stack, "Scaling", endpoint=endpoint, scaling=backlog)
    for scaling_of, mode in ((AsynchronousScaling, "asynchronous"), (ComponentScaling, "components")):
        with pytest.raises(TypeError, match=f"'concurrent_requests' is not one that an endpoint of mode '{mode}'"):
            # The endpoint, too, is of another mode, which mypy finds.
            scaling_of(stack, mode, endpoint=endpoint, scaling=concurrent)  # type: ignore[arg-type]
