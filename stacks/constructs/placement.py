"""Where in a VPC network interfaces are, and what a role needs so that its service can make them there."""

from __future__ import annotations

from dataclasses import dataclass

from constructs import IConstruct

from stacks.constructs.arn import local_arn
from stacks.constructs.statement import Statement, allow, deny


@dataclass(frozen=True, kw_only=True)
class Placement:
    """Subnets and security groups of the network interfaces that a service makes."""

    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]

    def function_permissions(self, scope: IConstruct) -> list[Statement]:
        """What Lambda does with a function's role to keep its interfaces, and the function itself may not do.

        Lambda Developer Guide, "Giving Lambda functions access to resources in an Amazon VPC", sections "Required IAM
        permissions" and "Using the lambda:SourceFunctionArn condition key".
        """
        changing = ["ec2:AssignPrivateIpAddresses", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses"]
        describing = ["ec2:DescribeNetworkInterfaces", "ec2:DescribeSubnets"]
        return [
            allow(["ec2:CreateNetworkInterface"], self._creation_arns(scope)),
            # In the form that the guide asks for. The actions know no other resource than network interfaces.
            allow(changing, [local_arn(scope, "ec2", "*/*")]),
            allow(describing, ["*"]),
            # The key is in a request only where the function's code makes it; Lambda's own have none.
            deny(
                ["ec2:CreateNetworkInterface", *changing, *describing],
                ["*"],
                {"ArnLike": {"lambda:SourceFunctionArn": local_arn(scope, "lambda", "function:*")}},
            ),
        ]

    def model_permissions(self, scope: IConstruct) -> list[Statement]:
        """What SageMaker does with an execution role to keep a model's interfaces.

        SageMaker Developer Guide, "How to use SageMaker AI execution roles", section "CreateModel API: Execution Role
        Permissions", for a model in a private VPC.
        """
        return [
            allow(["ec2:CreateNetworkInterface"], self._creation_arns(scope)),
            allow(
                [
                    "ec2:CreateNetworkInterfacePermission",
                    "ec2:DeleteNetworkInterface",
                    "ec2:DeleteNetworkInterfacePermission",
                ],
                [local_arn(scope, "ec2", "network-interface/*")],
            ),
            allow(
                [
                    "ec2:DescribeDhcpOptions",
                    "ec2:DescribeNetworkInterfaces",
                    "ec2:DescribeSecurityGroups",
                    "ec2:DescribeSubnets",
                    "ec2:DescribeVpcs",
                ],
                ["*"],
            ),
        ]

    def function_acknowledgments(self, scope: IConstruct) -> dict[str, str]:
        """Why `function_permissions` have wildcards, by cdk-nag's rule."""
        return {
            **_new_interface(scope),
            f"AwsSolutions-IAM5[Resource::{local_arn(scope, 'ec2', '*/*')}]": (
                "Lambda asks for all resources: it names the network interfaces, and the actions know nothing else"
            ),
        }

    def model_acknowledgments(self, scope: IConstruct) -> dict[str, str]:
        """Why `model_permissions` have wildcards, by cdk-nag's rule."""
        return _new_interface(scope)

    def _creation_arns(self, scope: IConstruct) -> list[str]:
        return [
            *(local_arn(scope, "ec2", f"subnet/{one}") for one in self.subnet_ids),
            *(local_arn(scope, "ec2", f"security-group/{one}") for one in self.security_group_ids),
            local_arn(scope, "ec2", "network-interface/*"),
        ]


def _new_interface(scope: IConstruct) -> dict[str, str]:
    return {
        f"AwsSolutions-IAM5[Resource::{local_arn(scope, 'ec2', 'network-interface/*')}]": (
            "The service names the network interfaces that it makes; subnets and security groups are named exactly"
        )
    }
