"""`sdxl preflight`: what is deployed already, names that are taken, and resources that the environment names."""

import pytest
from preflight_fakes import (
    ACCOUNT,
    KEY,
    NETWORK,
    NOW,
    SCALING,
    SUBNETS,
    VPC,
    FakeAws,
    answer,
    assert_found,
    bad,
    bedrock,
    check,
    environment,
    refused,
    running,
    stack,
)

from sdxl.errors import SdxlError


def deployed_endpoint(aws, **endpoint):
    aws.stacks["sdxl-dev-Inference"] = "CREATE_COMPLETE"
    aws.resources["sdxl-dev-Inference"] = [f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/sdxl-dev"]
    aws.endpoints["sdxl-dev"] = running(1, **endpoint)


def changed_types(aws):
    deployed_endpoint(aws, instance_type="ml.g5.8xlarge", name="primary")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/sdxl-dev/variant/primary",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 1,
        "MaxCapacity": 4,
        "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/scaling",
        "CreationTime": NOW,
    }
    aws.answers["DescribeScalableTargets"] = {"ScalableTargets": [target]}


# name: (what plants it, the environment, (status, check, what is found, what to do))
FAULTS = {
    "endpoint of someone else": (
        lambda aws: aws.endpoints.update({"sdxl-dev": running(1)}),
        environment(),
        ("failed", "names", "endpoint sdxl-dev exists .* no stack sdxl-dev-Inference", "delete-endpoint"),
    ),
    "log group of someone else": (
        lambda aws: aws.log_groups.append("/aws/lambda/sdxl-dev-image-api"),
        environment(),
        ("failed", "names", "log group /aws/lambda/sdxl-dev-image-api exists", "delete-log-group"),
    ),
    "endpoint's log group of someone else": (
        lambda aws: aws.log_groups.append("/aws/sagemaker/Endpoints/sdxl-dev"),
        environment(),
        ("failed", "names", "no stack sdxl-dev-Inference", "delete-log-group"),
    ),
    "stack that could not be deleted": (
        stack("sdxl-dev-Api", "DELETE_FAILED"),
        environment(),
        ("failed", "stacks", "sdxl-dev-Api is in DELETE_FAILED", "delete-stack --stack-name sdxl-dev-Api"),
    ),
    "stack whose operation without rollback failed": (
        stack("sdxl-dev-Api", "UPDATE_FAILED"),
        environment(),
        ("failed", "stacks", "sdxl-dev-Api is in UPDATE_FAILED", "cdk rollback sdxl-dev/Api"),
    ),
    "endpoint of someone else, after a first deployment was rolled back": (
        lambda aws: (
            aws.stacks.update({"sdxl-dev-Inference": "ROLLBACK_COMPLETE"}),
            aws.endpoints.update({"sdxl-dev": running(1)}),
        ),
        environment(),
        ("failed", "names", "endpoint sdxl-dev exists .* no stack sdxl-dev-Inference", "delete-endpoint"),
    ),
    "endpoint that autoscaling changes": (
        lambda aws: deployed_endpoint(aws, status="Updating"),
        environment(),
        ("failed", "endpoint", "sdxl-dev is Updating: SageMaker refuses", "wait endpoint-in-service"),
    ),
    "endpoint that Bedrock replaced": (
        lambda aws: (
            aws.stacks.update({"sdxl-dev-Inference": "CREATE_COMPLETE"}),
            aws.endpoints.update({"sdxl-dev": running(1)}),
        ),
        bedrock(),
        ("warning", "endpoint", "InService and goes on being billed", "delete-stack --stack-name sdxl-dev-Inference"),
    ),
    "stack whose rollback failed": (
        stack("sdxl-dev-Api", "UPDATE_ROLLBACK_FAILED"),
        environment(),
        ("failed", "stacks", "UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ),
    "stack that changes right now": (
        stack("sdxl-dev-Storage", "UPDATE_IN_PROGRESS"),
        environment(),
        ("failed", "stacks", "UPDATE_IN_PROGRESS", "wait"),
    ),
    "existing role for logs that is not there": (
        lambda aws: None,
        environment(api={"gateway_log_role": "existing"}),
        ("failed", "API Gateway's role for logs", "the account uses none in us-east-1", "docs/organization.md"),
    ),
    "another role for logs than the environment would set": (
        answer("GetAccount", {"cloudwatchRoleArn": f"arn:aws:iam::{ACCOUNT}:role/platform-logs"}),
        environment(),
        ("warning", "API Gateway's role for logs", "role/platform-logs: the first deployment", "to existing"),
    ),
    "region without SnapStart": (
        lambda aws: None,
        bedrock(region="us-west-2").model_copy(update={"region": "ap-east-2"}),
        ("warning", "SnapStart", "knows of none in ap-east-2", "Nothing to do"),
    ),
    "types changed under a scaled variant": (
        changed_types,
        environment(scaling=SCALING),
        (
            "failed",
            "instance types in use",
            "primary runs on ml.g5.8xlarge, the file says ml.g5.4xlarge",
            "detached: t",
        ),
    ),
    "VPC that is not there": (
        answer("DescribeVpcs", refused("InvalidVpcID.NotFound", f"The vpc ID '{VPC}' does not exist")),
        environment(network=NETWORK),
        ("failed", "network", "does not exist", "network.vpc_id"),
    ),
    "subnet of another VPC": (
        lambda aws: aws.subnets[SUBNETS[1]].update(VpcId="vpc-other"),
        environment(network=NETWORK),
        ("failed", "network", f"{SUBNETS[1]} is not in {VPC}", "subnets of that VPC"),
    ),
    "subnets of one zone": (
        lambda aws: aws.subnets[SUBNETS[1]].update(AvailabilityZone="us-east-1a"),
        environment(network=NETWORK),
        ("failed", "network", "all subnets are in us-east-1a", "another zone"),
    ),
    "subnets whose zones have not the type": (
        lambda aws: aws.zones.__setitem__(slice(None), ["us-east-1c", "us-east-1d"]),
        environment(network=NETWORK),
        ("failed", "network", "in none of the subnets' zones, us-east-1a, us-east-1b", "another type"),
    ),
    "key that is disabled": (
        answer("DescribeKey", {"KeyMetadata": {"KeyId": KEY, "KeyState": "PendingDeletion"}}),
        environment(storage={"key_arn": KEY}),
        ("failed", "key", "in the state PendingDeletion", "cancel its deletion"),
    ),
    "boundary that is not there": (
        answer("GetPolicy", refused("NoSuchEntity")),
        environment(organization={"permissions_boundary": "boundary"}),
        ("failed", "permissions boundary", f"no policy arn:aws:iam::{ACCOUNT}:policy/boundary", "organization.yaml"),
    ),
    "alarm of someone else": (
        lambda aws: aws.alarms.extend(["sdxl-dev-api-errors", "sdxl-dev2-api-errors"]),
        environment(),
        ("failed", "names", "alarm sdxl-dev-api-errors exists", "delete-alarms"),
    ),
    "alarm of an instance of a further variant": (
        lambda aws: aws.alarms.append("sdxl-dev-disk-challenger"),
        environment(endpoint={"variants": [{"name": "challenger", "model": {"source": "open"}, "weight": 1}]}),
        ("failed", "names", "alarm sdxl-dev-disk-challenger exists, but no stack sdxl-dev-Operations", "delete-alarms"),
    ),
    "alarm of the endpoint's updates": (
        lambda aws: aws.alarms.append("sdxl-dev-update-latency"),
        environment(endpoint={"update": {"traffic": "canary"}, "instance_count": 2}),
        ("failed", "names", "alarm sdxl-dev-update-latency exists, but no stack sdxl-dev-Inference", "delete-alarms"),
    ),
    "no role of autoscaling": (
        answer("GetRole", refused("NoSuchEntity")),
        environment(scaling=SCALING),
        ("warning", "role of autoscaling", "no AWSServiceRoleForApplicationAutoScaling", "iam:CreateServiceLinkedRole"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_says_what_to_do(aws, fault):
    assert_found(aws, *FAULTS[fault])


EXPORT = {"O": {"Value": "a", "Export": {"Name": "Storage:O"}}}
IMPORT = {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": {"Fn::ImportValue": "Storage:O"}}}


def test_a_rolled_back_first_deployment_is_no_obstacle(aws):
    aws.stacks["sdxl-dev-Api"] = "ROLLBACK_COMPLETE"

    findings = check(aws)

    assert bad(findings) == []
    assert any("ROLLBACK_COMPLETE: the next deployment makes it anew" in finding.found for finding in findings)


def test_names_of_the_stacks_own_resources_are_free(aws):
    deployed_endpoint(aws)
    aws.stacks |= {"sdxl-dev-Api": "CREATE_COMPLETE", "sdxl-dev-Operations": "CREATE_COMPLETE"}
    aws.resources |= {
        "sdxl-dev-Api": ["/aws/lambda/sdxl-dev-image-api"],
        "sdxl-dev-Operations": ["sdxl-dev-api-errors"],
    }
    aws.log_groups, aws.alarms = ["/aws/lambda/sdxl-dev-image-api"], ["sdxl-dev-api-errors"]

    assert bad(check(aws)) == []


def test_a_name_that_a_stack_next_to_it_does_not_hold_is_taken(aws):
    aws.stacks["sdxl-dev-Api"] = "CREATE_COMPLETE"
    aws.log_groups = ["aws-waf-logs-sdxl-dev"]

    (finding,) = bad(check(aws))

    assert (finding.name, finding.details) == ("names", {"log_group": "aws-waf-logs-sdxl-dev"})


def test_a_change_that_cloudformation_refuses_is_found_in_the_deployed_templates(aws):
    aws.stacks |= {"sdxl-dev-Storage": "CREATE_COMPLETE", "sdxl-dev-Operations": "CREATE_COMPLETE"}
    aws.templates["sdxl-dev-Storage"] = {"Resources": {}, "Outputs": EXPORT}
    aws.templates["sdxl-dev-Operations"] = {"Resources": {"A": IMPORT}}

    (finding,) = bad(check(aws, templates=lambda: {"Storage": {"Resources": {}}}))

    assert (finding.status, finding.name) == ("failed", "change of what is deployed")
    assert "delete-stack --stack-name sdxl-dev-Operations" in finding.remedy


def test_a_stack_that_leaves_the_app_is_a_warning(aws):
    aws.stacks["sdxl-dev-Network"] = "CREATE_COMPLETE"
    aws.templates["sdxl-dev-Network"] = {"Resources": {"A": {"Type": "AWS::EC2::VPCEndpoint", "Properties": {}}}}

    (finding,) = bad(check(aws, templates=lambda: {"Storage": {"Resources": {}}}))

    assert finding.status == "warning"
    assert "its VPC endpoints go on being billed" in finding.found


def test_nothing_is_synthesized_for_a_first_deployment(aws):
    def templates():
        pytest.fail("nothing is deployed")

    assert bad(check(aws, templates=templates)) == []


def test_an_app_that_does_not_synthesize_is_unknown(aws):
    def templates():
        raise SdxlError("dev does not synthesize:\nreceived nowhere")

    aws.stacks["sdxl-dev-Storage"] = "CREATE_COMPLETE"

    (finding,) = bad(check(aws, templates=templates))

    assert (finding.status, finding.found) == ("unknown", "the app cannot be synthesized: received nowhere")


ASYNCHRONOUS = {"mode": "asynchronous"}
ZERO = {"min_capacity": 0, "max_capacity": 2, "target": {"metric": "backlog_per_instance", "target": 5}}


@pytest.mark.parametrize(
    ("configuration", "status", "found"),
    [
        (
            {"AsyncInferenceConfig": {"OutputConfig": {"S3OutputPath": "s3://b/o"}}},
            "ok",
            "asynchronous, as the file says",
        ),
        ({}, "warning", "endpoint sdxl-dev is real-time, the file says asynchronous"),
        ({"ExecutionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/r"}, "warning", "endpoint sdxl-dev is components"),
    ],
)
def test_an_endpoint_of_another_mode_is_a_warning(configuration: dict, status: str, found: str) -> None:
    aws = FakeAws()
    aws.stacks["sdxl-dev-Inference"] = "CREATE_COMPLETE"
    aws.endpoints["sdxl-dev"] = running(1, instance_type="ml.g5.4xlarge", name="primary")
    described = aws.DescribeEndpointConfig("sdxl-dev")
    aws.answers["DescribeEndpointConfig"] = {**described, **configuration}

    findings = check(aws, environment(endpoint=ASYNCHRONOUS, scaling=ZERO))

    (mode,) = [one for one in findings if one.name == "endpoint mode"]
    assert (mode.status, found in mode.found) == (status, True), mode


def test_a_topic_of_results_or_a_wake_alarm_of_someone_else_is_in_the_way() -> None:
    aws = FakeAws()
    taken = f"arn:aws:sns:us-east-1:{ACCOUNT}:sdxl-dev-failed"
    missing = refused("NotFound")
    aws.answers["GetTopicAttributes"] = lambda TopicArn: {"Attributes": {}} if TopicArn == taken else missing  # noqa: N803
    aws.alarms.append("sdxl-dev-wake")

    findings = check(aws, environment(endpoint=ASYNCHRONOUS, scaling=ZERO))

    names = [one.found for one in findings if one.name == "names" and one.status == "failed"]
    assert any("topic sdxl-dev-failed exists" in found for found in names), names
    assert any("alarm sdxl-dev-wake exists" in found for found in names), names
