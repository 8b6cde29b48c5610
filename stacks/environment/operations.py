"""The settings of the section `operations`: whom alarms tell, when they go off, and the budget."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from stacks.environment.problems import SettingProblem, raise_problems
from stacks.environment.section import Section
from stacks.environment.values import (
    EMAIL_PATTERN,
    SLACK_CHANNEL_PATTERN,
    SLACK_WORKSPACE_PATTERN,
    Int,
    Number,
    unique,
)

if TYPE_CHECKING:
    from stacks.environment.api import Api


def _each_once(emails: tuple[str, ...]) -> tuple[str, ...]:
    if problems := [*unique(emails)]:
        raise_problems("emails", problems)
    return emails


Emails = Annotated[
    Annotated[tuple[Annotated[str, Field(pattern=EMAIL_PATTERN)], ...], Field(max_length=10)],
    AfterValidator(_each_once),
]


class Slack(Section):
    """A channel of Slack, through Amazon Q Developer in chat applications, which must know the workspace already."""

    workspace_id: str = Field(
        pattern=SLACK_WORKSPACE_PATTERN, description="Id of the Slack workspace, such as `T0ABC`."
    )
    channel_id: str = Field(pattern=SLACK_CHANNEL_PATTERN, description="Id of the channel, such as `C0ABC`.")


_LATENCY_SECONDS = 25
_SECONDS_BEFORE_TIMEOUT = 4


class Alarms(Section):
    """When alarms go off. The defaults suit SDXL on one NVIDIA A10G an instance."""

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
        default=20, ge=1, le=100_000, description="Requests within 5 minutes that were refused for want of capacity."
    )
    at_max_capacity_minutes: Int = Field(
        default=15, ge=5, le=1440, description="Minutes in a row with as many instances as scaling allows."
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
    """A monthly budget of what carries the tag `sdxl:environment`, and who is told when."""

    monthly_usd: Number = Field(gt=0, description="Budget of a month in USD.")
    actual_percent: Int = Field(
        default=80, ge=1, le=1000, description="Actual cost, in percent of the budget, at which to tell."
    )
    forecast_percent: Int = Field(
        default=100, ge=1, le=1000, description="Forecast cost, in percent of the budget, at which to tell."
    )
    action: BudgetAction | None = Field(
        default=None, description="What else happens. Left out: nothing, people are told."
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
            raise_problems("budget", [problem])
        return self


class Operations(Section):
    """Alarms, dashboard and budget."""

    emails: Emails = Field(
        default=(), description="Who is mailed; each has to confirm the subscription once. Left out: nobody."
    )
    slack: Slack | None = Field(default=None, description="Slack channel that is told too. Left out: none.")
    alarms: Alarms = Field(default=Alarms(), description="When alarms go off.")
    dashboard: bool = Field(default=True, strict=True, description="Whether there is a dashboard.")
    budget: Budget | None = Field(default=None, description="Monthly budget. Left out: none.")

    @model_validator(mode="after")
    def _check(self) -> Operations:
        if self.budget is not None and not self.emails and self.slack is None:
            problem = SettingProblem(
                location=("budget",),
                text="nobody would be told of it",
                allowed="a budget with operations.emails or operations.slack",
                remedy="name at least one of the two",
            )
            raise_problems("operations", [problem])
        return self


def operations_problems(api: Api | None, operations: Operations | None) -> Iterator[SettingProblem]:
    """Problems between the alarms and the API; sections that are absent are left out of the checks."""
    if api is None or operations is None:
        return
    seconds, timeout = operations.alarms.latency_p95_seconds, api.integration_timeout_seconds
    if seconds is not None and seconds >= timeout:
        yield SettingProblem(
            location=("operations", "alarms", "latency_p95_seconds"),
            text=f"{seconds:g} is not below api.integration_timeout_seconds, {timeout}: no answer takes longer than "
            "that, and the alarm would never go off",
            received=seconds,
            allowed=f"less than {timeout}",
            remedy="lower it, or leave it out",
        )
