"""The settings of the section `storage`: what outlives a redeploy."""

from __future__ import annotations

from pydantic import Field

from stacks.environment.section import Section
from stacks.environment.values import Int, LogRetentionDays


class Storage(Section):
    """What outlives a redeploy."""

    image_expiration_days: Int = Field(
        default=30, ge=1, le=3650, description="Days after which a stored image is deleted."
    )
    log_retention_days: LogRetentionDays = Field(
        default=90, description="Days that logs are kept; CloudWatch Logs knows only these values."
    )
