"""The section `storage`: what outlives a deployment."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from stacks.environment.values import Int, LogRetentionDays, Section, described_pattern

_KEY_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:kms:[a-z0-9-]+:\d{12}:key/(mrk-)?[0-9a-f-]+$",
    "arn:<partition>:kms:<region>:<account>:key/<id>, not an alias",
)


class Storage(Section):
    """What outlives a deployment."""

    image_expiration_days: Int = Field(
        default=30, ge=1, le=3650, description="Days after which a stored image is deleted."
    )
    log_retention_days: LogRetentionDays = Field(
        default=90, description="Days that logs are kept; CloudWatch Logs knows only these values."
    )
    key_arn: str | None = Field(
        default=None,
        pattern=_KEY_ARN_PATTERN,
        description="An existing KMS key of the environment's account and region, which encrypts everything. Its "
        "policy is yours: docs/organization.md says what it must allow. Left out: the environment makes a key.",
    )
    on_destroy: Literal["keep", "delete"] = Field(
        default="keep",
        description="What happens to images, access log and key when the environment is destroyed. `keep`: they stay. "
        "`delete`: `sdxl environments destroy` deletes them.",
    )
