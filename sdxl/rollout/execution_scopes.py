"""On what CloudFormation may act with each action: by name, by the environment's tag, or by account and region.

Everything that the stacks make has a name that begins with `sdxl-`, or an id that AWS draws. Names stand in ARNs. What
has a drawn id carries the tag `sdxl:environment`, which CloudFormation gives with the stack's other tags.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from stacks.environment import ENVIRONMENT_TAG


class Condition(NamedTuple):
    """A condition of a statement: one operator on one key."""

    operator: str
    key: str
    values: tuple[str, ...]


class Scope(NamedTuple):
    """What a statement's Resource and Condition say.

    `resources` have the fields {partition}, {region}, {account} and {qualifier}. `types` are CloudFormation types whose
    ARNs in the templates are added. `condition` holds for all of them.
    """

    resources: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    condition: Condition | None = None


TAGGED = Condition("StringLike", f"aws:ResourceTag/{ENVIRONMENT_TAG}", ("*",))
TAGGED_BY_REQUEST = Condition("StringLike", f"aws:RequestTag/{ENVIRONMENT_TAG}", ("*",))
FOR_SAGEMAKER = Condition("StringEquals", "application-autoscaling:service-namespace", ("sagemaker",))
ON_CREATION = Condition("StringEquals", "ec2:CreateAction", ("CreateSecurityGroup", "CreateVpcEndpoint"))

EVERYTHING = Scope(("*",))
_ALARMS = Scope(types=("AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"))
_FUNCTIONS = Scope(types=("AWS::Lambda::Function",))
_LAYERS = Scope(types=("AWS::Lambda::LayerVersion",))
_LOG_GROUPS = Scope(types=("AWS::Logs::LogGroup",))
_BUDGETS = "arn:{partition}:budgets::{account}:budget/sdxl-*"
_EC2 = "arn:{partition}:ec2:{region}:{account}"

RESOURCE_SCOPES: Mapping[tuple[str, str], tuple[Scope, ...]] = {
    ("application-autoscaling", "scalabletarget"): (
        Scope(("arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*",)),
    ),
    ("billing", "billingview"): (Scope(("arn:{partition}:billing::{account}:billingview/*",)),),
    ("budgets", "budget"): (Scope((_BUDGETS,)),),
    ("budgets", "budgetaction"): (Scope((_BUDGETS,)),),
    ("chatbot", "chatbotconfiguration"): (
        Scope(("arn:{partition}:chatbot::{account}:chat-configuration/slack-channel/sdxl-*",)),
    ),
    ("cloudwatch", "alarm"): (_ALARMS,),
    ("cloudwatch", "dashboard"): (Scope(types=("AWS::CloudWatch::Dashboard",)),),
    ("cognito-idp", "userpool"): (
        Scope(("arn:{partition}:cognito-idp:{region}:{account}:userpool/*",), condition=TAGGED),
    ),
    ("dynamodb", "table"): (Scope(types=("AWS::DynamoDB::Table",)),),
    ("dynamodb", "index"): (Scope(types=("AWS::DynamoDB::Table",)),),
    ("ec2", "security-group"): (Scope((f"{_EC2}:security-group/*",), condition=TAGGED),),
    ("ec2", "vpc-endpoint"): (Scope((f"{_EC2}:vpc-endpoint/*",), condition=TAGGED),),
    ("kms", "key"): (Scope(("arn:{partition}:kms:{region}:{account}:key/*",), condition=TAGGED),),
    ("lambda", "function"): (_FUNCTIONS,),
    ("lambda", "function alias"): (_FUNCTIONS,),
    ("lambda", "function version"): (_FUNCTIONS,),
    ("lambda", "layer"): (_LAYERS,),
    ("lambda", "layerversion"): (_LAYERS,),
    ("logs", "log-group"): (_LOG_GROUPS,),
    ("s3", "bucket"): (Scope(types=("AWS::S3::Bucket",)),),
    ("sagemaker", "endpoint"): (Scope(types=("AWS::SageMaker::Endpoint",)),),
    ("sagemaker", "endpoint-config"): (Scope(types=("AWS::SageMaker::EndpointConfig",)),),
    ("sagemaker", "inference-component"): (Scope(types=("AWS::SageMaker::InferenceComponent",)),),
    ("sagemaker", "model"): (Scope(types=("AWS::SageMaker::Model",)),),
    ("sns", "topic"): (Scope(types=("AWS::SNS::Topic",)),),
    ("wafv2", "webacl"): (Scope(types=("AWS::WAFv2::WebACL",)),),
    ("wafv2", "managedruleset"): (Scope(("arn:{partition}:wafv2:{region}:{account}:regional/managedruleset/*",)),),
    ("wafv2", "apigateway"): (Scope(("arn:{partition}:apigateway:{region}::/restapis/*/stages/*",)),),
}
"""By IAM's types of resources. What an action takes beyond these, no template has."""

