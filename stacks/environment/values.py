"""Kinds of values that settings have: numbers that are never converted, origins, tags, names and ARNs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, Strict
from pydantic_core import PydanticCustomError

from stacks.environment.problems import Location, SettingProblem, raise_problems, setting_error

# Endpoint names may not end in a hyphen, and `sdxl-<name>` is one.
NAME_PATTERN = r"^[a-z]([a-z0-9-]{0,18}[a-z0-9])?$"
ACCOUNT_PATTERN = r"^\d{12}$"
REGION_PATTERN = r"^[a-z]{2}(-[a-z]+){1,2}-\d$"
SCHEDULE_NAME_PATTERN = r"^[a-z][a-z0-9-]{0,39}$"
MODEL_PACKAGE_ARN_PATTERN = r"^arn:aws(-cn|-us-gov)?:sagemaker:[a-z0-9-]+:\d{12}:model-package/[A-Za-z0-9/-]+$"
# Amazon Bedrock API reference: ProvisionedModelArn, ImportedModelArn.
PROVISIONED_MODEL_ARN_PATTERN = r"^arn:aws(-cn|-us-gov)?:bedrock:[a-z0-9-]{1,20}:\d{12}:provisioned-model/[a-z0-9]{12}$"
IMPORTED_MODEL_ARN_PATTERN = r"^arn:aws(-cn|-us-gov)?:bedrock:[a-z0-9-]{1,20}:\d{12}:imported-model/[a-z0-9]{12}$"
KEY_NAME_PATTERN = SCHEDULE_NAME_PATTERN
VARIANT_NAME_PATTERN = r"^[a-z](-?[a-z0-9]){0,39}$"
# Amazon Cognito, CreateUserPoolDomain.
DOMAIN_PREFIX_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
DOMAIN_NAME_PATTERN = r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$"
CERTIFICATE_ARN_PATTERN = r"^arn:aws(-cn|-us-gov)?:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+$"
EMAIL_PATTERN = r"^[^@\s]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$"
# AWS CloudFormation, AWS::Chatbot::SlackChannelConfiguration.
SLACK_WORKSPACE_PATTERN = r"^[0-9A-Z]{1,255}$"
SLACK_CHANNEL_PATTERN = r"^[A-Za-z0-9]{1,255}$"
VPC_ENDPOINT_PATTERN = r"^vpce-[0-9a-f]{8}([0-9a-f]{9})?$"
VPC_PATTERN = r"^vpc-[0-9a-f]{8}([0-9a-f]{9})?$"
SUBNET_PATTERN = r"^subnet-[0-9a-f]{8}([0-9a-f]{9})?$"
SECURITY_GROUP_PATTERN = r"^sg-[0-9a-f]{8}([0-9a-f]{9})?$"
ROUTE_TABLE_PATTERN = r"^rtb-[0-9a-f]{8}([0-9a-f]{9})?$"
PREFIX_LIST_PATTERN = r"^pl-[0-9a-f]{8}([0-9a-f]{9})?$"
KEY_ARN_PATTERN = r"^arn:aws(-cn|-us-gov)?:kms:[a-z0-9-]+:\d{12}:key/(mrk-)?[0-9a-f-]+$"
BOUNDARY_PATTERN = r"^(arn:aws(-cn|-us-gov)?:iam::(\d{12}|aws):policy/)?[A-Za-z0-9+=,.@_/-]{1,512}$"
REPOSITORY_PATTERN = r"^[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+$"
# AWS CodeConnections, and the older name of the same service, whose connections still work.
CONNECTION_ARN_PATTERN = (
    r"^arn:aws(-cn|-us-gov)?:(codeconnections|codestar-connections):[a-z0-9-]+:\d{12}:connection/[0-9a-f-]+$"
)
ROLE_NAME_PATTERN = r"^[A-Za-z0-9+=,.@_-]{1,64}$"

PATTERN_WORDS = {
    NAME_PATTERN: "1 to 20 lower-case letters, digits and hyphens; a letter first, no hyphen last",
    ACCOUNT_PATTERN: "an AWS account number: 12 digits in quotes",
    REGION_PATTERN: "a region's code, such as us-east-1",
    SCHEDULE_NAME_PATTERN: "1 to 40 lower-case letters, digits and hyphens; a letter first",
    VARIANT_NAME_PATTERN: "1 to 40 lower-case letters and digits, single hyphens between them; a letter first",
    DOMAIN_PREFIX_PATTERN: "1 to 63 lower-case letters, digits and hyphens, no hyphen first or last",
    DOMAIN_NAME_PATTERN: "a domain name in lower case, such as images.example.com",
    CERTIFICATE_ARN_PATTERN: "arn:<partition>:acm:<region>:<account>:certificate/<id>",
    EMAIL_PATTERN: "an email address",
    SLACK_WORKSPACE_PATTERN: "the id of a Slack workspace: capital letters and digits",
    SLACK_CHANNEL_PATTERN: "the id of a Slack channel: letters and digits, not its name",
    VPC_ENDPOINT_PATTERN: "the id of a VPC endpoint, such as vpce-0123456789abcdef0",
    VPC_PATTERN: "the id of a VPC, such as vpc-0123456789abcdef0",
    SUBNET_PATTERN: "the id of a subnet, such as subnet-0123456789abcdef0",
    SECURITY_GROUP_PATTERN: "the id of a security group, such as sg-0123456789abcdef0",
    ROUTE_TABLE_PATTERN: "the id of a route table, such as rtb-0123456789abcdef0",
    PREFIX_LIST_PATTERN: "the id of a prefix list, such as pl-01234567",
    KEY_ARN_PATTERN: "arn:<partition>:kms:<region>:<account>:key/<id>, not an alias",
    BOUNDARY_PATTERN: "the name of a managed policy, with its path, or its ARN",
    REPOSITORY_PATTERN: "owner/name of a repository, such as my-org/sdxl",
    CONNECTION_ARN_PATTERN: "arn:<partition>:codeconnections:<region>:<account>:connection/<id>",
    ROLE_NAME_PATTERN: "the name of an IAM role: 1 to 64 letters, digits and + = , . @ _ -",
    MODEL_PACKAGE_ARN_PATTERN: "arn:<partition>:sagemaker:<region>:<account>:model-package/<name>",
    PROVISIONED_MODEL_ARN_PATTERN: "arn:<partition>:bedrock:<region>:<account>:provisioned-model/<12 characters>",
    IMPORTED_MODEL_ARN_PATTERN: "arn:<partition>:bedrock:<region>:<account>:imported-model/<12 characters>",
}

# Name of the API's stage, with which every path of its address begins.
API_STAGE = "api"
# What the resources of an environment are told apart by, in the bill too. Of the 50 tags that AWS allows, one.
ENVIRONMENT_TAG = "sdxl:environment"
TAGS_LIMIT = 49
TAG_KEY_LENGTH = 128
TAG_VALUE_LENGTH = 256
_TAG_CHARACTERS = re.compile(r"[\w\s+\-=.:/@]*")

_HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\]"
_ORIGIN = re.compile(rf"(?P<scheme>https?)://({_HOST})(:(?P<port>[1-9]\d{{0,4}}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}


def _refuse_zero_instances(value: object) -> object:
    if type(value) is int and value == 0:
        raise setting_error(
            "0: a real-time endpoint cannot scale to zero instances",
            allowed="a whole number from 1 to 100",
            remedy="use 1, and a schedule that turns the capacity down at night; "
            "only asynchronous inference scales to zero",
        )
    return value


def _refuse_booleans(value: object) -> object:
    # Python's True equals 1, and a Literal of numbers takes it for one.
    if type(value) is not int:
        raise PydanticCustomError("int_type", "a whole number is required")
    return value


LogRetentionDays = Annotated[
    Literal[1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 3653],
    BeforeValidator(_refuse_booleans),
]
Int = Annotated[int, Strict()]
Number = Annotated[float, Strict(), Field(allow_inf_nan=False)]
Instances = Annotated[int, Strict(), Field(ge=1, le=100), BeforeValidator(_refuse_zero_instances)]


def unique(values: tuple[str, ...], location: Location = ()) -> Iterator[SettingProblem]:
    """A problem for each value that stood before."""
    for index, value in enumerate(values):
        if value in values[:index]:
            yield SettingProblem(
                location=(*location, index),
                text=f"{value!r} stands twice",
                received=value,
                allowed="each entry once",
                remedy="remove one of the two",
            )


def valid_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `origins` if a browser could send each of them in its Origin header."""
    problems = [*unique(origins)]
    for index, origin in enumerate(origins):
        text, remedy = _origin_problem(origin)
        if text:
            allowed = '"*", or scheme://host[:port] with http or https'
            problems.append(
                SettingProblem(location=(index,), text=text, received=origin, allowed=allowed, remedy=remedy)
            )
    if "*" in origins and len(set(origins)) > 1:
        problems.append(
            SettingProblem(
                location=(origins.index("*"),),
                text='"*" stands beside other origins, which it includes',
                received="*",
                allowed='"*" alone, or a list of origins',
                remedy='remove "*", or everything else',
            )
        )
    if problems:
        raise_problems("allow_origins", problems)
    return origins


