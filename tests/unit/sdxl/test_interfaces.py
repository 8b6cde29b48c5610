"""Interfaces that SageMaker and Lambda still have in the VPC: waited for before their security group is deleted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from sdxl.deployment.interfaces import LONGEST_SECONDS, wait_until_unused
from sdxl.errors import SdxlError

STACK = "sdxl-dev-Network"


class Session:
    """Real clients against moto, and a stack that consists of what it is given."""

    def __init__(self, *resources: tuple[str, str]) -> None:
        self.ec2 = boto3.client("ec2", "us-east-1")
        self.resources = [{"ResourceType": kind, "PhysicalResourceId": name} for kind, name in resources]

    def client(self, service: str) -> Any:
        return self.ec2 if service == "ec2" else self

    def describe_stack_resources(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's name
        assert StackName == STACK
        return {"StackResources": self.resources}


@pytest.fixture
def ec2(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.delenv("AWS_PROFILE", raising=False)
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    with mock_aws():
        yield boto3.client("ec2", "us-east-1")


@pytest.fixture
def group(ec2: Any) -> str:
    vpc = ec2.create_vpc(CidrBlock="10.0.0.0/16")["Vpc"]["VpcId"]
    return str(ec2.create_security_group(GroupName="model", Description="model", VpcId=vpc)["GroupId"])


def interface(ec2: Any, group: str) -> str:
    vpc = ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"]
    subnet = ec2.create_subnet(VpcId=vpc, CidrBlock="10.0.1.0/24")["Subnet"]["SubnetId"]
    made = ec2.create_network_interface(SubnetId=subnet, Groups=[group])
    return str(made["NetworkInterface"]["NetworkInterfaceId"])


def test_an_interface_in_the_group_is_waited_for(ec2: Any, group: str) -> None:
    used, said, slept = interface(ec2, group), [], []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        if len(slept) == 3:
            ec2.delete_network_interface(NetworkInterfaceId=used)

    wait_until_unused(Session(("AWS::EC2::SecurityGroup", group)), STACK, said.append, sleep=sleep)

    assert len(slept) == 3
    assert said == ["Waiting until 1 network interfaces of functions and endpoint are gone, up to 20 minutes"]


def test_a_free_group_is_not_waited_for(ec2: Any, group: str) -> None:
    wait_until_unused(Session(("AWS::EC2::SecurityGroup", group)), STACK, pytest.fail, sleep=pytest.fail)


def test_a_stack_without_a_group_of_its_own_is_not_looked_at(ec2: Any) -> None:
    wait_until_unused(Session(("AWS::EC2::VPCEndpoint", "vpce-1")), STACK, pytest.fail, sleep=pytest.fail)


def test_interfaces_that_stay_are_named(ec2: Any, group: str) -> None:
    used, slept = interface(ec2, group), []

    with pytest.raises(SdxlError, match=f"{used} still use the security groups of {STACK} after 30 minutes"):
        wait_until_unused(Session(("AWS::EC2::SecurityGroup", group)), STACK, lambda _: None, sleep=slept.append)

    assert sum(slept) == LONGEST_SECONDS


def test_interfaces_of_the_stacks_own_endpoints_go_with_it(
    ec2: Any, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = interface(ec2, group)
    session = Session(("AWS::EC2::SecurityGroup", group), ("AWS::EC2::VPCEndpoint", "vpce-1"))
    answer = {"VpcEndpoints": [{"NetworkInterfaceIds": [own]}]}
    monkeypatch.setattr(session.ec2, "describe_vpc_endpoints", lambda **_: answer)

    wait_until_unused(session, STACK, pytest.fail, sleep=pytest.fail)