ACTION_SCOPES: Mapping[str, tuple[Scope, ...]] = {
    **dict.fromkeys(
        (
            "application-autoscaling:RegisterScalableTarget",
            "application-autoscaling:DeregisterScalableTarget",
            "application-autoscaling:PutScalingPolicy",
            "application-autoscaling:DeleteScalingPolicy",
            "application-autoscaling:PutScheduledAction",
            "application-autoscaling:DeleteScheduledAction",
        ),
        (
            Scope(
                ("arn:{partition}:application-autoscaling:{region}:{account}:scalable-target/*",),
                condition=FOR_SAGEMAKER,
            ),
        ),
    ),
    # Whoever makes a key or a user pool gives it the tag, by which the other actions know it again. A stack cannot give
    # the tag to what it has not made: to take a resource in, CloudFormation reads it, which needs the tag already.
    "kms:CreateKey": (Scope(("*",), condition=TAGGED_BY_REQUEST),),
    "kms:TagResource": (Scope(("arn:{partition}:kms:{region}:{account}:key/*",), condition=TAGGED_BY_REQUEST),),
    "cognito-idp:CreateUserPool": (Scope(("*",), condition=TAGGED_BY_REQUEST),),
    "cognito-idp:TagResource": (
        Scope(("arn:{partition}:cognito-idp:{region}:{account}:userpool/*",), condition=TAGGED_BY_REQUEST),
    ),
    "ec2:CreateSecurityGroup": (
        Scope((f"{_EC2}:security-group/*",), condition=TAGGED_BY_REQUEST),
        Scope((f"{_EC2}:vpc/*",)),
    ),
    "ec2:CreateVpcEndpoint": (
        Scope((f"{_EC2}:vpc-endpoint/*",), condition=TAGGED_BY_REQUEST),
        Scope((f"{_EC2}:vpc/*", f"{_EC2}:subnet/*", f"{_EC2}:route-table/*", f"{_EC2}:security-group/*")),
    ),
    "ec2:ModifyVpcEndpoint": (
        Scope((f"{_EC2}:vpc-endpoint/*",), condition=TAGGED),
        Scope((f"{_EC2}:subnet/*", f"{_EC2}:route-table/*", f"{_EC2}:security-group/*")),
    ),
    **dict.fromkeys(
        ("ec2:AuthorizeSecurityGroupIngress", "ec2:AuthorizeSecurityGroupEgress"),
        (
            Scope((f"{_EC2}:security-group/*",), condition=TAGGED),
            Scope((f"{_EC2}:security-group-rule/*",)),
        ),
    ),
    "ec2:CreateTags": (
        Scope((f"{_EC2}:security-group/*", f"{_EC2}:vpc-endpoint/*"), condition=ON_CREATION),
        Scope((f"{_EC2}:security-group/*", f"{_EC2}:vpc-endpoint/*"), condition=TAGGED),
    ),
    "ec2:DeleteTags": (Scope((f"{_EC2}:security-group/*", f"{_EC2}:vpc-endpoint/*"), condition=TAGGED),),
    # Code and layer lie in the bucket of `cdk bootstrap`.
    **dict.fromkeys(
        ("s3:GetObject", "s3:GetObjectVersion"),
        (Scope(("arn:{partition}:s3:::cdk-{qualifier}-assets-{account}-{region}/*",)),),
    ),
    # The reference names resources of OpenTelemetry for it; metrics of AWS services have none.
    "cloudwatch:GetMetricData": (EVERYTHING,),
    # CloudFormation lists before it finds the one.
    "cloudwatch:DescribeAlarms": (EVERYTHING,),
    "ssm:GetParameters": (
        Scope(("arn:{partition}:ssm:{region}:{account}:parameter/cdk-bootstrap/{qualifier}/version",)),
    ),
}
"""By action, where the type of resource does not say it."""

