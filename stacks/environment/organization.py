"""The settings of `organization.yaml`: what an organisation demands of every environment beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from stacks.environment.problems import SettingProblem, setting_error
from stacks.environment.section import Section
from stacks.environment.values import BOUNDARY_PATTERN, ENVIRONMENT_TAG


def _explicit(value: Any) -> Any:
    """A value forgotten is not the same as any value."""
    if value == "any" or (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
        return value
    raise setting_error(
        f"{value!r} does not say which values the tag may have",
        allowed="any, or a list of one text or more",
        remedy='write any, or the values, numbers in quotes: ["4711"]',
    )


AllowedValues = Annotated[Literal["any"] | tuple[str, ...], BeforeValidator(_explicit)]


class Organization(Section):
    """One file for all environments of its folder: a demand that every file repeats is soon missing in one."""

    permissions_boundary: str | None = Field(
        default=None,
        pattern=BOUNDARY_PATTERN,
        description="Managed policy that bounds the permissions of every role. A name means the policy of each "
        "environment's own account; an ARN, of its one account.",
    )
    required_tags: dict[str, AllowedValues] = Field(
        default_factory=dict,
        max_length=49,
        description="Tags that every environment has: by key, in the tag policy's case, the values allowed, or `any`.",
    )


@cache
def organization_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of organization.yaml."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **Organization.model_json_schema(),
        "description": "What the organisation demands of every environment beside this file.",
    }


def organization_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between what is demanded and the environment's tags and account."""
    organization: Organization | None = sections.get("organization")
    if organization is None:
        return
    tags: Mapping[str, str] = sections.get("tags") or {}
    for key, allowed in organization.required_tags.items():
        if key != ENVIRONMENT_TAG:
            yield from _tag_problems(tags, key, allowed)
    boundary, account = organization.permissions_boundary, sections.get("account")
    if boundary is not None and account is not None and boundary.startswith("arn:"):
        found = boundary.split(":")[4]
        if found not in (account, "aws"):
            yield SettingProblem(
                location=("account",),
                text=f"{account}, and organization.yaml's permissions_boundary is a policy of {found}: a role takes "
                "one of its own account",
                received=account,
                allowed=f"the account {found}, or the policy's name in organization.yaml",
                remedy="write the name alone: it then means the policy of each environment's account",
            )


def _tag_problems(tags: Mapping[str, str], key: str, allowed: AllowedValues) -> Iterator[SettingProblem]:
    words = "any value" if allowed == "any" else ", ".join(allowed)
    if key not in tags:
        close = [found for found in tags if found.lower() == key.lower()]
        missing = f"has no tag {key!r}, which organization.yaml demands"
        yield SettingProblem(
            location=("tags",),
            text=f"{missing}; {close[0]!r} differs in case" if close else missing,
            received=dict(tags),
            allowed=f"{key}: {words}",
            remedy=f"rename {close[0]} to {key}" if close else f"add {key} to tags",
        )
    elif allowed != "any" and tags[key] not in allowed:
        yield SettingProblem(
            location=("tags", key),
            text=f"{tags[key]!r} is not a value that organization.yaml allows",
            received=tags[key],
            allowed=words,
            remedy="use one of these, or add the value to organization.yaml",
        )
