"""What an environment has in a VPC: network interfaces of functions and models, and VPC endpoints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.template_metadata import acknowledge
from stacks.environment import pascal


@dataclass(frozen=True, kw_only=True)
class VpcConfig:
    """Ids of the subnets and security groups of the network interfaces that a service creates."""

    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]

    def grant_to_function(self, role: iam.IRole) -> None:
        """Allow Lambda to keep the function's interfaces with `role`, and refuse the same to the function's code.

        Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC", sections "Required IAM
        permissions" and "Using the lambda:SourceFunctionArn condition key".
        """
        changing = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
        describing = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
        functions = _arn(role, "lambda", "function", "*", cdk.ArnFormat.COLON_RESOURCE_NAME)
        for statement in (
            self._creation(role),
            # In the form that the guide demands. The actions know no other resource than network interfaces.
            iam.PolicyStatement(actions=changing, resources=[_arn(role, "ec2", "*", "*")]),
            iam.PolicyStatement(actions=describing, resources=["*"]),
            # The key is in a request only where the function's code makes it; Lambda's own requests have none.
            iam.PolicyStatement(
                effect=iam.Effect.DENY,
                actions=["ec2:CreateNetworkInterface", *changing, *describing],
                resources=["*"],
                conditions={"ArnLike": {"lambda:SourceFunctionArn": functions}},
            ),
        ):
            role.add_to_principal_policy(statement)

    def grant_to_model(self, policy: iam.ManagedPolicy) -> None:
        """Allow SageMaker in `policy`, which its execution role has, to make a model's interfaces.

        SageMaker Developer Guide, "How to use SageMaker AI execution roles", section "CreateModel API: Execution Role
        Permissions", for a model in a private VPC. The rest of that section is in `interface_removal`.
        """
        policy.add_statements(
            self._creation(policy),
            iam.PolicyStatement(
                actions=["ec2:CreateNetworkInterfacePermission"],
                resources=[_arn(policy, "ec2", "network-interface", "*")],
            ),
        )
        acknowledge_interfaces(policy)

    def acknowledge_function(self, permissions: iam.ManagedPolicy) -> None:
        """Say why the permissions of `grant_to_function` have wildcards."""
        acknowledge_interfaces(permissions)
        acknowledge(
            permissions,
            {
                f"AwsSolutions-IAM5[Resource::{_arn(permissions, 'ec2', '*', '*')}]": (
                    "Lambda demands all resources: it names the network interfaces, and the actions know nothing else"
                )
            },
        )

    def _creation(self, scope: Construct | iam.IRole) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=["ec2:CreateNetworkInterface"],
            resources=[
                *(_arn(scope, "ec2", "subnet", one) for one in self.subnet_ids),
                *(_arn(scope, "ec2", "security-group", one) for one in self.security_group_ids),
                _arn(scope, "ec2", "network-interface", "*"),
            ],
        )


def interface_removal(scope: Construct) -> list[iam.PolicyStatement]:
    """Return what SageMaker needs to find and remove a model's interfaces, also after the endpoint is deleted."""
    return [
        iam.PolicyStatement(
            actions=["ec2:DeleteNetworkInterface", "ec2:DeleteNetworkInterfacePermission"],
            resources=[_arn(scope, "ec2", "network-interface", "*")],
        ),
        iam.PolicyStatement(
            actions=[
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            resources=["*"],
        ),
    ]


def acknowledge_interfaces(permissions: iam.ManagedPolicy) -> None:
    """Say why the interfaces of both have wildcards. Descriptions of networks are the caller's to acknowledge."""
    acknowledge(
        permissions,
        {
            f"AwsSolutions-IAM5[Resource::{_arn(permissions, 'ec2', 'network-interface', '*')}]": (
                "The service names the network interfaces that it creates; subnets and security groups are named "
                "exactly"
            )
        },
    )


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
            service_name=f"com.amazonaws.{cdk.Stack.of(self).region}.{service}",
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
            # In China some names begin with `cn.`, which the CDK knows.
            service_name=ec2.InterfaceVpcEndpointAwsService(service).name,
            vpc_endpoint_type="Interface",
            subnet_ids=list(subnet_ids),
            security_group_ids=[self.group.attr_group_id],
            # The functions call the services by their usual names.
            private_dns_enabled=True,
            policy_document=iam.PolicyDocument(statements=list(statements)),
        )

    def allow_from(self, construct_id: str, group_id: str) -> None:
        """Let members of a security group call the interface endpoints.

        The rule is a separate resource: the groups name each other.
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


def _arn(
    scope: Construct | iam.IRole,
    service: str,
    resource: str,
    name: str,
    arn_format: cdk.ArnFormat = cdk.ArnFormat.SLASH_RESOURCE_NAME,
) -> str:
    return cdk.Stack.of(scope).format_arn(service=service, resource=resource, resource_name=name, arn_format=arn_format)