API_PATHS: Mapping[str, tuple[str, ...]] = {
    "AWS::ApiGateway::Account": ("/account",),
    "AWS::ApiGateway::ApiKey": ("/apikeys", "/apikeys/*", "/tags/*"),
    "AWS::ApiGateway::DomainName": ("/domainnames", "/domainnames/*", "/tags/*"),
    "AWS::ApiGateway::RestApi": ("/restapis", "/restapis/*", "/tags/*"),
    "AWS::ApiGateway::UsagePlan": ("/usageplans", "/usageplans/*", "/tags/*"),
}
"""Paths that API Gateway's resource types act on. Ids are drawn, and parts of an API carry no tag: the names of APIs
are guarded by a Deny of `apigateway:Resource/ApiName`, the rest by region only."""

SERVICE_LINKED_ROLES: Mapping[str, str] = {
    "AWS::ApiGateway::DomainName": "ops.apigateway.amazonaws.com",
    "AWS::ApplicationAutoScaling::ScalableTarget": "sagemaker.application-autoscaling.amazonaws.com",
    "AWS::Chatbot::SlackChannelConfiguration": "management.chatbot.amazonaws.com",
    "AWS::WAFv2::LoggingConfiguration": "wafv2.amazonaws.com",
}
"""Services that make a role in the account at first use. Source: IAM User Guide, "AWS services that work with IAM"."""

UNUSED: Mapping[str, str] = {
    "amplify:*": "the firewall is associated with API Gateway",
    "apprunner:*": "the firewall is associated with API Gateway",
    "appsync:*": "the firewall is associated with API Gateway",
    "bedrock-agentcore:*": "the firewall is associated with API Gateway",
    "cloudfront:*": "the user pool's domain is Cognito's own",
    "codedeploy:*": "the alias does not shift its traffic",
    "cognito-idp:*WebACL*": "the firewall is associated with API Gateway",
    "cognito-idp:AddCustomAttributes": "pools have no attributes beyond Cognito's own",
    "dynamodb:*Backup": "tables are restored to a point in time",
    "dynamodb:*Import*": "tables begin empty",
    "dynamodb:*Item": "CloudFormation does not read or write what callers stored",
    "dynamodb:*Kinesis*": "tables have no stream",
    "dynamodb:*Replica": "tables are in one region",
    "dynamodb:Query": "CloudFormation does not read what callers stored",
    "dynamodb:Scan": "CloudFormation does not read what callers stored",
    "ec2:*VerifiedAccess*": "the firewall is associated with API Gateway",
    "ec2:DescribeInstances": "no group is of an instance",
    "elasticfilesystem:*": "functions mount no file system",
    "elasticloadbalancing:*": "the firewall is associated with API Gateway",
    "firehose:*": "logs go to log groups",
    "iam:*Group*": "policies are attached to roles only",
    "iam:*User*": "policies are attached to roles only",
    "iam:DeleteRolePermissionsBoundary": "the boundary stays: see the Deny",
    "kinesis:*": "tables have no stream",
    "lambda:*CodeSigning*": "functions are not signed",
    "lambda:*CapacityProvider": "functions run on Lambda's own capacity",
    "logs:CreateLogStream": "CloudFormation writes no log",
    "logs:PutBearerTokenAuthentication": "log groups take events with IAM only",
    "logs:PutLogEvents": "CloudFormation writes no log",
    "payments:*": "managed rules of sellers are not used",
    "s3:*Metadata*Table*": "buckets have no metadata tables",
    "s3:DeleteObject": "CloudFormation deletes no image",
    "s3:PutObjectAcl": "objects have no access control lists",
    "s3files:*": "functions mount no file system",
    "s3tables:*": "buckets have no tables",
    "vpc-lattice:*": "endpoints are of AWS services",
    "vpce:*": "endpoints are of their own region",
    "wafv2:*PermissionPolicy": "rule groups are AWS's",
}
"""Permissions of handlers for what no template does, as patterns, with the reason."""
