"""Time in the emulator: minutes of waiting on AWS are a moment here."""

from __future__ import annotations

import os

SPEED_VARIABLE = "SDXL_EMULATOR_SPEED"
DEFAULT_SPEED = 100.0
"""Seconds on AWS that pass in one second here: five minutes of watching an update take three seconds."""


def speed() -> float:
    """How much faster than AWS this emulator's waits and alarm periods are."""
    return float(os.environ.get(SPEED_VARIABLE, DEFAULT_SPEED))


def seconds_here(seconds_on_aws: float) -> float:
    """How long a wait of AWS takes here."""
    return seconds_on_aws / speed()
