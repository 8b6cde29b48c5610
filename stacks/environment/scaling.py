"""The settings of the section `scaling`: how many instances a variant has, and what decides it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, StrictBool, model_validator

from stacks.environment.problems import raise_problems
from stacks.environment.scaling_checks import scaling_problems, schedule_problems
from stacks.environment.schedules import valid_schedule, valid_timezone
from stacks.environment.section import Section
from stacks.environment.values import SCHEDULE_NAME_PATTERN, Instances, Int, Number


class InvocationsPerInstance(Section):
    """Target tracking on requests per instance and minute, a one-minute average."""

    metric: Literal["invocations_per_instance"] = Field(
        description="Requests per instance and minute, averaged over one minute."
    )
    target: Number = Field(
        gt=0,
        description="Requests per instance and minute to aim at: requests per second that one instance sustains x 0.5 "
        "x 60 (AWS's load-test rule).",
    )


class ConcurrentRequests(Section):
    """Target tracking on requests in flight per instance, measured every 10 seconds: reacts first."""

    metric: Literal["concurrent_requests"] = Field(
        description="Requests in flight per instance, measured every 10 seconds: reacts sooner."
    )
    target: Number = Field(gt=0, description="Requests in flight per instance to aim at; a GPU draws one at a time.")


ScalingTarget = Annotated[InvocationsPerInstance | ConcurrentRequests, Field(discriminator="metric")]


class ScheduledCapacity(Section):
    """Capacity bounds that take effect at a time of day: the turn-down at night and the turn-up in the morning."""

    name: str = Field(pattern=SCHEDULE_NAME_PATTERN, description="Name of the scheduled action, unique in the list.")
    schedule: Annotated[str, AfterValidator(valid_schedule)] = Field(
        description="When: `cron(minutes hours day-of-month month day-of-week year)`, `at(yyyy-mm-ddThh:mm:ss)` or "
        "`rate(value unit)`, as Application Auto Scaling writes them.",
        json_schema_extra={"pattern": r"^(cron|at|rate)\(.+\)$"},
    )
    timezone: Annotated[str, AfterValidator(valid_timezone)] = Field(
        default="UTC", description="IANA time zone of the schedule, such as `Europe/Berlin`. Follows summer time."
    )
    min_capacity: Instances | None = Field(
        default=None, description="Fewest instances from then on. Left out: stays as it is."
    )
    max_capacity: Instances | None = Field(
        default=None, description="Most instances from then on. Left out: stays as it is."
    )

    @model_validator(mode="after")
    def _check(self) -> ScheduledCapacity:
        if problems := [*schedule_problems(self)]:
            raise_problems("schedule", problems)
        return self


class Scaling(Section):
    """Autoscaling of the endpoint's variant."""

    min_capacity: Instances = Field(default=1, description="Fewest instances. A real-time endpoint keeps at least one.")
    max_capacity: Instances = Field(description="Most instances; the account's endpoint quota must allow as many.")
    target: ScalingTarget = Field(description="What the autoscaling keeps steady.")
    scale_in_cooldown_seconds: Int = Field(
        default=300, ge=0, le=3600, description="Seconds to wait after removing instances. 0 is kept."
    )
    scale_out_cooldown_seconds: Int = Field(
        default=60, ge=0, le=3600, description="Seconds to wait after adding instances. 0 is kept."
    )
    schedules: tuple[ScheduledCapacity, ...] = Field(
        default=(), description="Capacity bounds by time of day. Each lasts until the next one takes effect."
    )

    detached: StrictBool = Field(
        default=False,
        description="Leaves the scalable target out, and the instances as they are. SageMaker demands it before the "
        "instance types of a scaled variant change: deploy with `true`, then with the new types and without it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Scaling:
        if problems := [*scaling_problems(self)]:
            raise_problems("scaling", problems)
        return self


def min_capacity_of(scaling: Any) -> int | None:
    """The `min_capacity` of a section that may not be validated yet; None where it has none that is right."""
    if isinstance(scaling, Scaling):
        return scaling.min_capacity
    minimum = scaling.get("min_capacity") if isinstance(scaling, dict) else None
    return minimum if type(minimum) is int and 1 <= minimum <= 100 else None
