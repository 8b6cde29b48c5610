"""The inference stack: model, endpoint configuration, endpoint and execution role."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import aws_cdk as cdk
import pytest
from aws_cdk import assertions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from infrastructure_synthesis import Synthesis, Template, logical_id, make_app, resources, the, with_names

from stacks.catalog import load_catalog
from stacks.constructs.endpoint import RealTimeEndpoint
from stacks.constructs.model_container import InferenceContainer
from stacks.environment import Endpoint, OptimizedModel, Variant

MODEL = "AWS::SageMaker::Model"
ENDPOINT_CONFIG = "AWS::SageMaker::EndpointConfig"
ENDPOINT = "AWS::SageMaker::Endpoint"
PACKAGE = "arn:aws:sagemaker:us-east-1:111122223333:model-package/own"
ROLE = "AWS::IAM::Role"
POLICY = "AWS::IAM::ManagedPolicy"


def test_open_model_is_the_catalogs_container_with_text_variables(dev: dict[str, Template]) -> None:
    container = load_catalog().open_container("us-east-1")
    model = the(dev["Inference"], MODEL)

    assert model["PrimaryContainer"] == {
        "Image": container.image_uri,
        "ModelDataUrl": container.model_data_url,
        "Environment": container.environment,
    }
    assert all(isinstance(value, str) for value in model["PrimaryContainer"]["Environment"].values())
    assert model["EnableNetworkIsolation"] is True


def test_optimized_model_is_a_model_package_without_variables(prod: dict[str, Template]) -> None:
    model = the(prod["Inference"], MODEL)

    assert model["PrimaryContainer"] == {"ModelPackageName": load_catalog().optimized_package_arn("eu-west-1")}
    assert model["EnableNetworkIsolation"] is True


def test_model_package_of_the_environment_goes_before_the_catalogs(synth: Callable[..., dict[str, Template]]) -> None:
    arn = "arn:aws:sagemaker:us-east-1:111122223333:model-package/own-copy"
    template = synth(model={"source": "optimized", "model_package_arn": arn})["Inference"]

    assert the(template, MODEL)["PrimaryContainer"] == {"ModelPackageName": arn}


def test_only_the_endpoint_has_a_name(dev: dict[str, Template]) -> None:
    template = dev["Inference"]

    assert "ModelName" not in the(template, MODEL)
    assert "EndpointConfigName" not in the(template, ENDPOINT_CONFIG)
    # How it is updated is tested by itself.
    endpoint = {name: value for name, value in the(template, ENDPOINT).items() if name != "DeploymentConfig"}
    assert endpoint == {
        "EndpointName": "sdxl-dev",
        "EndpointConfigName": {"Fn::GetAtt": [logical_id(template, ENDPOINT_CONFIG), "EndpointConfigName"]},
        "RetainAllVariantProperties": True,
        "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredInstanceCount"}],
    }


def test_an_update_leaves_the_instance_count_to_scaling(examples: Synthesis) -> None:
    endpoint = the(examples.templates["prod"]["Inference"], ENDPOINT)

    assert endpoint["RetainAllVariantProperties"] is True
    assert "ExcludeRetainedVariantProperties" not in endpoint


def test_variant_has_the_environments_count_and_timeouts(synth: Callable[..., dict[str, Template]]) -> None:
    template = synth(
        endpoint={
            "instance_count": 3,
            "variant_weight": 0,
            "model_download_timeout_seconds": 3600,
            "health_check_timeout_seconds": 60,
        }
    )["Inference"]

    assert the(template, ENDPOINT_CONFIG) == {
        "ProductionVariants": [
            {
                "VariantName": "primary",
                "ModelName": {"Fn::GetAtt": [logical_id(template, MODEL), "ModelName"]},
                "InstanceType": "ml.g5.4xlarge",
                "InitialInstanceCount": 3,
                "InitialVariantWeight": 0,
                "ModelDataDownloadTimeoutInSeconds": 3600,
                "ContainerStartupHealthCheckTimeoutInSeconds": 60,
            }
        ],
        "MetricsConfig": {"EnableDetailedObservability": False},
    }


def test_detailed_metrics_are_on_where_the_file_says_so(synth: Callable[..., dict[str, Template]]) -> None:
    template = synth(endpoint={"detailed_metrics": True})["Inference"]

    assert the(template, ENDPOINT_CONFIG)["MetricsConfig"] == {"EnableDetailedObservability": True}


def test_several_instance_types_become_pools_in_order_of_preference(examples: Synthesis) -> None:
    (variant,) = the(examples.templates["staging"]["Inference"], ENDPOINT_CONFIG)["ProductionVariants"]

    assert variant["InstancePools"] == [
        {"InstanceType": "ml.g5.4xlarge", "Priority": 1},
        {"InstanceType": "ml.g5.8xlarge", "Priority": 2},
    ]
    assert "InstanceType" not in variant


def test_role_and_its_permissions_exist_before_the_model(dev: dict[str, Template]) -> None:
    template = dev["Inference"]
    found = template["Resources"]
    policy, model = (logical_id(template, kind) for kind in (POLICY, MODEL))

    assert policy in found[model]["DependsOn"]
    assert imported_role(found[policy]["Properties"]["Roles"][0]) == logical_id(dev["Storage"], ROLE)
    assert imported_role(found[model]["Properties"]["ExecutionRoleArn"]) == logical_id(dev["Storage"], ROLE)


def imported_role(value: dict[str, str]) -> str:
    """Logical id of the role of the storage stack that `value` imports."""
    found = re.fullmatch(
        r"sdxl-dev-Storage:ExportsOutput(?:Ref|FnGetAtt)(EndpointExecutionRole.{8}).*", value["Fn::ImportValue"]
    )
    assert found is not None, value
    return found[1]


def test_execution_role_outlives_the_endpoint(dev: dict[str, Template]) -> None:
    assert resources(dev["Inference"], ROLE) == {}
    # The stack that has it is deleted last: all others use its key.
    assert resources(dev["Storage"], ROLE)[logical_id(dev["Storage"], ROLE)].get("DeletionPolicy", "Delete") == "Delete"


def test_role_of_models_in_a_vpc_keeps_what_removes_their_interfaces(access: Synthesis) -> None:
    stacks = access.templates["vpc"]
    role = the(stacks["Storage"], ROLE)
    removal = {
        action
        for statement in the(stacks["Storage"], POLICY)["PolicyDocument"]["Statement"]
        for action in statement["Action"]
    }
    creation = json.dumps(the(stacks["Inference"], POLICY)["PolicyDocument"])

    assert role["ManagedPolicyArns"] == [{"Ref": logical_id(stacks["Storage"], POLICY)}]
    assert {"ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"} < removal
    assert '"ec2:CreateNetworkInterface"' in creation
    assert "ec2:Delete" not in creation


def test_log_group_that_somebody_deletes_is_not_made_again_by_the_endpoint(dev: dict[str, Template]) -> None:
    assert "logs:CreateLogGroup" not in json.dumps(dev)


def statements(template: Template) -> list[tuple[list[str], list[str], object]]:
    found = []
    for statement in the(template, POLICY)["PolicyDocument"]["Statement"]:
        assert statement["Effect"] == "Allow"
        action, resource = statement["Action"], with_names(template, statement["Resource"])
        found.append(
            (
                [action] if isinstance(action, str) else action,
                sorted("".join(one["Fn::Join"][1]) if isinstance(one, dict) else one for one in as_list(resource)),
                statement.get("Condition"),
            )
        )
    return found


def as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


LOG_GROUP = "arn:aws:logs:{}:{}:log-group:{}"
METRICS_ONLY = {"StringEquals": {"cloudwatch:namespace": ["AWS/SageMaker", "/aws/sagemaker/Endpoints"]}}
LOG_ACTIONS = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]


def test_execution_role_of_the_open_model_is_exact(dev: dict[str, Template]) -> None:
    name = "/aws/sagemaker/Endpoints/sdxl-dev"
    group = LOG_GROUP.format("us-east-1", "111122223333", name)
    bucket = "arn:aws:s3:::jumpstart-cache-prod-us-east-1"
    key = load_catalog().open.artifact_key
    alarm = "arn:aws:cloudwatch:us-east-1:111122223333:alarm:sdxl-dev-update"
    repository = "arn:aws:ecr:us-east-1:763104351884:repository/stabilityai-pytorch-inference"

    assert statements(dev["Inference"]) == [
        (LOG_ACTIONS, [f"<ARN of {name}>", group], None),
        (["cloudwatch:PutMetricData"], ["*"], METRICS_ONLY),
        (["cloudwatch:DescribeAlarms"], [f"{alarm}-{what}" for what in ("crashes", "errors", "latency")], None),
        (["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [repository], None),
        (["ecr:GetAuthorizationToken"], ["*"], None),
        (["s3:GetObject"], [f"{bucket}/{key}"], None),
        (["s3:ListBucket"], [bucket], None),
    ]


def test_execution_role_of_a_model_package_reads_nothing(prod: dict[str, Template]) -> None:
    name = "/aws/sagemaker/Endpoints/sdxl-prod"
    group = LOG_GROUP.format("eu-west-1", "777788889999", name)

    assert statements(prod["Inference"]) == [
        (LOG_ACTIONS, [f"<ARN of {name}>", group], None),
        (["cloudwatch:PutMetricData"], ["*"], METRICS_ONLY),
    ]


def test_only_sagemaker_assumes_the_execution_role(dev: dict[str, Template]) -> None:
    (statement,) = the(dev["Storage"], ROLE)["AssumeRolePolicyDocument"]["Statement"]

    assert statement["Principal"] == {"Service": "sagemaker.amazonaws.com"}
    assert statement["Condition"] == {"StringEquals": {"aws:SourceAccount": "111122223333"}}


def test_log_group_of_the_endpoint_is_encrypted_and_expires(prod: dict[str, Template]) -> None:
    log_group = the(prod["Inference"], "AWS::Logs::LogGroup")

    assert log_group["LogGroupName"] == "/aws/sagemaker/Endpoints/sdxl-prod"
    assert log_group["RetentionInDays"] == 365
    assert "Fn::ImportValue" in log_group["KmsKeyId"]


def test_switching_the_variant_changes_the_model_and_keeps_the_endpoint(examples: Synthesis) -> None:
    before, after = (examples.templates[name]["Inference"] for name in ("dev", "switched"))

    assert the(before, MODEL)["PrimaryContainer"].keys() != the(after, MODEL)["PrimaryContainer"].keys()
    for kind in (MODEL, ENDPOINT_CONFIG, ENDPOINT):
        assert logical_id(before, kind) == logical_id(after, kind)
    assert before["Outputs"]["ModelSource"]["Value"] == "open"
    assert after["Outputs"]["ModelSource"]["Value"] == "optimized"
    assert before["Outputs"]["EndpointName"]["Value"] == "sdxl-dev"


def endpoint_template(
    *, instance_types: Sequence[str] = ("ml.g6e.xlarge",), volume_key: str | None = None
) -> assertions.Template:
    stack = cdk.Stack(make_app(), "Stack", env=cdk.Environment(account="111122223333", region="us-east-1"))
    RealTimeEndpoint(
        stack,
        "Endpoint",
        endpoint_name="sdxl-test",
        variants=[
            Variant(
                name="primary",
                model=OptimizedModel(source="optimized", model_package_arn=PACKAGE),
                instance_types=tuple(instance_types),
            )
        ],
        settings=Endpoint(),
        log_group=logs.LogGroup(stack, "Log"),
        execution_role=iam.Role(stack, "Role", assumed_by=iam.ServicePrincipal("sagemaker.amazonaws.com")),
        volume_key=None if volume_key is None else kms.Key.from_key_arn(stack, "Key", volume_key),
    )
    return assertions.Template.from_stack(stack)


def test_volume_key_is_set_where_the_instance_type_allows_it() -> None:
    key = "arn:aws:kms:us-east-1:111122223333:key/volume"

    endpoint_template(volume_key=key).has_resource_properties(ENDPOINT_CONFIG, {"KmsKeyId": key})


def test_endpoint_without_instance_types_is_refused() -> None:
    with pytest.raises(
        ValueError, match="instance_types of the variant 'primary' is empty: name at least one instance type"
    ):
        endpoint_template(instance_types=[])


@pytest.mark.parametrize(
    ("image", "artifact", "message"),
    [
        ("python:3.13", "s3://bucket/model.tar.gz", r"image_uri is 'python:3.13': expected an image in Amazon ECR"),
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/image:1",
            "https://bucket/model",
            r"model_data_url is 'https://bucket/model': expected one object, s3://",
        ),
        (
            "763104351884.dkr.ecr.us-east-1.amazonaws.com/image:1",
            "s3://bucket/folder/",
            r"model_data_url is 's3://bucket/folder/': expected one object",
        ),
    ],
)
def test_container_out_of_reach_of_exact_permissions_is_refused(image: str, artifact: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        InferenceContainer(image_uri=image, model_data_url=artifact)
