"""The role that an environment made for API Gateway's logs: it stays while the account uses it."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from sdxl.errors import SdxlError


def log_role_of(cloudformation: Any, environment: str) -> str | None:
    """Return the name of the role that the stack of the environment's API made, None where it made none."""
    try:
        found = cloudformation.describe_stack_resources(StackName=f"sdxl-{environment}-Api")["StackResources"]
    except ClientError:
        # A deletion that was cut off has deleted this stack already.
        return None
    names = [
        str(item["PhysicalResourceId"])
        for item in found
        if item["ResourceType"] == "AWS::IAM::Role" and item["LogicalResourceId"].startswith("ApiStageLoggingRole")
    ]
    return names[0] if names else None


def delete_unused_log_role(session: Any, name: str) -> str:
    """Delete the role `name`, unless API Gateway's setting of the account names it; return what was done, and why.

    Raises SdxlError where AWS refuses it.
    """
    try:
        used = session.client("apigateway").get_account().get("cloudwatchRoleArn", "")
        if used.rpartition("/")[2] == name:
            return (
                f"{name} stays: API Gateway writes the logs of this account and region with it. The next environment "
                "with api.gateway_log_role: existing uses it"
            )
        iam = session.client("iam")
        for policy in iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=name, PolicyArn=policy["PolicyArn"])
        iam.delete_role(RoleName=name)
    except (BotoCoreError, ClientError) as exc:
        raise SdxlError(f"The role {name} for API Gateway's logs cannot be deleted: {exc}. Delete it by hand.") from exc
    return f"{name} is deleted: API Gateway writes the logs of this account and region with {used}"
