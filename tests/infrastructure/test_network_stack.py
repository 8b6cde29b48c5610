"""Environments in a VPC: where functions and model are, what is open to them, and what nobody else pays for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from infrastructure_synthesis import Synthesis, Template, resources

VPC = "vpc-0123456789abcdef0"
SUBNETS = ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]
GROUP = "sg-0123456789abcdef0"
NETWORK: dict[str, Any] = {"vpc_id": VPC, "subnet_ids": SUBNETS, "vpc_endpoints": "existing"}
CREATE = {**NETWORK, "vpc_endpoints": "create", "route_table_ids": ["rtb-0123456789abcdef0"]}
BEDROCK = {"source": "bedrock", "model_id": "stability.sd3-5-large-v1:0"}


@pytest.fixture(scope="module")
def vpc(access: Synthesis) -> dict[str, Template]:
    return dict(access.templates["vpc"])


def rules(template: Template, logical_id: str, kind: str = "SecurityGroupEgress") -> list[dict[str, Any]]:
    """A group's rules without what they say to people."""
    found = template["Resources"][logical_id]["Properties"].get(kind, [])
    return [{key: value for key, value in rule.items() if key != "Description"} for rule in found]


def https(**target: Any) -> dict[str, Any]:
    return {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, **target}


def endpoints(template: Template) -> dict[str, dict[str, Any]]:
    """VPC endpoints by service, without the region."""
    found = [item["Properties"] for item in resources(template, "AWS::EC2::VPCEndpoint").values()]
    return {item["ServiceName"].split(".", 3)[3]: item for item in found}


def test_functions_and_model_are_in_the_subnets(vpc: dict[str, Template]) -> None:
    functions = resources(vpc["Api"], "AWS::Lambda::Function").values()
    (model,) = resources(vpc["Inference"], "AWS::SageMaker::Model").values()

    assert len(functions) == 2
    for function in functions:
        assert function["Properties"]["VpcConfig"]["SubnetIds"] == SUBNETS
        (group,) = function["Properties"]["VpcConfig"]["SecurityGroupIds"]
        assert "FunctionsGroup" in group["Fn::ImportValue"]
    assert model["Properties"]["VpcConfig"]["Subnets"] == SUBNETS
    assert "ModelGroup" in model["Properties"]["VpcConfig"]["SecurityGroupIds"][0]["Fn::ImportValue"]
    assert model["Properties"]["EnableNetworkIsolation"] is True


def test_groups_open_https_to_the_endpoints_and_aws_lists_alone(vpc: dict[str, Template]) -> None:
    template = vpc["Network"]
    lists = [https(DestinationPrefixListId=one) for one in ("pl-0123456789abcdef0", "pl-0fedcba9876543210")]
    to_endpoints = https(DestinationSecurityGroupId={"Fn::GetAtt": ["EndpointsGroup454F8EA1", "GroupId"]})

    assert rules(template, "FunctionsGroup") == [*lists, to_endpoints]
    assert rules(template, "ModelGroup") == lists
    assert [rules(template, group, "SecurityGroupIngress") for group in ("FunctionsGroup", "ModelGroup")] == [[], []]
    (ingress,) = resources(template, "AWS::EC2::SecurityGroupIngress").values()
    assert ingress["Properties"]["SourceSecurityGroupId"] == {"Fn::GetAtt": ["FunctionsGroup", "GroupId"]}
    # Without any rule, everything would go out.
    assert [rule["CidrIp"] for rule in rules(template, "EndpointsGroup454F8EA1")] == ["255.255.255.255/32"]


