"""A request's template, settings and parameters, and the target that a stack is to become with them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

from botocore.exceptions import ClientError

from emulator.cloudformation.errors import ValidationError
from emulator.cloudformation.model import REVIEW, Stack, Target
from emulator.cloudformation.resource_type import words
from emulator.cloudformation.template import Template

SSM_VALUE_TYPE = "AWS::SSM::Parameter::Value<"
NO_ECHO_MASK = "****"


def given_values(
    template: Template, submitted: Sequence[Mapping[str, Any]], previous: Mapping[str, str]
) -> dict[str, str]:
    """The raw value of every parameter of a template: submitted, kept from before on request, or its default.

    An SSM-typed parameter's raw value is the name of the SSM parameter. Raises ValidationError for unknown, missing
    and out-of-bounds values.
    """
    definitions = template.section("Parameters")
    unknown = [item["ParameterKey"] for item in submitted if item["ParameterKey"] not in definitions]
    if unknown:
        message = f"Parameters: [{', '.join(unknown)}] do not exist in the template"
        raise ValidationError(message)
    values = {name: str(definition["Default"]) for name, definition in definitions.items() if "Default" in definition}
    for item in submitted:
        name = item["ParameterKey"]
        if item.get("UsePreviousValue"):
            if name in previous:
                values[name] = previous[name]
        elif "ParameterValue" in item:
            values[name] = item["ParameterValue"]
    missing = [name for name in definitions if name not in values]
    if missing:
        message = f"Parameters: [{', '.join(missing)}] must have values"
        raise ValidationError(message)
    for name, definition in definitions.items():
        _check(name, values[name], definition)
    return values


def resolved_values(
    template: Template, values: Mapping[str, str], ssm_parameter: Callable[[str, str | None], str]
) -> dict[str, Any]:
    """What Ref gives for every parameter: SSM names looked up, numbers and lists read."""
    resolved: dict[str, Any] = {}
    for name, definition in template.section("Parameters").items():
        kind, value = definition["Type"], values[name]
        if kind.startswith(SSM_VALUE_TYPE):
            value, kind = ssm_parameter(value, None), kind.removeprefix(SSM_VALUE_TYPE).removesuffix(">")
        is_list = kind == "CommaDelimitedList" or kind.startswith("List<")
        resolved[name] = [item.strip() for item in value.split(",")] if is_list else value
    return resolved


def described_values(
    template: Template, values: Mapping[str, str], resolved: Mapping[str, Any]
) -> list[dict[str, str]]:
    """The parameters as DescribeStacks lists them."""
    described = []
    for name, definition in template.section("Parameters").items():
        hidden = str(definition.get("NoEcho", False)).lower() == "true"
        entry = {"ParameterKey": name, "ParameterValue": NO_ECHO_MASK if hidden else values[name]}
        if definition["Type"].startswith(SSM_VALUE_TYPE):
            value = resolved[name]
            entry["ResolvedValue"] = ",".join(value) if isinstance(value, list) else value
        described.append(entry)
    return described


def _check(name: str, value: str, definition: Mapping[str, Any]) -> None:
    allowed = definition.get("AllowedValues")
    if allowed is not None and value not in [str(item) for item in allowed]:
        message = f"Parameter '{name}' must be one of AllowedValues [{', '.join(map(str, allowed))}]"
        raise ValidationError(message)
    pattern = definition.get("AllowedPattern")
    if pattern is not None and not re.fullmatch(pattern, value):
        message = f"Parameter '{name}' must match pattern {pattern}"
        raise ValidationError(message)
    if definition["Type"] == "Number" and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        message = f"Parameter '{name}' must be a number"
        raise ValidationError(message)
    length = len(value)
    if length < int(definition.get("MinLength", 0)) or length > int(definition.get("MaxLength", length)):
        message = f"Parameter '{name}' has {length} characters, outside its MinLength and MaxLength"
        raise ValidationError(message)


# ImportExistingResources, which bootstrapping sets, is not here: where it would matter, the service refuses the name.
NOT_EMULATED = words(
    "DeploymentMode NotificationARNs OnFailure OnStackFailure ResourceTypes StackPolicyBody StackPolicyURL "
    "TimeoutInMinutes"
)
"""Settings that would make a difference on AWS and make none here."""
NOT_EMULATED_BY_ACTION: Mapping[str, frozenset[str]] = {
    "DeleteStack": words("DeletionMode"),
    "ExecuteChangeSet": words("RetainExceptOnCreate"),
    "RollbackStack": words("RetainExceptOnCreate"),
}
"""The same of requests that carry no template. Their RoleARN is taken and has no effect: everyone may do everything."""

Request = Callable[[str], Any]
"""The value of a request's parameter, None where it has none."""


def submitted_target(request: Request, stack: Stack | None, read_template: Callable[[], str]) -> Target:
    """The target of a request, which may keep template, parameters, tags and role of the stack that there is."""
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


def refuse_settings(action: str, request: Request) -> None:
    """Raise ValidationError where a request has a setting that would be skipped silently."""
    not_emulated = NOT_EMULATED | NOT_EMULATED_BY_ACTION.get(action, frozenset())
    refused = [name for name in sorted(not_emulated) if request(name)]
    if (request("RollbackConfiguration") or {}).get("RollbackTriggers"):
        refused.append("RollbackConfiguration.RollbackTriggers")
    if (request("DeploymentConfig") or {}).get("Mode", "STANDARD") != "STANDARD":
        refused.append("DeploymentConfig.Mode")
    if refused:
        message = f"{action}.{refused[0]} is not emulated"
        raise ValidationError(message)
