"""The settings of the section `storage`: what outlives a redeploy."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

from pydantic import Field

from stacks.environment.problems import SettingProblem
from stacks.environment.section import Section
from stacks.environment.values import KEY_ARN_PATTERN, Int, LogRetentionDays


class Storage(Section):
    """What outlives a redeploy."""

    image_expiration_days: Int = Field(
        default=30, ge=1, le=3650, description="Days after which a stored image is deleted."
    )
    log_retention_days: LogRetentionDays = Field(
        default=90, description="Days that logs are kept; CloudWatch Logs knows only these values."
    )
    key_arn: str | None = Field(
        default=None,
        pattern=KEY_ARN_PATTERN,
        description="An existing KMS key of the environment's account and region, which encrypts everything. Its "
        "policy is yours: docs/organization.md says what it must allow. Left out: a key is made.",
    )
    on_destroy: Literal["keep", "delete"] = Field(
        default="keep",
        description="What becomes of images, access log and key when the environment is destroyed. `keep`: they stay. "
        "`delete`: they go, with `sdxl environments destroy`.",
    )


def storage_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between the section `storage` and the environment's account and region."""
    storage: Storage | None = sections.get("storage")
    if storage is None or storage.key_arn is None:
        return
    parts = storage.key_arn.split(":")
    for what, found in (("region", parts[3]), ("account", parts[4])):
        wanted = sections.get(what)
        if wanted is not None and found != wanted:
            yield SettingProblem(
                location=("storage", "key_arn"),
                text=f"{storage.key_arn!r} is of the {what} {found}, the environment of {wanted}",
                received=storage.key_arn,
                allowed=f"a key of the {what} {wanted}",
                remedy=f"use a key of that {what}, or remove it: the environment then makes its own",
            )