def test_endpoints_are_those_that_calls_go_to_and_let_through_these_calls(vpc: dict[str, Template]) -> None:
    found = endpoints(vpc["Network"])

    allowed = {
        service: sorted(
            action
            for statement in item["PolicyDocument"]["Statement"]
            for action in ([statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"])
        )
        for service, item in found.items()
    }
    assert allowed == {
        "s3": ["s3:GetObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
        "dynamodb": ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"],
        "sagemaker.runtime": ["sagemaker:InvokeEndpoint"],
        "sagemaker.api": ["sagemaker:DescribeEndpoint"],
    }
    for item in found.values():
        for statement in item["PolicyDocument"]["Statement"]:
            assert statement["Condition"] == {"StringEquals": {"aws:PrincipalAccount": "111122223333"}}
            assert statement["Resource"] != "*"
    for service in ("s3", "dynamodb"):
        assert found[service]["VpcEndpointType"] == "Gateway"
        assert found[service]["RouteTableIds"] == ["rtb-0123456789abcdef0"]
    for service in ("sagemaker.runtime", "sagemaker.api"):
        assert found[service]["PrivateDnsEnabled"] is True
        assert found[service]["SubnetIds"] == SUBNETS


def test_endpoint_policies_let_through_all_that_the_function_may_do_in_the_services(vpc: dict[str, Template]) -> None:
    def actions(document: dict[str, Any]) -> set[str]:
        allowed = [one["Action"] for one in document["Statement"] if one["Effect"] == "Allow"]
        return {action for one in allowed for action in ([one] if isinstance(one, str) else one)}

    role = next(
        item["Properties"]["PolicyDocument"]
        for name, item in resources(vpc["Api"], "AWS::IAM::ManagedPolicy").items()
        if name.startswith("ImageFunction")
    )
    passed = {action for item in endpoints(vpc["Network"]).values() for action in actions(item["PolicyDocument"])}

    # KMS is called by S3 and DynamoDB, the rest by Lambda: neither goes through the VPC.
    elsewhere = ("kms:", "logs:", "xray:", "ec2:")
    assert {action for action in actions(role) if not action.startswith(elsewhere)} <= passed


def test_bedrock_is_reached_through_its_own_endpoint(synth: Callable[..., dict[str, Template]]) -> None:
    templates = synth(network=CREATE, model=BEDROCK, region="us-west-2", operations=None)

    found = endpoints(templates["Network"])
    assert set(found) == {"s3", "dynamodb", "bedrock-runtime"}
    (statement,) = found["bedrock-runtime"]["PolicyDocument"]["Statement"]
    assert statement["Action"] == "bedrock:InvokeModel"
    assert statement["Resource"] == "arn:aws:bedrock:us-west-2::foundation-model/stability.sd3-5-large-v1:0"
    assert "ModelGroup" not in templates["Network"]["Resources"]


def test_without_lists_of_aws_the_route_tables_decide(synth: Callable[..., dict[str, Template]]) -> None:
    template = synth(network=NETWORK, operations=None)["Network"]

    assert rules(template, "FunctionsGroup") == rules(template, "ModelGroup") == [https(CidrIp="0.0.0.0/0")]
    assert resources(template, "AWS::EC2::VPCEndpoint") == {}


def test_given_groups_and_existing_endpoints_need_no_stack(synth: Callable[..., dict[str, Template]]) -> None:
    templates = synth(network={**NETWORK, "security_group_ids": [GROUP]}, operations=None)

    assert "Network" not in templates
    for function in resources(templates["Api"], "AWS::Lambda::Function").values():
        assert function["Properties"]["VpcConfig"] == {"SubnetIds": SUBNETS, "SecurityGroupIds": [GROUP]}


def test_given_groups_are_let_into_the_endpoints(synth: Callable[..., dict[str, Template]]) -> None:
    template = synth(network={**CREATE, "security_group_ids": [GROUP]}, operations=None)["Network"]

    (ingress,) = resources(template, "AWS::EC2::SecurityGroupIngress").values()
    assert ingress["Properties"]["SourceSecurityGroupId"] == GROUP
    assert len(resources(template, "AWS::EC2::SecurityGroup")) == 1


def test_marketplace_package_stays_in_the_network_of_sagemaker(synth: Callable[..., dict[str, Template]]) -> None:
    templates = synth(network=CREATE, model={"source": "optimized"}, operations=None)

    (model,) = resources(templates["Inference"], "AWS::SageMaker::Model").values()
    assert "VpcConfig" not in model["Properties"]
    for function in resources(templates["Api"], "AWS::Lambda::Function").values():
        assert function["Properties"]["VpcConfig"]["SubnetIds"] == SUBNETS


def test_code_of_a_function_may_not_use_what_lambda_needs_for_its_interfaces(vpc: dict[str, Template]) -> None:
    policies = resources(vpc["Api"], "AWS::IAM::ManagedPolicy").values()
    documents = [policy["Properties"]["PolicyDocument"]["Statement"] for policy in policies]

    assert len(documents) == 2
    for statements in documents:
        network = [one for one in statements if "ec2:" in str(one["Action"])]
        allowed = {
            action
            for one in network
            if one["Effect"] == "Allow"
            for action in ([one["Action"]] if isinstance(one["Action"], str) else one["Action"])
            if action.startswith("ec2:")
        }
        (denied,) = [one for one in network if one["Effect"] == "Deny"]
        assert set(denied["Action"]) == allowed
        assert denied["Condition"] == {
            "ArnLike": {"lambda:SourceFunctionArn": "arn:aws:lambda:eu-central-1:111122223333:function:*"}
        }


def test_other_environments_have_nothing_of_a_vpc(examples: Synthesis) -> None:
    for templates in examples.templates.values():
        assert "Network" not in templates
        assert not [
            name
            for template in templates.values()
            for name, item in template["Resources"].items()
            if item["Type"].startswith("AWS::EC2::") or "VpcConfig" in item.get("Properties", {})
        ]