def _origin_problem(origin: str) -> tuple[str | None, str | None]:
    if origin == "*":
        return None, None
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        text = f"{origin!r} is not an origin"
        if _ORIGIN.match(origin.lower()):
            return text, "an origin is in lower case and has no path, and no slash at its end"
        return text, 'write for example "https://images.example.com"'
    port = int(match["port"] or 0)
    if port > 65535:
        return f"{origin!r} has a port above 65535", "use the port that the browser shows"
    if port == _DEFAULT_PORTS[match["scheme"]]:
        return f"{origin!r} never matches: browsers leave the default port out", f"remove :{port}"
    return None, None


def valid_tags(tags: dict[str, str]) -> dict[str, str]:
    """Returns `tags` if AWS takes them (AWS documentation, "Tag naming limits and requirements")."""
    problems = []
    if len(tags) > TAGS_LIMIT:
        text = f"{len(tags)} tags"
        remedy = f"remove {len(tags) - TAGS_LIMIT}"
        problems.append(SettingProblem(location=(), text=text, allowed=f"up to {TAGS_LIMIT} tags", remedy=remedy))
    for key, value in tags.items():
        for text, allowed, remedy in _tag_problems(key, value):
            problems.append(SettingProblem(location=(key,), text=text, received=value, allowed=allowed, remedy=remedy))
    if problems:
        raise_problems("tags", problems)
    return tags


def _tag_problems(key: str, value: str) -> Iterator[tuple[str, str, str]]:
    if key == ENVIRONMENT_TAG:
        yield f"the key {key!r} is set by the toolkit, to the environment's name", "another key", "remove it"
    if key.lower().startswith("aws:"):
        yield f"the key {key!r} has the prefix aws:", "keys without that prefix", "AWS reserves it: choose another key"
    for what, text, low, high in (("key", key, 1, TAG_KEY_LENGTH), ("value", value, 0, TAG_VALUE_LENGTH)):
        if not low <= len(text) <= high:
            yield f"the {what} has {len(text)} characters", f"{low} to {high} characters", f"change the {what}"
        if not _TAG_CHARACTERS.fullmatch(text):
            allowed = "letters, digits, spaces and + - = . _ : / @"
            yield f"the {what} {text!r} has characters that AWS refuses", allowed, f"change the {what}"


def pascal(name: str) -> str:
    """A name as a part of a construct's id: `night-shift`, `NIGHT_SHIFT` and `night/{shift}` as `NightShift`."""
    return "".join(word.capitalize() for word in re.split(r"[^A-Za-z0-9]+", name))
