"""One alarm: what it watches, when it goes off, what it means and which page to open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from stacks.alarms.metrics import MetricMath, MetricSource

Comparison = Literal[
    "GreaterThanThreshold", "GreaterThanOrEqualToThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold"
]
MissingData = Literal["breaching", "notBreaching", "ignore", "missing"]


@dataclass(frozen=True, kw_only=True)
class Condition:
    """When an alarm goes off: `datapoints` of the last `periods` values compare with `threshold`."""

    threshold: float
    comparison: Comparison = "GreaterThanOrEqualToThreshold"
    periods: int = 1
    datapoints: int | None = None
    missing_data: MissingData = "notBreaching"


@dataclass(frozen=True, kw_only=True)
class AlarmSpec:
    """One alarm. `is_felt` says that callers notice: it is part of the environment's own alarm, which tells of it.

    The others tell by themselves. `name` comes after the environment's.
    """

    construct_id: str
    name: str
    meaning: str
    runbook: str
    metric: MetricSource | MetricMath
    when: Condition
    is_felt: bool = False
