"""The section `operations`: whom alarms notify, when they go into ALARM state, and the budget."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stacks.environment.values import (
    EACH_ONCE,
    Int,
    Number,
    Section,
    SettingProblem,
    described_pattern,
    raise_problems,
)

_EMAIL_PATTERN = described_pattern(r"^[^@\s]{1,64}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+$", "an email address")
# AWS CloudFormation, AWS::Chatbot::SlackChannelConfiguration.
_SLACK_WORKSPACE_PATTERN = described_pattern(
    r"^[0-9A-Z]{1,255}$", "the id of a Slack workspace: capital letters and digits"
)
_SLACK_CHANNEL_PATTERN = described_pattern(
    r"^[A-Za-z0-9]{1,255}$", "the id of a Slack channel: letters and digits, not its name"
)

_LATENCY_SECONDS = 25
_SECONDS_BEFORE_TIMEOUT = 4


class Slack(Section):
    """A channel of Slack, through Amazon Q Developer in chat applications, which must know the workspace already."""

    workspace_id: str = Field(
        pattern=_SLACK_WORKSPACE_PATTERN, description="Id of the Slack workspace, such as `T0ABC`."
    )
    channel_id: str = Field(pattern=_SLACK_CHANNEL_PATTERN, description="Id of the channel, such as `C0ABC`.")


class Alarms(Section):
    """When alarms go into ALARM state. The defaults suit SDXL on instances with one NVIDIA A10G."""

    api_errors: Int = Field(default=5, ge=1, le=10_000, description="Answers of the API with 5xx within 5 minutes.")
    latency_p95_seconds: Number | None = Field(
        default=None,
        gt=0,
        lt=60,
        description="95th percentile of the time for an answer, in seconds, of the API and of the model, in 3 of 5 "
        "minutes. Below `api.integration_timeout_seconds`. Left out: 25, or 4 less than that timeout where it is "
        "shorter.",
    )
    throttled_requests: Int = Field(
        default=20,
        ge=1,
        le=100_000,
        description="Requests within 5 minutes that were refused because capacity was short.",
    )
    at_max_capacity_minutes: Int = Field(
        default=15, ge=5, le=1440, description="Minutes in a row with as many instances as scaling allows."
    )
    oldest_request_minutes: Int = Field(
        default=30,
        ge=1,
        le=360,
        description="Minutes that the oldest request of an asynchronous endpoint has waited or has been in work.",
    )
    no_capacity_minutes: Int = Field(
        default=20,
        ge=5,
        le=360,
        description="Minutes in which requests find no instance of an endpoint that has gone to zero. One that is "
        "woken takes 5 to 10 minutes to start.",
    )
    gpu_memory_percent: Int = Field(
        default=95, ge=1, le=100, description="Use of a GPU's memory in percent, for 5 minutes."
    )
    gpu_utilization_percent: Int = Field(
        default=95, ge=1, le=100, description="Use of a GPU in percent, for 15 minutes: images are waiting."
    )
    disk_percent: Int = Field(default=80, ge=1, le=100, description="Use of the instances' disk in percent.")

    def latency_seconds(self, timeout_seconds: int) -> float:
        """Threshold of latency of an API that gives a request up after `timeout_seconds`."""
        if self.latency_p95_seconds is not None:
            return self.latency_p95_seconds
        return min(_LATENCY_SECONDS, timeout_seconds - _SECONDS_BEFORE_TIMEOUT)


class BudgetAction(Section):
    """What happens to the API when the budget is used up."""

    at_percent: Int = Field(
        default=100, ge=1, le=1000, description="Actual cost, in percent of the budget, at which it happens."
    )
    approval: Literal["automatic", "manual"] = Field(
        default="manual",
        description="`automatic`: the function may no longer call the model, so that every request fails. `manual`: "
        "somebody has to confirm that in the Billing console.",
    )


class Budget(Section):
    """A monthly budget of what carries the tag `sdxl:environment`, and when people are notified."""

    monthly_usd: Number = Field(gt=0, description="Budget of a month in USD.")
    actual_percent: Int = Field(
        default=80, ge=1, le=1000, description="Actual cost, in percent of the budget, at which people are notified."
    )
    forecast_percent: Int = Field(
        default=100, ge=1, le=1000, description="Forecast cost, in percent of the budget, at which people are notified."
    )
    action: BudgetAction | None = Field(
        default=None, description="What else happens. Left out: people are notified, and nothing else happens."
    )

    @model_validator(mode="after")
    def _check(self) -> Budget:
        if self.action is not None and self.action.at_percent < self.actual_percent:
            problem = SettingProblem(
                location=("action", "at_percent"),
                text=f"{self.action.at_percent} is below actual_percent, {self.actual_percent}: the API would stop "
                "before anybody is warned",
                received=self.action.at_percent,
                allowed=f"actual_percent ({self.actual_percent}) to 1000",
                remedy="raise it, or lower actual_percent",
            )
            raise_problems([problem])
        return self


class Operations(Section):
    """Alarms, dashboard and budget."""

    emails: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=_EMAIL_PATTERN)], ...], Field(max_length=10)], EACH_ONCE
    ] = Field(default=(), description="Who is mailed; each has to confirm the subscription once. Left out: nobody.")
    slack: Slack | None = Field(default=None, description="Slack channel that is notified too. Left out: no channel.")
    alarms: Alarms = Field(default=Alarms(), description="Thresholds of the alarms.")
    dashboard: bool = Field(default=True, strict=True, description="Whether there is a dashboard.")
    budget: Budget | None = Field(default=None, description="Monthly budget. Left out: no budget.")

    @model_validator(mode="after")
    def _check(self) -> Operations:
        if self.budget is not None and not self.emails and self.slack is None:
            problem = SettingProblem(
                location=("budget",),
                text="nobody would be notified",
                allowed="a budget with operations.emails or operations.slack",
                remedy="name at least one of the two",
            )
            raise_problems([problem])
        return self
