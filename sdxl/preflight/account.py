"""The account that is looked at, and what a check finds there. Every call goes through here, by its IAM action."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from stacks.environment import Environment

Status = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check.

    `unknown` is what could not be seen, for want of a permission or of an answer: it is neither good nor bad.
    `remedy` is empty only where there is nothing to do. `details` are the figures behind it, for scripts.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "name": self.name,
            "status": self.status,
            "found": self.found,
            "remedy": self.remedy,
            "details": dict(self.details),
        }


# IAM action: service of boto3, its method, what it is asked for. All of them only read.
READ_ACTIONS: Mapping[str, tuple[str, str, str]] = {
    "sts:GetCallerIdentity": ("sts", "get_caller_identity", "whose credentials these are (needs no permission)"),
    "cloudformation:DescribeStacks": ("cloudformation", "describe_stacks", "the CDK's bootstrap, and our own stacks"),
    "cloudformation:ListStackResources": (
        "cloudformation",
        "list_stack_resources",
        "which of the names in the account are our own stacks'",
    ),
    "cloudformation:GetTemplate": (
        "cloudformation",
        "get_template",
        "what the deployed stacks export and import, against the templates that come next",
    ),
    "ssm:GetParameter": ("ssm", "get_parameter", "the version of the CDK's bootstrap"),
    "apigateway:GET": ("apigateway", "get_account", "the account's role for API Gateway's logs"),
    "servicequotas:GetServiceQuota": ("service-quotas", "get_service_quota", "quotas as they apply to the account"),
    "servicequotas:GetAWSDefaultServiceQuota": (
        "service-quotas",
        "get_aws_default_service_quota",
        "quotas that were never raised",
    ),
    "servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota": (
        "service-quotas",
        "list_requested_service_quota_change_history_by_quota",
        "requests for more that are still open, where a quota is short",
    ),
    "sagemaker:ListEndpoints": ("sagemaker", "list_endpoints", "what else uses the quota"),
    "sagemaker:DescribeEndpoint": ("sagemaker", "describe_endpoint", "how many instances each endpoint has"),
    "sagemaker:DescribeEndpointConfig": ("sagemaker", "describe_endpoint_config", "of which type they are"),
    "sagemaker:DescribeModelPackage": ("sagemaker", "describe_model_package", "the model package (`optimized`)"),
    "aws-marketplace:SearchAgreements": (
        "marketplace-agreement",
        "search_agreements",
        "the subscription to it (`optimized`)",
    ),
    "s3:GetObject": ("s3", "head_object", "the JumpStart artifact (`open`); only its head is read"),
    "ecr:BatchGetImage": ("ecr", "batch_get_image", "the container image (`open`)"),
    "bedrock:GetFoundationModel": ("bedrock", "get_foundation_model", "a model's lifecycle (`bedrock`)"),
    "bedrock:GetFoundationModelAvailability": (
        "bedrock",
        "get_foundation_model_availability",
        "whether the account has access to it (`bedrock`)",
    ),
    "bedrock:GetInferenceProfile": (
        "bedrock",
        "get_inference_profile",
        "the inference profile of models that need one (`bedrock`)",
    ),
    "bedrock:GetProvisionedModelThroughput": (
        "bedrock",
        "get_provisioned_model_throughput",
        "`model.provisioned_model_arn` (`bedrock`)",
    ),
    "bedrock:GetImportedModel": ("bedrock", "get_imported_model", "`model.imported_model_arn` (`bedrock`)"),
    "logs:DescribeLogGroups": ("logs", "describe_log_groups", "log groups that are in the way"),
    "cloudwatch:DescribeAlarms": ("cloudwatch", "describe_alarms", "alarms that are in the way"),
    "cloudwatch:GetDashboard": ("cloudwatch", "get_dashboard", "a dashboard that is in the way"),
    "sns:GetTopicAttributes": ("sns", "get_topic_attributes", "a topic that is in the way"),
    "iam:GetRole": ("iam", "get_role", "the service-linked role of autoscaling"),
    "application-autoscaling:DescribeScalableTargets": (
        "application-autoscaling",
        "describe_scalable_targets",
        "whether a variant whose instance types change is scaled",
    ),
    "ec2:DescribeInstanceTypeOfferings": (
        "ec2",
        "describe_instance_type_offerings",
        "availability zones that offer the instance types",
    ),
    "ec2:DescribeVpcs": ("ec2", "describe_vpcs", "`network.vpc_id`"),
    "ec2:DescribeSubnets": ("ec2", "describe_subnets", "`network.subnet_ids`"),
    "kms:DescribeKey": ("kms", "describe_key", "`storage.key_arn`"),
    "kms:GetPublicKey": ("kms", "get_public_key", "whether the certificates of `api.content_credentials` fit its key"),
    "iam:GetPolicy": ("iam", "get_policy", "`permissions_boundary` of organization.yaml"),
}
# The one call that writes, and only with --request-quota.
WRITE_ACTIONS: Mapping[str, tuple[str, str, str]] = {
    "servicequotas:RequestServiceQuotaIncrease": (
        "service-quotas",
        "request_service_quota_increase",
        "asking for more, with `--request-quota`",
    ),
}

# A resource in one of these was deleted, or never made.
_NOT_THERE = frozenset({"CREATE_FAILED", "DELETE_COMPLETE"})
# How the services say that the caller may not.
_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "UnauthorizedOperation",
        "UnauthorizedException",
        "NotAuthorized",
        "AuthorizationError",
        "AuthorizationErrorException",
        "403",
        "Forbidden",
    }
)


class AwsError(Exception):
    """A service refused, or did not answer. `code` is the service's, empty where no service spoke."""

    def __init__(self, action: str, code: str, message: str) -> None:
        super().__init__(f"{action}: {code}: {message}" if code else f"{action}: {message}")
        self.action = action
        self.code = code
        self.message = message

    @property
    def is_denied(self) -> bool:
        """Whether it is a missing permission."""
        return self.code in _DENIED

    def unknown(self, name: str) -> Finding:
        """The finding of a check that this error ended: not known, and never taken for good or bad."""
        details = {"action": self.action, "code": self.code, "message": self.message}
        if self.is_denied:
            return Finding(
                name=name,
                status="unknown",
                found=f"not checked: {self.action} was denied",
                remedy=f"Allow {self.action} to these credentials, or check it in the console.",
                details={**details, "missing_permission": self.action},
            )
        return Finding(
            name=name,
            status="unknown",
            # What stands between us and a service may answer with a whole page.
            found=f"the check failed: {textwrap.shorten(str(self), 200)}",
            remedy="Run it again. If it stays, check it in the console.",
            details=details,
        )


