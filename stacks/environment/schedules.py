"""Schedule expressions and time zones as Application Auto Scaling takes them.

Source: AWS documentation, "Schedule recurring scaling actions using Application Auto Scaling" and "Cron expressions
reference" of Amazon EventBridge, to which it refers.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from zoneinfo import available_timezones

from stacks.environment.problems import setting_error

_ALLOWED = (
    "cron(minutes hours day-of-month month day-of-week year), at(yyyy-mm-ddThh:mm:ss) or rate(value minutes|hours|days)"
)
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

# Field name, lowest and highest number, names for numbers, further forms of that field alone.
_CronField = tuple[str, int, int, Mapping[str, int], str]
_CRON_FIELDS: tuple[_CronField, ...] = (
    ("minutes", 0, 59, {}, r"$^"),
    ("hours", 0, 23, {}, r"$^"),
    ("day-of-month", 1, 31, {}, r"\?|L|([1-9]|[12]\d|3[01])W"),
    ("month", 1, 12, _MONTHS, r"$^"),
    ("day-of-week", 1, 7, _DAYS, r"\?|L|([1-7]|SUN|MON|TUE|WED|THU|FRI|SAT)(L|#[1-5])"),
    ("year", 1970, 2199, {}, r"$^"),
)


def valid_schedule(expression: str) -> str:
    """Returns `expression` if Application Auto Scaling would take it."""
    match = _EXPRESSION.fullmatch(expression)
    if match is None:
        raise setting_error(
            f"{expression!r} is not a schedule expression",
            allowed=_ALLOWED,
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
    values = inner.split()
    if len(values) != len(_CRON_FIELDS):
        raise setting_error(
            f"{expression!r} has {len(values)} cron fields",
            allowed="six fields: minutes hours day-of-month month day-of-week year",
            remedy='AWS adds a year to the usual five: write for example "cron(0 20 ? * MON-FRI *)"',
        )
    for value, (name, low, high, names, special) in zip(values, _CRON_FIELDS, strict=True):
        if not all(_is_cron_part(part, low, high, names, special) for part in value.split(",")):
            spelled = f" or {', '.join(names)}" if names else ""
            raise setting_error(
                f"{expression!r}: {value!r} is not valid for {name}",
                allowed=f"{low}-{high}{spelled}, *, ranges a-b, steps a/b, lists a,b"
                + (", ? for no specific value" if special.startswith(r"\?") else ""),
                remedy=f"correct the field {name}",
            )
    if (values[2] == "?") == (values[4] == "?"):
        raise setting_error(
            f"{expression!r}: exactly one of day-of-month and day-of-week must be ?",
            allowed="? in one of the two, a value or * in the other",
            remedy='write "cron(0 20 * * ? *)" for every day, "cron(0 20 ? * MON-FRI *)" for working days',
        )


def _is_cron_part(part: str, low: int, high: int, names: Mapping[str, int], special: str) -> bool:
    if re.fullmatch(special, part):
        return True
    base, slash, step = part.partition("/")
    if slash and not (step.isascii() and step.isdigit() and 1 <= int(step) <= high):
        return False
    if base == "*":
        return True
    numbers = [names.get(end) or (int(end) if end.isascii() and end.isdigit() else -1) for end in base.split("-")]
    return len(numbers) <= 2 and all(low <= number <= high for number in numbers) and numbers == sorted(numbers)


@cache
def _timezones() -> frozenset[str]:
    return frozenset(available_timezones())


def valid_timezone(name: str) -> str:
    """Returns `name` if it is a time zone of the IANA database."""
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
