"""The VPC endpoints through which functions and model reach AWS, each open to the calls that are made and no other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.environment import pascal


class VpcEndpoints(Construct):
    """Gateway and interface endpoints in one VPC, with the security group of the interfaces."""

    def __init__(self, scope: Construct, construct_id: str, *, vpc_id: str) -> None:
        super().__init__(scope, construct_id)
        self._vpc_id = vpc_id
        self.group = ec2.CfnSecurityGroup(
            self,
            "Group",
            group_description="SDXL: VPC endpoints that the functions call",
            vpc_id=vpc_id,
            # A group without rules for what goes out lets everything out. This is how CloudFormation lets nothing out.
            security_group_egress=[
                ec2.CfnSecurityGroup.EgressProperty(
                    ip_protocol="icmp",
                    from_port=252,
                    to_port=86,
                    cidr_ip="255.255.255.255/32",
                    description="Nothing goes out",
                )
            ],
        )

    def add_gateway(
        self, service: str, *, statements: Iterable[iam.PolicyStatement], route_table_ids: Sequence[str]
    ) -> None:
        """Add a gateway endpoint for `service`, such as `s3`, whose policy has `statements`."""
        ec2.CfnVPCEndpoint(
            self,
            pascal(service),
            vpc_id=self._vpc_id,
            service_name=self._service_name(service),
            vpc_endpoint_type="Gateway",
            route_table_ids=list(route_table_ids),
            policy_document=iam.PolicyDocument(statements=list(statements)),
        )

    def add_interface(
        self, service: str, *, statements: Iterable[iam.PolicyStatement], subnet_ids: Sequence[str]
    ) -> None:
        """Add an interface endpoint for `service`, such as `sagemaker.runtime`, whose policy has `statements`."""
        ec2.CfnVPCEndpoint(
            self,
            pascal(service),
            vpc_id=self._vpc_id,
            service_name=self._service_name(service),
            vpc_endpoint_type="Interface",
            subnet_ids=list(subnet_ids),
            security_group_ids=[self.group.attr_group_id],
            # The functions call the services by their usual names.
            private_dns_enabled=True,
            policy_document=iam.PolicyDocument(statements=list(statements)),
        )

    def allow_from(self, construct_id: str, group_id: str) -> None:
        """Let members of a security group call the interface endpoints.

        The rule is a resource of its own: the groups name each other.
        """
        ec2.CfnSecurityGroupIngress(
            self,
            construct_id,
            group_id=self.group.attr_group_id,
            source_security_group_id=group_id,
            description="HTTPS from the functions",
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
        )

    def _service_name(self, service: str) -> str:
        return f"com.amazonaws.{cdk.Stack.of(self).region}.{service}"
