"""The VPC endpoints through which functions and model reach AWS, each open to the calls that are made and no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.constructs.arn import place_of
from stacks.constructs.statement import Statement
from stacks.environment import pascal

HTTPS: dict[str, Any] = {"ip_protocol": "tcp", "from_port": 443, "to_port": 443}
# A group without rules for what goes out lets everything out. This is CloudFormation's way to let nothing out.
NOTHING_OUT: dict[str, Any] = {
    "ip_protocol": "icmp",
    "from_port": 252,
    "to_port": 86,
    "cidr_ip": "255.255.255.255/32",
    "description": "Nothing goes out",
}


class VpcEndpoints(Construct):
    """Gateway endpoints in `route_table_ids`, and interface endpoints in `subnet_ids` with a security group.

    `gateways` and `interfaces` give the statements of each endpoint's policy by service. Each is narrowed to callers of
    this account.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        vpc_id: str,
        subnet_ids: Sequence[str],
        route_table_ids: Sequence[str],
        gateways: Mapping[str, Sequence[Statement]],
        interfaces: Mapping[str, Sequence[Statement]],
    ) -> None:
        super().__init__(scope, construct_id)
        self.group = ec2.CfnSecurityGroup(
            self,
            "Group",
            group_description="SDXL: VPC endpoints that the functions call",
            vpc_id=vpc_id,
            security_group_egress=[ec2.CfnSecurityGroup.EgressProperty(**NOTHING_OUT)],
        )
        self.group_id = self.group.attr_group_id
        place = place_of(scope)
        prefix = f"com.amazonaws.{place.region}"
        for service, statements in gateways.items():
            ec2.CfnVPCEndpoint(
                self,
                pascal(service),
                vpc_id=vpc_id,
                service_name=f"{prefix}.{service}",
                vpc_endpoint_type="Gateway",
                route_table_ids=list(route_table_ids),
                policy_document=_policy(statements, place.account),
            )
        for service, statements in interfaces.items():
            ec2.CfnVPCEndpoint(
                self,
                pascal(service),
                vpc_id=vpc_id,
                service_name=f"{prefix}.{service}",
                vpc_endpoint_type="Interface",
                subnet_ids=list(subnet_ids),
                security_group_ids=[self.group_id],
                # The functions call the services by their usual names.
                private_dns_enabled=True,
                policy_document=_policy(statements, place.account),
            )

    def let_in(self, construct_id: str, group_id: str) -> None:
        """Let members of a security group call the interface endpoints."""
        ec2.CfnSecurityGroupIngress(
            self,
            construct_id,
            group_id=self.group_id,
            source_security_group_id=group_id,
            description="HTTPS from the functions",
            **HTTPS,
        )


def _policy(statements: Sequence[Statement], account: str) -> dict[str, Any]:
    own = {"StringEquals": {"aws:PrincipalAccount": account}}
    return {
        "Version": "2012-10-17",
        "Statement": [{**statement, "Principal": {"AWS": "*"}, "Condition": own} for statement in statements],
    }
