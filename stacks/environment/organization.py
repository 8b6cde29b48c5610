"""The file `organization.yaml`: what an organisation demands of every environment in the same folder."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from stacks.environment.values import Section, SettingProblem, described_pattern, setting_error

_BOUNDARY_PATTERN = described_pattern(
    r"^(arn:aws(-cn|-us-gov)?:iam::(\d{12}|aws):policy/)?[A-Za-z0-9+=,.@_/-]{1,512}$",
    "the name of a managed policy, with its path, or its ARN",
)


def _explicit(value: Any) -> Any:
    """Refuses an empty value: a forgotten value does not mean that any value is allowed."""
    if value == "any" or (isinstance(value, list) and value and all(isinstance(one, str) for one in value)):
        return value
    raise setting_error(
        f"{value!r} does not say which values the tag may have",
        allowed="any, or a list of one text or more",
        remedy='write any, or the values, numbers in quotes: ["4711"]',
    )


AllowedValues = Annotated[Literal["any"] | tuple[str, ...], BeforeValidator(_explicit)]


WORKLOAD_BOUNDARY = "workload-boundary-sdxl"
"""Name of the permissions boundary that the access stack makes."""


class Organization(Section):
    """What every environment of the folder must have. One file, because a demand that every file repeats gets lost."""

    permissions_boundary: str | None = Field(
        default=None,
        pattern=_BOUNDARY_PATTERN,
        description="Managed policy that bounds the permissions of every role. A name means the policy in each "
        "environment's own account; an ARN, the policy in one account.",
    )
    required_tags: dict[str, AllowedValues] = Field(
        default_factory=dict,
        max_length=49,
        description="Tags that every environment has: by key, in the tag policy's case, the values allowed, or `any`.",
    )

    @property
    def own_boundary(self) -> str | None:
        """The boundary that the organization makes itself. None where there is none, or the access stack makes it."""
        named = self.permissions_boundary
        is_made_here = named is not None and named.rpartition(":policy/")[2] == WORKLOAD_BOUNDARY
        return None if is_made_here else named


def boundary_problems(boundary: str | None, account: str) -> Iterator[SettingProblem]:
    """Yield the problem of a permissions boundary that a role of `account` cannot have."""
    if boundary is None or not boundary.startswith("arn:"):
        return
    found = boundary.split(":")[4]
    if found not in (account, "aws"):
        yield SettingProblem(
            location=("account",),
            text=f"{account}, and organization.yaml's permissions_boundary is a policy of {found}: a role takes "
            "a policy of its account",
            received=account,
            allowed=f"the account {found}, or the policy's name in organization.yaml",
            remedy="write the name alone: it then means the policy of each account",
        )
