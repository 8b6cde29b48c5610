"""When requests arrive: at a rate, by a curve of the day or the week, or as a file has it."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

from sdxl.errors import UsageError

DAY = 86_400
HOUR = 3600
_HOURS_PER_DAY = 24
_HOURS_PER_WEEK = 168
# Minutes of the week count from Sunday 00:00; what has no date starts on Monday.
MONDAY = 24 * 60
MOST_ARRIVALS = 5_000_000
"""Requests that are played at most: a list of as many times takes 160 MB."""
_MOST_DAYS = 366
# A number in a file of times is Unix time from the year 2000 on, and otherwise counts from the start.
_YEAR_2000 = 946_684_800
_RATE = re.compile(r"(\d+(?:\.\d+)?)/(s|min|h|day)")
_UNITS = {"s": 1, "min": 60, "h": HOUR, "day": DAY}


@dataclass(frozen=True, kw_only=True)
class Arrivals:
    """Times of requests in seconds from the start, in order, over whole days.

    `start_minute` is the start as a minute of the week, from Sunday 00:00 in the time zone of the schedules.
    """

    times: Sequence[float]
    days: int
    start_minute: int = MONDAY

    @property
    def seconds(self) -> int:
        """The length of all days."""
        return self.days * DAY


def parsed_rate(text: str) -> float:
    """Return the requests per second that a rate such as `120/h` says.

    Raises:
        UsageError: it is no rate.
    """
    match = _RATE.fullmatch(text.replace(" ", ""))
    if match is None:
        raise UsageError(
            f"--rate: received {text!r}. Allowed is a number from 0 and a unit: N/s, N/min, N/h or N/day. Write for "
            "example 120/h."
        )
    return float(match[1]) / _UNITS[match[2]]


def parsed_curve(text: str) -> tuple[float, ...]:
    """Return requests per hour for 24 hours of a day, or 168 of a week from Monday: numbers, or a file with them.

    Raises:
        UsageError: the file cannot be read, or these are not 24 or 168 numbers from 0.
    """
    where, content = "--curve", text
    if not re.fullmatch(r"[\d\s.,]*", text):
        where = f"--curve: {text}"
        content = _read(Path(text), "--curve")
    words = re.split(r"[\s,;]+", content.strip())
    numbers = []
    for word in words:
        number = _number(word)
        if number is None or number < 0:
            raise UsageError(
                f"{where}: received {word!r}. Allowed are requests per hour, numbers from 0, for 24 hours of a day or "
                "168 hours of a week from Monday. Correct that number."
            )
        numbers.append(number)
    if len(numbers) not in (_HOURS_PER_DAY, _HOURS_PER_WEEK):
        raise UsageError(
            f"{where}: received {len(numbers)} numbers. Allowed are 24, requests in each hour of a day, or 168, in "
            "each hour of a week from Monday. Add or remove numbers, separated by commas, spaces or lines."
        )
    return tuple(numbers)


def at_curve(hourly: Sequence[float], *, days: int, random: Random) -> Arrivals:
    """Return independent arrivals (a Poisson process) at `hourly` requests per hour, repeated over `days`.

    Raises:
        UsageError: these are more than `MOST_ARRIVALS`.
    """
    hours = days * _HOURS_PER_DAY
    expected = sum(hourly[hour % len(hourly)] for hour in range(hours))
    if expected > MOST_ARRIVALS:
        raise UsageError(
            f"--days: received {days}, which are about {expected:,.0f} requests. Allowed are {MOST_ARRIVALS:,}. Play "
            "fewer days, or a lower rate."
        )
    times: list[float] = []
    draw, log, add = random.random, math.log, times.append
    for hour in range(hours):
        rate = hourly[hour % len(hourly)] / HOUR
        if rate == 0:
            continue
        now, end = hour * float(HOUR), (hour + 1) * float(HOUR)
        while (now := now - log(1.0 - draw()) / rate) < end:
            add(now)
    return Arrivals(times=times, days=days)


def at_rate(per_second: float, *, days: int, random: Random) -> Arrivals:
    """Return independent arrivals (a Poisson process) at one rate over `days`. Raises as `at_curve` does."""
    return at_curve([per_second * HOUR], days=days, random=random)


def read_arrivals(path: Path, timezone: str) -> Arrivals:
    """Return the arrivals of a CSV file: a time in each line, in the column `time` or the first one.

    A time is ISO 8601, Unix time, or seconds since the start. Dates without an offset are in `timezone`. Played are
    whole days: from midnight before the first date (or from Monday 00:00, where times count from the start) to midnight
    after the last one.

    Raises:
        UsageError: the file cannot be read, a line is no time, kinds of times are mixed, or it is too long.
    """
    zone = ZoneInfo(timezone)
    moments: list[datetime] = []
    offsets: list[float] = []
    for line, text in _cells(path):
        moment = _moment(text, zone)
        if moment is None:
            raise UsageError(
                f"--arrivals: {path}:{line}: received {text!r}. Allowed are ISO 8601 (2026-11-30T09:30:00), Unix time, "
                "or seconds since the start. Correct or remove that line."
            )
        if isinstance(moment, datetime):
            moments.append(moment)
        else:
            offsets.append(moment)
        if bool(moments) and bool(offsets):
            raise UsageError(
                f"--arrivals: {path}:{line}: received {text!r}. Allowed are dates in every line, or seconds since the "
                "start in every line. Write all of them in one way."
            )
        if len(moments) + len(offsets) > MOST_ARRIVALS:
            raise UsageError(
                f"--arrivals: {path} has more than {MOST_ARRIVALS:,} lines, which is the most that is played. Take a "
                "part of it."
            )
    if not moments and not offsets:
        raise UsageError(f"--arrivals: {path} has no time. Allowed is one time in each line.")
    start_minute = MONDAY
    if moments:
        # The clock on the wall: schedules and curves follow it too.
        first = datetime.combine(min(moments).date(), time())
        offsets = [(moment - first) / timedelta(seconds=1) for moment in moments]
        start_minute = (first.isoweekday() % 7) * 24 * 60
    offsets.sort()
    days = int(offsets[-1] // DAY) + 1
    if days > _MOST_DAYS:
        raise UsageError(
            f"--arrivals: {path} has times over {days} days. Allowed are {_MOST_DAYS}. Take a part of it, and look for "
            "a wrong date."
        )
    return Arrivals(times=offsets, days=days, start_minute=start_minute)


def _cells(path: Path) -> Iterator[tuple[int, str]]:
    """Each line's number and time."""
    column = 0
    rows = csv.reader(_read(path, "--arrivals").splitlines())
    for index, row in enumerate(rows):
        if not row or not any(cell.strip() for cell in row):
            continue
        names = [cell.strip().lower() for cell in row]
        if index == 0 and ("time" in names or not any(character.isdigit() for character in row[0])):
            column = names.index("time") if "time" in names else 0
            continue
        yield rows.line_num, row[column].strip() if column < len(row) else ""


def _moment(text: str, zone: ZoneInfo) -> datetime | float | None:
    """The time on the clock of `zone`, seconds since the start, or None where `text` is neither."""
    number = _number(text)
    if number is not None:
        if number < 0:
            return None
        return number if number < _YEAR_2000 else datetime.fromtimestamp(number, zone).replace(tzinfo=None)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo is None else moment.astimezone(zone).replace(tzinfo=None)


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else "it is not UTF-8 text"
        raise UsageError(
            f"{option}: received {str(path)!r}, which cannot be read: {reason}. Allowed is a text file."
        ) from exc
