"""Functions whose roles are not fit for them fail their stack, as on AWS, with Lambda's own words."""

from __future__ import annotations

import copy
from typing import Any

from cloudformation_support import ROLE, Stacks

NETWORK_ACTIONS = [
    *("ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface"),
    *("ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets", "ec2:UnassignPrivateIpAddresses"),
]


def function(role: dict[str, Any], **settings: Any) -> dict[str, Any]:
    properties = {
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Runtime": "python3.13",
        "Handler": "index.handler",
        "Code": {"ZipFile": "def handler(event, context): return 1"},
        **settings,
    }
    return {"Role": role, "Function": {"Type": "AWS::Lambda::Function", "Properties": properties}}


def role_with(actions: list[str]) -> dict[str, Any]:
    statement = {"Effect": "Allow", "Action": actions, "Resource": "*"}
    policy = {"PolicyName": "network", "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
    return {**ROLE, "Properties": {**ROLE["Properties"], "Policies": [policy]}}


def test_a_function_in_a_vpc_needs_all_that_manages_its_network_interfaces(stacks: Stacks) -> None:
    inside = {"VpcConfig": {"SubnetIds": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}}
    missing = [action for action in NETWORK_ACTIONS if action != "ec2:DeleteNetworkInterface"]

    assert stacks.deploy(function(role_with(missing), **inside), "without") == "ROLLBACK_COMPLETE"
    assert stacks.deploy(function(role_with(NETWORK_ACTIONS), **inside), "with") == "CREATE_COMPLETE"

    refused = "The provided execution role does not have permissions to call DeleteNetworkInterface on EC2"
    assert refused in stacks.reasons("without")


def test_a_function_needs_a_role_that_trusts_lambda(stacks: Stacks) -> None:
    role = copy.deepcopy(ROLE)
    role["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] = {"Service": "sagemaker.amazonaws.com"}

    assert stacks.deploy(function(role)) == "ROLLBACK_COMPLETE"
    assert "The role defined for the function cannot be assumed by Lambda." in stacks.reasons()
