"""What a request submits, a template with its settings, as the target that a stack is to become."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from emulator.cloudformation.errors import ValidationError
from emulator.cloudformation.model import REVIEW, Stack, Target
from emulator.cloudformation.parameters import given_values
from emulator.cloudformation.resource_type import words
from emulator.cloudformation.template import Template

# ImportExistingResources, which bootstrapping sets, is not here: where it would matter, the service refuses the name.
NOT_EMULATED = words(
    "DeploymentMode NotificationARNs OnFailure OnStackFailure ResourceTypes StackPolicyBody StackPolicyURL "
    "TimeoutInMinutes"
)
"""Settings that would make a difference on AWS and make none here."""

Request = Callable[[str], Any]
"""The value of a request's parameter, None where it has none."""


def submitted_target(action: str, request: Request, stack: Stack | None, read_template: Callable[[], str]) -> Target:
    """The target of a request, which may keep template, parameters, tags and role of the stack that there is."""
    _refuse_settings(action, request)
    existing = stack.target if stack is not None and stack.status != REVIEW else None
    keeps_template = existing is not None and request("UsePreviousTemplate")
    template = existing.template if existing is not None and keeps_template else Template(read_template())
    tags = request("Tags")
    return Target(
        template=template,
        parameters=given_values(template, request("Parameters") or [], existing.parameters if existing else {}),
        tags=existing.tags if tags is None and existing else {tag["Key"]: tag["Value"] for tag in tags or []},
        capabilities=tuple(request("Capabilities") or ()),
        role_arn=request("RoleARN") or (existing.role_arn if existing else None),
        imports={
            item["LogicalResourceId"]: dict(item["ResourceIdentifier"]) for item in request("ResourcesToImport") or []
        },
    )


def template_body(request: Request, s3: Any) -> str:
    """The text of the template that a request carries or names."""
    body, url = request("TemplateBody"), request("TemplateURL")
    if body:
        return str(body)
    if not url:
        raise ValidationError("Either Template URL or Template Body must be specified.")
    host, path = urlsplit(url).netloc, unquote(urlsplit(url).path).lstrip("/")
    bucket, key = (host.split(".s3")[0], path) if ".s3" in host else path.split("/", 1)
    try:
        return str(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode())
    except ClientError as exc:
        message = f"S3 error: {exc.response['Error']['Message']} ({url})"
        raise ValidationError(message) from exc


def _refuse_settings(action: str, request: Request) -> None:
    refused = [name for name in sorted(NOT_EMULATED) if request(name)]
    if (request("RollbackConfiguration") or {}).get("RollbackTriggers"):
        refused.append("RollbackConfiguration.RollbackTriggers")
    if (request("DeploymentConfig") or {}).get("Mode", "STANDARD") != "STANDARD":
        refused.append("DeploymentConfig.Mode")
    if refused:
        message = f"{action}.{refused[0]} is not emulated"
        raise ValidationError(message)