class Account:
    """The environment's account and region, seen with the credentials that boto3 finds."""

    def __init__(self, environment: Environment, session: Session) -> None:
        self.environment = environment
        self._session = session
        self._clients: dict[tuple[str, str], Any] = {}

    def call(self, action: str, *, region: str | None = None, **parameters: Any) -> Any:
        """Make the call that this IAM action allows, and return its answer.

        Raises:
            AwsError: the service refused it, or could not be reached.
        """
        service, method, _ = READ_ACTIONS.get(action) or WRITE_ACTIONS[action]
        try:
            return getattr(self._client(service, region or self.environment.region), method)(**parameters)
        except ClientError as exc:
            error = exc.response.get("Error", {})
            raise AwsError(action, str(error.get("Code", "")), str(error.get("Message", exc))) from exc
        except BotoCoreError as exc:
            raise AwsError(action, "", str(exc)) from exc

    def pages(self, action: str, key: str, token: str = "NextToken", **parameters: Any) -> Iterator[Any]:  # noqa: S107
        """Yield the entries under `key` of all pages. `token` is the name under which the service hands out the next.

        Raises:
            AwsError: as `call` does.
        """
        answer = self.call(action, **parameters)
        yield from answer.get(key, ())
        while answer.get(token):
            answer = self.call(action, **parameters, **{token: answer[token]})
            yield from answer.get(key, ())

    def stack_status(self, name: str) -> str | None:
        """Return a CloudFormation stack's status, or None if there is no such stack.

        Raises:
            AwsError: as `call` does.
        """
        try:
            stacks = self.call("cloudformation:DescribeStacks", StackName=name)["Stacks"]
        except AwsError as exc:
            if exc.code == "ValidationError" and "does not exist" in exc.message:
                return None
            raise
        return str(stacks[0]["StackStatus"])

    def physical_ids(self, stack: str) -> frozenset[str]:
        """Return the physical ids of a stack's resources that are there.

        Raises:
            AwsError: as `call` does.
        """
        found = self.pages("cloudformation:ListStackResources", "StackResourceSummaries", StackName=stack)
        return frozenset(
            str(item["PhysicalResourceId"])
            for item in found
            if item.get("PhysicalResourceId") and item["ResourceStatus"] not in _NOT_THERE
        )

    def template(self, stack: str) -> dict[str, Any]:
        """Return a deployed stack's template.

        Raises:
            AwsError: as `call` does.
        """
        body = self.call("cloudformation:GetTemplate", StackName=stack)["TemplateBody"]
        # botocore reads JSON into values. Every template of the CDK is JSON.
        return dict(json.loads(body) if isinstance(body, str) else body)

    def _client(self, service: str, region: str) -> Any:
        if (service, region) not in self._clients:
            config = Config(connect_timeout=10, read_timeout=20, retries={"mode": "standard", "max_attempts": 4})
            try:
                client = self._session.client(service, region_name=region, config=config)
            except Exception as exc:
                raise AwsError(service, "", str(exc)) from exc
            self._clients[service, region] = client
        return self._clients[service, region]
