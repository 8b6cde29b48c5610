"""The section `scaling`: how many instances a variant has, what decides it, and when it changes.

Each mode of an endpoint publishes other metrics. A target is of one mode, and each mode's scaling takes its own type of
target alone: `RealTimeTarget`, `AsynchronousTarget` or `ComponentTarget`.

Schedule expressions and time zones are those of Application Auto Scaling: AWS documentation, "Schedule recurring
scaling actions using Application Auto Scaling" and "Cron expressions reference" of Amazon EventBridge, to which it
refers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import available_timezones

from pydantic import AfterValidator, Field, StrictBool, model_validator

from stacks.environment.values import (
    ITEM_NAME_PATTERN,
    InstanceBound,
    Instances,
    Int,
    Number,
    Section,
    SettingProblem,
    described_pattern,
    raise_problems,
    repeated_names,
    setting_error,
)

_ALLOWED_SCHEDULES = (
    "cron(minutes hours day-of-month month day-of-week year), at(yyyy-mm-ddThh:mm:ss) or rate(value minutes|hours|days)"
)
# What editors check; `valid_schedule` checks the rest.
_SCHEDULE_PATTERN = described_pattern(r"^(cron|at|rate)\(.+\)$", _ALLOWED_SCHEDULES)
_EXPRESSION = re.compile(r"(cron|at|rate)\(([^()]+)\)")
_RATE = re.compile(r"[1-9]\d* (minute|hour|day)s?")
_AT = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}")

_MONTHS = {
    name: number
    for number, name in enumerate(
        ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"), start=1
    )
}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), start=1)}


@dataclass(frozen=True, kw_only=True)
class CronField:
    """One field of a cron expression: its text, the numbers and names it may hold, and forms of this field alone."""

    name: str
    text: str
    low: int
    high: int
    number_of: Mapping[str, int]
    special: str

    @property
    def is_valid(self) -> bool:
        """Whether EventBridge takes the field."""
        return all(re.fullmatch(self.special, part) or self._is_range(part) for part in self.text.split(","))

    @property
    def is_any(self) -> bool:
        """Whether the field limits nothing: `*` or `?`."""
        return self.text in ("*", "?")

    def numbers(self) -> tuple[int, ...] | None:
        """The numbers in a list of numbers, names and ranges; None for every other form, such as steps."""
        found: list[int] = []
        for part in self.text.split(","):
            ends = [self._number(end) for end in part.split("-")]
            if -1 in ends:
                return None
            found += range(ends[0], ends[-1] + 1)
        return tuple(found)

    def _number(self, text: str) -> int:
        return self.number_of.get(text) or (int(text) if text.isascii() and text.isdigit() else -1)

    def _is_range(self, part: str) -> bool:
        base, slash, step = part.partition("/")
        if slash and not (step.isascii() and step.isdigit() and 1 <= int(step) <= self.high):
            return False
        if base == "*":
            return True
        numbers = [self._number(end) for end in base.split("-")]
        return (
            len(numbers) <= 2
            and all(self.low <= number <= self.high for number in numbers)
            and numbers == sorted(numbers)
        )


# Name, lowest and highest number, names for numbers, further forms.
_CRON_FIELDS: tuple[tuple[str, int, int, Mapping[str, int], str], ...] = (
    ("minutes", 0, 59, {}, r"$^"),
    ("hours", 0, 23, {}, r"$^"),
    ("day-of-month", 1, 31, {}, r"\?|L|([1-9]|[12]\d|3[01])W"),
    ("month", 1, 12, _MONTHS, r"$^"),
    ("day-of-week", 1, 7, _DAYS, r"\?|L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"),
    ("year", 1970, 2199, {}, r"$^"),
)


def cron_fields(expression: str) -> dict[str, CronField] | None:
    """The fields of `cron(...)` by name, valid or not; None where `expression` is no cron of six fields."""
    match = _EXPRESSION.fullmatch(expression)
    texts = match[2].split() if match is not None and match[1] == "cron" else []
    if len(texts) != len(_CRON_FIELDS):
        return None
    return {
        name: CronField(name=name, text=text, low=low, high=high, number_of=number_of, special=special)
        for text, (name, low, high, number_of, special) in zip(texts, _CRON_FIELDS, strict=True)
    }


def valid_schedule(expression: str) -> str:
    """Returns `expression` if Application Auto Scaling takes it.

    Raises:
        PydanticCustomError: Application Auto Scaling refuses it; the error says why and what to write.
    """
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise setting_error(
            f"{expression!r} is not a schedule expression",
            allowed=_ALLOWED_SCHEDULES,
            remedy='write for example "cron(0 20 ? * MON-FRI *)" for 20:00 on working days',
        )
    kind, inner = match.groups()
    if kind == "cron":
        _check_cron(expression, inner)
    elif kind == "rate" and not _RATE.fullmatch(inner):
        raise setting_error(
            f"{expression!r} is not a rate",
            allowed="rate(value unit): a whole number from 1 and minute(s), hour(s) or day(s)",
            remedy='write for example "rate(12 hours)"',
        )
    elif kind == "at":
        _check_at(expression, inner)
    return expression


def _check_at(expression: str, inner: str) -> None:
    try:
        exists = bool(_AT.fullmatch(inner) and datetime.fromisoformat(inner))
    except ValueError:
        exists = False
    if not exists:
        raise setting_error(
            f"{expression!r} is not a point in time",
            allowed="at(yyyy-mm-ddThh:mm:ss), in the schedule's timezone",
            remedy='write for example "at(2030-12-24T18:00:00)"',
        )


def _check_cron(expression: str, inner: str) -> None:
    fields = cron_fields(expression)
    if fields is None:
        raise setting_error(
            f"{expression!r} has {len(inner.split())} cron fields",
            allowed="six fields: minutes hours day-of-month month day-of-week year",
            remedy='AWS adds a year to the usual five: write for example "cron(0 20 ? * MON-FRI *)"',
        )
    for field in fields.values():
        if not field.is_valid:
            spelled = f" or {', '.join(field.number_of)}" if field.number_of else ""
            raise setting_error(
                f"{expression!r}: {field.text!r} is not valid for {field.name}",
                allowed=f"{field.low}-{field.high}{spelled}, *, ranges a-b, steps a/b, lists a,b"
                + (", ? for no specific value" if field.special.startswith(r"\?") else ""),
                remedy=f"correct the field {field.name}",
            )
    if (fields["day-of-month"].text == "?") == (fields["day-of-week"].text == "?"):
        raise setting_error(
            f"{expression!r}: exactly one of day-of-month and day-of-week must be ?",
            allowed="? in one of the two, a value or * in the other",
            remedy='write "cron(0 20 * * ? *)" for every day, "cron(0 20 ? * MON-FRI *)" for working days',
        )


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def valid_timezone(name: str) -> str:
    """Returns `name` if it is a time zone of the IANA database.

    Raises:
        PydanticCustomError: it is not, or this machine has no such database.
    """
    if name == "UTC" or name in _timezones():
        return name
    if not _timezones():
        raise setting_error(
            f"{name!r} cannot be checked: this machine has no IANA time zone database",
            remedy="install the operating system's tzdata package, or use UTC",
        )
    close = difflib.get_close_matches(name, sorted(_timezones()), n=3, cutoff=0.5)
    raise setting_error(
        f"{name!r} is not a time zone",
        allowed="names of the IANA time zone database, such as Europe/Berlin, America/New_York or UTC",
        remedy=f"did you mean {' or '.join(close)}?" if close else "use a name of that database, or UTC",
    )


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


class BacklogPerInstance(Section):
    """Target tracking on the queue of an asynchronous endpoint."""

    metric: Literal["backlog_per_instance"] = Field(
        description="Requests in the queue and in work per instance, averaged over one minute. For `endpoint.mode` "
        "`asynchronous`, and its only metric."
    )
    target: Number = Field(
        gt=0,
        description="Requests per instance to aim at: seconds that a request may wait, divided by the seconds that an "
        "image takes. AWS's example has 5.",
    )


class ConcurrentRequestsPerCopy(Section):
    """Target tracking on requests in flight per copy of an inference component, measured every 10 seconds."""

    metric: Literal["concurrent_requests_per_copy"] = Field(
        description="Requests in flight per copy of the model, measured every 10 seconds. For `endpoint.mode` "
        "`components`."
    )
    target: Number = Field(gt=0, description="Requests in flight per copy to aim at; a GPU draws one at a time.")


class InvocationsPerCopy(Section):
    """Target tracking on requests per copy of an inference component and minute."""

    metric: Literal["invocations_per_copy"] = Field(
        description="Requests per copy of the model and minute, averaged over one minute. For `endpoint.mode` "
        "`components`."
    )
    target: Number = Field(
        gt=0,
        description="Requests per copy and minute to aim at: requests per second that one copy sustains x 0.5 x 60.",
    )


RealTimeTarget = InvocationsPerInstance | ConcurrentRequests
AsynchronousTarget = BacklogPerInstance
ComponentTarget = ConcurrentRequestsPerCopy | InvocationsPerCopy
ScalingTarget = Annotated[RealTimeTarget | AsynchronousTarget | ComponentTarget, Field(discriminator="metric")]

# The words of `endpoint.mode`.
Mode = Literal["real-time", "asynchronous", "components"]
# By mode: the metrics that its endpoints publish and scaling can follow.
METRICS_OF_MODE: Mapping[Mode, tuple[str, ...]] = {
    "real-time": ("invocations_per_instance", "concurrent_requests"),
    "asynchronous": ("backlog_per_instance",),
    "components": ("concurrent_requests_per_copy", "invocations_per_copy"),
}


class ScheduledCapacity(Section):
    """Capacity bounds that take effect at a time of day: the turn-down at night and the turn-up in the morning."""

    name: str = Field(pattern=ITEM_NAME_PATTERN, description="Name of the scheduled action, unique in the list.")
    schedule: Annotated[str, AfterValidator(valid_schedule)] = Field(
        description="When: `cron(minutes hours day-of-month month day-of-week year)`, `at(yyyy-mm-ddThh:mm:ss)` or "
        "`rate(value unit)`, as Application Auto Scaling writes them.",
        json_schema_extra={"pattern": _SCHEDULE_PATTERN},
    )
    timezone: Annotated[str, AfterValidator(valid_timezone)] = Field(
        default="UTC", description="IANA time zone of the schedule, such as `Europe/Berlin`. Follows summer time."
    )
    min_capacity: InstanceBound | None = Field(
        default=None, description="Fewest instances from then on. Left out: stays as it is."
    )
    max_capacity: InstanceBound | None = Field(
        default=None, description="Most instances from then on. Left out: stays as it is."
    )

    @model_validator(mode="after")
    def _check(self) -> ScheduledCapacity:
        raise_problems(self._problems())
        return self

    def _problems(self) -> Iterator[SettingProblem]:
        low, high = self.min_capacity, self.max_capacity
        if low is None and high is None:
            yield SettingProblem(
                location=(),
                text=f"the schedule {self.name!r} changes nothing",
                allowed="min_capacity, max_capacity or both",
                remedy="add the capacity that takes effect then, or remove the schedule",
            )
        elif low is not None and high is not None and low > high:
            yield _crossed(low, high)


class Scaling(Section):
    """Autoscaling of a variant."""

    min_capacity: InstanceBound = Field(
        default=1,
        description="Fewest instances. With 0, which `endpoint.mode` `asynchronous` and `components` allow, nothing "
        "runs and nothing is billed while nobody asks; the first request then waits for an instance to start. A "
        "real-time endpoint keeps at least one.",
    )
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

    @property
    def fewest_instances(self) -> int:
        """The fewest instances at any time: the lowest of `min_capacity` and what the schedules set it to."""
        scheduled = [schedule.min_capacity for schedule in self.schedules if schedule.min_capacity is not None]
        return min([self.min_capacity, *scheduled])

    @property
    def most_instances(self) -> int:
        """The most instances at any time: the highest of `max_capacity` and what the schedules set it to."""
        scheduled = [schedule.max_capacity for schedule in self.schedules if schedule.max_capacity is not None]
        return max([self.max_capacity, *scheduled])

    @property
    def goes_to_zero(self) -> bool:
        """Whether no instance may be left at some time."""
        scheduled = [schedule.max_capacity for schedule in self.schedules]
        return self.fewest_instances == 0 or 0 in scheduled

    @model_validator(mode="after")
    def _check(self) -> Scaling:
        raise_problems(self._problems())
        return self

    def _problems(self) -> Iterator[SettingProblem]:
        low, high = self.min_capacity, self.max_capacity
        if low > high:
            yield _crossed(low, high)
        yield from repeated_names([schedule.name for schedule in self.schedules], "schedule", ("schedules",))
        for index, schedule in enumerate(self.schedules):
            if schedule.max_capacity is None and schedule.min_capacity is not None and schedule.min_capacity > high:
                yield _one_sided(index, "min_capacity", schedule.min_capacity, f"at most scaling.max_capacity ({high})")
            if schedule.min_capacity is None and schedule.max_capacity is not None and schedule.max_capacity < low:
                yield _one_sided(index, "max_capacity", schedule.max_capacity, f"at least scaling.min_capacity ({low})")


def _crossed(low: int, high: int) -> SettingProblem:
    return SettingProblem(
        location=("min_capacity",),
        text=f"{low} is above max_capacity, {high}",
        received=low,
        allowed=f"1 to max_capacity ({high}); 0 in a mode that scales to zero",
        remedy="lower min_capacity or raise max_capacity",
    )


def _one_sided(index: int, name: str, value: int, allowed: str) -> SettingProblem:
    other = "max_capacity" if name == "min_capacity" else "min_capacity"
    return SettingProblem(
        location=("schedules", index, name),
        text=f"{value} contradicts scaling.{other}, which this schedule leaves as it is",
        received=value,
        allowed=allowed,
        remedy=f"give the schedule a {other} too, or change this one",
    )


def initial_count_of(scaling: Any) -> int | None:
    """The instances that a variant starts with where only its scaling says how many; None where that does not.

    `scaling` may not be validated yet. At least one instance, also where scaling may go to zero: SageMaker API
    reference, ProductionVariant, InitialInstanceCount.
    """
    if isinstance(scaling, Scaling):
        return max(scaling.min_capacity, 1)
    minimum = scaling.get("min_capacity") if isinstance(scaling, dict) else None
    return max(minimum, 1) if type(minimum) is int and 0 <= minimum <= 100 else None
