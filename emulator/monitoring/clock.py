"""Time in the emulator: minutes of waiting on AWS are a moment here, and a test can turn the clock.

There are two clocks. What SageMaker, CloudWatch and Application Auto Scaling wait for passes `speed` times faster than
on AWS: `now` and `seconds_here`. What a message or a schedule waits for takes as long as on AWS: `calendar`. Turning
the clock moves both by the same time of AWS.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta

SPEED_VARIABLE = "SDXL_EMULATOR_SPEED"
DEFAULT_SPEED = 100.0
"""Seconds on AWS that pass in one second here: five minutes of watching an update take three seconds."""

_turned: dict[str, float] = {"here": 0.0, "calendar": 0.0}


def speed() -> float:
    """How much faster than AWS this emulator's waits and alarm periods are."""
    return float(os.environ.get(SPEED_VARIABLE, DEFAULT_SPEED))


def seconds_here(seconds_on_aws: float) -> float:
    """How long a wait of AWS takes here."""
    return seconds_on_aws / speed()


def now() -> datetime:
    """The time at which metrics are published and alarms look at them: UTC, without a zone, as moto writes times."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=_turned["here"])


def calendar() -> datetime:
    """The time by which messages become visible and schedules come: UTC, without a zone."""
    return datetime.now(UTC).replace(tzinfo=None) + timedelta(seconds=_turned["calendar"])


def unix_time() -> float:
    """`calendar` in seconds since 1970."""
    return time.time() + _turned["calendar"]


def turn(seconds_on_aws: float) -> None:
    """Move the clock forward. What happens in between, `emulator.scaling.ticker` lets happen step by step."""
    if seconds_on_aws < 0:
        raise ValueError(f"the clock turns forward only, not by {seconds_on_aws:g} s")
    _turned["here"] += seconds_here(seconds_on_aws)
    _turned["calendar"] += seconds_on_aws


def turned_seconds() -> float:
    """By how many seconds the clock was turned since the emulator started."""
    return _turned["calendar"]
