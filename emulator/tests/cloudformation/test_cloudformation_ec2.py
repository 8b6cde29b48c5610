"""Security groups and VPC endpoints: in a VPC that is there, changed in place, and gone with their stack."""

from __future__ import annotations

from typing import Any

import pytest
from cloudformation_support import Stacks

HTTPS = {"IpProtocol": "tcp", "FromPort": "443", "ToPort": "443"}


@pytest.fixture
def vpc(client: Any) -> dict[str, str]:
    ec2 = client("ec2")
    vpc_id = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return {
        "vpc": vpc_id,
        "table": ec2.create_route_table(VpcId=vpc_id)["RouteTable"]["RouteTableId"],
        "subnet": ec2.create_subnet(VpcId=vpc_id, CidrBlock="10.0.0.0/24")["Subnet"]["SubnetId"],
    }


def resources(vpc: dict[str, str], *, cidr: str = "10.0.0.0/8", action: str = "s3:GetObject") -> dict[str, Any]:
    group = {"Fn::GetAtt": ["Group", "GroupId"]}
    statement = {"Effect": "Allow", "Principal": "*", "Action": action, "Resource": "*"}
    return {
        "Group": {
            "Type": "AWS::EC2::SecurityGroup",
            "Properties": {
                "GroupDescription": "a group",
                "VpcId": vpc["vpc"],
                "SecurityGroupEgress": [{**HTTPS, "CidrIp": cidr}],
            },
        },
        "Rule": {
            "Type": "AWS::EC2::SecurityGroupIngress",
            "Properties": {**HTTPS, "GroupId": group, "SourceSecurityGroupId": group},
        },
        "S3": {
            "Type": "AWS::EC2::VPCEndpoint",
            "Properties": {
                "VpcId": vpc["vpc"],
                "ServiceName": "com.amazonaws.eu-west-1.s3",
                "VpcEndpointType": "Gateway",
                "RouteTableIds": [vpc["table"]],
                "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            },
        },
    }


def test_rules_and_policies_are_changed_in_place_and_all_goes_with_the_stack(
    stacks: Stacks, client: Any, vpc: dict[str, str]
) -> None:
    ec2 = client("ec2")
    stacks.deploy(resources(vpc))
    group, endpoint = stacks.physical_id("Group"), stacks.physical_id("S3")

    stacks.deploy(resources(vpc, cidr="10.1.0.0/16", action="s3:PutObject"))

    assert (stacks.physical_id("Group"), stacks.physical_id("S3")) == (group, endpoint)
    (found,) = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"]
    assert [rule["IpRanges"][0]["CidrIp"] for rule in found["IpPermissionsEgress"]] == ["10.1.0.0/16"]
    assert [rule["UserIdGroupPairs"][0]["GroupId"] for rule in found["IpPermissions"]] == [group]
    (made,) = ec2.describe_vpc_endpoints(VpcEndpointIds=[endpoint])["VpcEndpoints"]
    assert "s3:PutObject" in made["PolicyDocument"]

    client("cloudformation").delete_stack(StackName="stack")

    groups = ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc["vpc"]]}])["SecurityGroups"]
    assert [one["GroupName"] for one in groups] == ["default"]


def test_a_vpc_that_is_not_there_fails_the_stack(stacks: Stacks, vpc: dict[str, str]) -> None:
    stacks.deploy(resources({**vpc, "vpc": "vpc-0000000000000000a"}))

    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "vpc-0000000000000000a" in stacks.reasons()


def test_a_route_table_that_is_not_there_fails_the_stack(stacks: Stacks, vpc: dict[str, str]) -> None:
    stacks.deploy(resources({**vpc, "table": "rtb-0000000000000000a"}))

    assert stacks.status() == "ROLLBACK_COMPLETE"
    assert "rtb-0000000000000000a" in stacks.reasons()


def test_rules_that_stand_alone_are_added_described_and_taken_away(
    stacks: Stacks, client: Any, vpc: dict[str, str]
) -> None:
    def group_with(**rules: Any) -> dict[str, Any]:
        group = {
            "GroupDescription": "g",
            "VpcId": vpc["vpc"],
            "SecurityGroupEgress": [{**HTTPS, "CidrIp": "10.9.0.0/16"}],
        }
        return {"Group": {"Type": "AWS::EC2::SecurityGroup", "Properties": group}, **rules}

    def rule(direction: str, description: str, **peer: Any) -> dict[str, Any]:
        properties = {**HTTPS, "GroupId": {"Ref": "Group"}, "Description": description, **peer}
        return {"Type": f"AWS::EC2::SecurityGroup{direction}", "Properties": properties}

    def rules(description: str) -> dict[str, Any]:
        return {
            "In": rule("Ingress", description, CidrIp="10.1.0.0/16"),
            "Out": rule("Egress", description, CidrIp="10.2.0.0/16"),
        }

    stacks.deploy(group_with(**rules("one")))
    ids = stacks.physical_id("In"), stacks.physical_id("Out")
    assert stacks.deploy(group_with(**rules("two"))) == "UPDATE_COMPLETE"

    def found() -> tuple[list[Any], list[Any]]:
        (group,) = client("ec2").describe_security_groups(GroupIds=[stacks.physical_id("Group")])["SecurityGroups"]
        into, out = group["IpPermissions"], group["IpPermissionsEgress"]
        return [part for one in into for part in one["IpRanges"]], [part for one in out for part in one["IpRanges"]]

    assert (stacks.physical_id("In"), stacks.physical_id("Out")) == ids
    into, out = found()
    assert into == [{"CidrIp": "10.1.0.0/16", "Description": "two"}]
    assert {"CidrIp": "10.2.0.0/16", "Description": "two"} in out
    stacks.deploy(group_with())
    assert [[part["CidrIp"] for part in parts] for parts in found()] == [[], ["10.9.0.0/16"]]
