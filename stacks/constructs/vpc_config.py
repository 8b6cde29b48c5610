"""VPC config: the network interfaces of functions and models in a VPC, and what a role needs to keep them there."""

from __future__ import annotations

from dataclasses import dataclass

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.template_metadata import acknowledge


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

    def grant_to_model(self, role: iam.IRole) -> None:
        """Allow SageMaker to keep a model's interfaces with its execution role.

        SageMaker Developer Guide, "How to use SageMaker AI execution roles", section "CreateModel API: Execution Role
        Permissions", for a model in a private VPC.
        """
        for statement in (
            self._creation(role),
            iam.PolicyStatement(
                actions=[
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                ],
                resources=[_arn(role, "ec2", "network-interface", "*")],
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
        ):
            role.add_to_principal_policy(statement)

    def acknowledge_interfaces(self, permissions: iam.ManagedPolicy) -> None:
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

    def acknowledge_function(self, permissions: iam.ManagedPolicy) -> None:
        """Say why the permissions of `grant_to_function` have wildcards."""
        self.acknowledge_interfaces(permissions)
        acknowledge(
            permissions,
            {
                f"AwsSolutions-IAM5[Resource::{_arn(permissions, 'ec2', '*', '*')}]": (
                    "Lambda demands all resources: it names the network interfaces, and the actions know nothing else"
                )
            },
        )

    def _creation(self, scope: iam.IRole) -> iam.PolicyStatement:
        return iam.PolicyStatement(
            actions=["ec2:CreateNetworkInterface"],
            resources=[
                *(_arn(scope, "ec2", "subnet", one) for one in self.subnet_ids),
                *(_arn(scope, "ec2", "security-group", one) for one in self.security_group_ids),
                _arn(scope, "ec2", "network-interface", "*"),
            ],
        )


def _arn(
    scope: Construct | iam.IRole,
    service: str,
    resource: str,
    name: str,
    arn_format: cdk.ArnFormat = cdk.ArnFormat.SLASH_RESOURCE_NAME,
) -> str:
    return cdk.Stack.of(scope).format_arn(service=service, resource=resource, resource_name=name, arn_format=arn_format)
