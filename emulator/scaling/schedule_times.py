"""When a schedule expression comes: `rate(...)`, `at(...)` and `cron(...)` of EventBridge and Application Auto Scaling.

Source: Amazon EventBridge Scheduler User Guide, "Schedule types". Of a cron's days, `L`, `W` and `#` are not emulated.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_RATE = re.compile(r"rate\((\d+) (minute|hour|day)s?\)")
_AT = re.compile(r"at\((\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2})\)")
_CRON = re.compile(r"cron\(([^()]+)\)")
_SECONDS = {"minute": 60, "hour": 3600, "day": 86_400}
_MONTHS = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT")
_MINUTE = timedelta(minutes=1)


class ScheduleError(ValueError):
    """A schedule expression of a kind that is not emulated."""


def comes_between(expression: str, timezone: str, first_seen: datetime, after: datetime, until: datetime) -> bool:
    """Whether a schedule comes after `after` and not after `until`; a rate counts from `first_seen`. All in UTC.

    Raises ScheduleError.
    """
    if match := _RATE.fullmatch(expression):
        period = int(match[1]) * _SECONDS[match[2]]
        return (until - first_seen).total_seconds() // period > (after - first_seen).total_seconds() // period
    zone = ZoneInfo(timezone or "UTC")
    if match := _AT.fullmatch(expression):
        moment = datetime.fromisoformat(match[1]).replace(tzinfo=zone).astimezone(UTC).replace(tzinfo=None)
        return after < moment <= until
    fields = match[1].split() if (match := _CRON.fullmatch(expression)) else []
    if len(fields) != 6:
        raise ScheduleError(f"the schedule {expression!r} is not emulated: use rate, at or cron with six fields")
    minute = after.replace(second=0, microsecond=0) + _MINUTE
    while minute <= until:
        if _matches(fields, minute.replace(tzinfo=UTC).astimezone(zone)):
            return True
        minute += _MINUTE
    return False


def _matches(fields: list[str], moment: datetime) -> bool:
    weekday = (moment.weekday() + 1) % 7 + 1
    values = (
        (fields[0], moment.minute, 0, ()),
        (fields[1], moment.hour, 0, ()),
        (fields[2], moment.day, 1, ()),
        (fields[3], moment.month, 1, _MONTHS),
        (fields[4], weekday, 1, _DAYS),
        (fields[5], moment.year, 1970, ()),
    )
    return all(_holds(text, value, low, names) for text, value, low, names in values)


def _holds(text: str, value: int, low: int, names: tuple[str, ...]) -> bool:
    return any(_part_holds(part, value, low, names) for part in text.split(","))


def _part_holds(part: str, value: int, low: int, names: tuple[str, ...]) -> bool:
    base, _, step = part.partition("/")
    if base in {"*", "?"}:
        first, last = low, None
    else:
        ends = [_number(end, names) for end in base.split("-")]
        first, last = ends[0], ends[-1] if len(ends) == 2 or not step else None
    if value < first or (last is not None and value > last):
        return False
    return not step or (value - first) % int(step) == 0


def _number(text: str, names: tuple[str, ...]) -> int:
    if text in names:
        return names.index(text) + 1
    if not text.isdigit():
        raise ScheduleError(f"{text!r} in a cron expression is not emulated: use numbers, names, lists, ranges, steps")
    return int(text)
