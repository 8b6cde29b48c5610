"""The capacity that schedules hold over a week: their effect, by the minute, where they repeat every week."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from stacks.environment import CronField, ScheduledCapacity, cron_fields

HOURS_PER_MONTH = 730
_MINUTES_PER_DAY = 24 * 60
MINUTES_PER_WEEK = 7 * _MINUTES_PER_DAY


class NotWeeklyError(ValueError):
    """The schedule does not come at the same times every week, or not in a form that is read here."""


@dataclass(frozen=True)
class Week:
    """Minutes of an average week at each capacity."""

    minutes: Mapping[int, int]

    @property
    def instance_hours_per_month(self) -> float:
        """Instance hours of a month of 730 hours."""
        instance_minutes = sum(capacity * minutes for capacity, minutes in self.minutes.items())
        return instance_minutes / MINUTES_PER_WEEK * HOURS_PER_MONTH

    def text(self) -> str:
        """Return the hours of the week at each capacity: `2 for 91 h, 1 for 77 h of the week`."""
        parts = [f"{capacity} for {minutes / 60:g} h" for capacity, minutes in sorted(self.minutes.items())[::-1]]
        return f"{', '.join(parts)} of the week"


def around_the_clock(capacity: int) -> Week:
    """Return a week at one capacity."""
    return Week({capacity: MINUTES_PER_WEEK})


@dataclass(frozen=True, kw_only=True)
class ScheduleOutcome:
    """Whether a schedule is in the figures; if not, `reason` says why."""

    name: str
    schedule: str
    timezone: str
    reason: str | None

    @property
    def is_counted(self) -> bool:
        """True when the figures follow the schedule."""
        return self.reason is None


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Fewest and most instances over the week, and what became of each schedule."""

    fewest: Week
    most: Week
    schedules: tuple[ScheduleOutcome, ...]


def weekly_capacity(min_capacity: int, max_capacity: int, schedules: Sequence[ScheduledCapacity]) -> Capacity:
    """Return the week that recurs under `schedules`; the given bounds hold where no schedule sets them.

    A schedule holds until the next one that sets the same bound, over the end of the week too.
    """
    taken, outcomes = weekly_events(schedules)
    most = _week(taken, "max_capacity", max_capacity)
    if not all(outcome.is_counted for outcome in outcomes):
        # A bound from above has to hold whatever the schedules that are not counted do.
        named = [schedule.max_capacity for schedule in schedules if schedule.max_capacity is not None]
        most = around_the_clock(max(max_capacity, *named) if named else max_capacity)
    return Capacity(fewest=_week(taken, "min_capacity", min_capacity), most=most, schedules=outcomes)


def weekly_events(
    schedules: Sequence[ScheduledCapacity],
) -> tuple[Mapping[int, ScheduledCapacity], tuple[ScheduleOutcome, ...]]:
    """Return the schedules by the minute of the week, from Sunday 00:00, and what became of each.

    All of them have to be in one time zone, because zones change their distance with summer time.
    """
    outcomes: list[ScheduleOutcome] = []
    taken: dict[int, ScheduledCapacity] = {}
    timezone: str | None = None
    for schedule in schedules:
        reason: str | None = None
        try:
            minutes = minutes_of_week(schedule.schedule)
        except NotWeeklyError as exc:
            reason = str(exc)
        else:
            clash = next((taken[minute] for minute in minutes if minute in taken), None)
            if timezone not in (None, schedule.timezone):
                reason = f"its time zone is {schedule.timezone}, that of the schedules before it {timezone}"
            elif clash is not None:
                reason = f"it takes effect at the same time as {clash.name}, and it is unknown which one applies last"
            else:
                timezone = schedule.timezone
                taken.update(dict.fromkeys(minutes, schedule))
        outcomes.append(
            ScheduleOutcome(name=schedule.name, schedule=schedule.schedule, timezone=schedule.timezone, reason=reason)
        )
    return taken, tuple(outcomes)


def minutes_of_week(expression: str) -> tuple[int, ...]:
    """Return the minutes of the week, counted from Sunday 00:00, at which a cron expression comes every week.

    Raises:
        NotWeeklyError: it is a date or a rate, depends on the month or the year, or has steps.
    """
    fields = cron_fields(expression)
    if fields is None:
        raise NotWeeklyError(
            "it comes once, not every week"
            if expression.startswith("at(")
            else "a rate counts from when it is deployed, so its times of the week are unknown"
        )
    if fields["month"].text != "*" or fields["year"].text != "*" or not fields["day-of-month"].is_any:
        raise NotWeeklyError("it does not run every week: day of month, month or year are limited")
    of_week = fields["day-of-week"]
    days = range(1, 8) if of_week.is_any else _numbers(of_week, "days of the week", "days, lists and ranges of days")
    hours, minutes = (
        _numbers(fields[name], name, "single times of day and ranges of them") for name in ("hours", "minutes")
    )
    return tuple(sorted({(day - 1) * _MINUTES_PER_DAY + h * 60 + m for day in days for h in hours for m in minutes}))


def _numbers(field: CronField, name: str, counted: str) -> tuple[int, ...]:
    numbers = field.numbers()
    if numbers is None:
        raise NotWeeklyError(f"its {name} are {field.text}; only {counted} are counted")
    return numbers


def _week(
    taken: Mapping[int, ScheduledCapacity], bound: Literal["min_capacity", "max_capacity"], otherwise: int
) -> Week:
    events = sorted((at, value) for at, s in taken.items() if (value := getattr(s, bound)) is not None)
    if not events:
        return around_the_clock(otherwise)
    minutes: dict[int, int] = {}
    for (start, value), (end, _) in zip(events, [*events[1:], (events[0][0] + MINUTES_PER_WEEK, 0)], strict=True):
        minutes[value] = minutes.get(value, 0) + end - start
    return Week(minutes)
