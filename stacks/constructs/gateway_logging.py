"""Permission of API Gateway to write logs: one setting for the whole account and region."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import partition
from stacks.constructs.service_role import trust_policy

_POLICY = "service-role/AmazonAPIGatewayPushToCloudWatchLogs"


class GatewayLogging(Construct):
    """CloudWatch role of API Gateway. Both role and setting are kept: other APIs of the account use them too."""

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        policy_arn = f"arn:{partition(scope)}:iam::aws:policy/{_POLICY}"
        role = iam.CfnRole(
            self,
            "Role",
            description="Lets API Gateway write logs of every API in this account and region",
            assume_role_policy_document=trust_policy("apigateway.amazonaws.com"),
            managed_policy_arns=[policy_arn],
        )
        role.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
        acknowledge(
            role,
            {
                f"AwsSolutions-IAM4[Policy::{policy_arn}]": (
                    "API Gateway checks the account's role for the permissions of this policy before accepting it"
                )
            },
        )
        self.account = apigateway.CfnAccount(self, "Account", cloud_watch_role_arn=role.attr_arn)
        self.account.apply_removal_policy(cdk.RemovalPolicy.RETAIN)
