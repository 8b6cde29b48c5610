"""What a played deployment comes to: waits, failures, utilisation and cost, and the same by time of day."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sdxl.cost.amounts import Amount
from sdxl.plan.arrivals import HOUR
from sdxl.plan.simulation import Played

PERCENTILES = (50, 95, 99)
# Buckets of the picture, in hours: as many columns as fit, of a size that people count in.
_BUCKET_HOURS = (0.25, 0.5, 1, 2, 3, 6, 12, 24, 48, 96, 168)


def percentile(ordered: Sequence[float], percent: float) -> float | None:
    """Return the value that `percent` of the ordered values do not exceed (nearest rank).

    None without values; infinite where that value is of a failed request.
    """
    if not ordered:
        return None
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


@dataclass(frozen=True, kw_only=True)
class Bucket:
    """A stretch of time: its start and length in seconds, its requests, and the instances in service on average.

    `p95` is the wait that 95 % of its requests do not exceed; None without requests, infinite where these failed.
    """

    start: float
    seconds: float
    requests: int
    failed: int
    instances: float
    p95: float | None


@dataclass(frozen=True)
class Outcome:
    """The figures of `played`. `usd_per_hour` is the price of an instance, without a price `UNKNOWN`."""

    played: Played
    usd_per_hour: Amount

    @property
    def requests(self) -> int:
        """Requests that arrived."""
        return len(self.played.waits)

    @property
    def failures(self) -> Mapping[str, int]:
        """Failed requests by reason."""
        return self.played.failures

    @property
    def failed(self) -> int:
        """Failed requests."""
        return self.played.failures.total()

    @property
    def failed_percent(self) -> float:
        """Failed requests in percent of all."""
        return 100 * self.failed / self.requests if self.requests else 0.0

    @cached_property
    def waits(self) -> Mapping[int, float | None]:
        """Percentiles of the seconds until drawing starts. A failed request counts as an infinite wait."""
        return self._percentiles(self.played.waits)

    @cached_property
    def answers(self) -> Mapping[int, float | None]:
        """Percentiles of the seconds until the image is there. A failed request counts as infinite."""
        return self._percentiles(self.played.answers)

    @staticmethod
    def _percentiles(values: Sequence[float]) -> Mapping[int, float | None]:
        ordered = sorted(values)
        return {percent: percentile(ordered, percent) for percent in PERCENTILES}

    @property
    def utilisation_percent(self) -> float:
        """The part of the instances' time in service in which they draw, images that nobody waits for included."""
        in_service = self.played.in_service_seconds
        return 100 * self.played.busy_seconds / in_service if in_service else 0.0

    @property
    def instance_hours(self) -> float:
        """Instance hours that are billed, from the decision to add an instance until it is removed."""
        return self.played.billed_seconds / HOUR

    @property
    def most_instances(self) -> int:
        """The most instances in service at a time."""
        return max(count for _, count in self.played.capacity)

    @property
    def days(self) -> int:
        """Days that were played."""
        return self.played.arrivals.days

    @property
    def usd_per_day(self) -> Amount:
        """Cost of the instances for an average day."""
        return self.usd_per_hour.times(self.instance_hours / self.days)

    @property
    def usd_per_1000(self) -> Amount | None:
        """Cost of the instances for 1,000 answered requests; None where none was answered."""
        answered = self.requests - self.failed
        return self.usd_per_hour.times(self.instance_hours * 1000 / answered) if answered else None

    def buckets(self, columns: int) -> tuple[Bucket, ...]:
        """Return the time played in at most `columns` stretches of a usual length."""
        seconds = self.played.arrivals.seconds
        hours = next(
            (hours for hours in _BUCKET_HOURS if seconds / (hours * HOUR) <= columns), 24 * self.days / columns
        )
        length = hours * HOUR
        starts = [index * length for index in range(math.ceil(seconds / length))]
        return tuple(self._bucket(start, min(length, seconds - start)) for start in starts)

    def _bucket(self, start: float, seconds: float) -> Bucket:
        times = self.played.arrivals.times
        first, last = bisect_left(times, start), bisect_left(times, start + seconds)
        waits = sorted(self.played.waits[first:last])
        return Bucket(
            start=start,
            seconds=seconds,
            requests=len(waits),
            failed=sum(math.isinf(wait) for wait in waits),
            instances=self._instance_seconds(start, start + seconds) / seconds,
            p95=percentile(waits, 95),
        )

    def _instance_seconds(self, start: float, end: float) -> float:
        changes = self.played.capacity
        index = max(0, bisect_left(changes, (start, math.inf)) - 1)
        total, now = 0.0, start
        for (_, instances), (until, _) in zip(changes[index:], [*changes[index + 1 :], (math.inf, 0)], strict=True):
            total += instances * (min(until, end) - now)
            now = until
            if until >= end:
                break
        return total

    def as_json(self, columns: int = 0) -> dict[str, Any]:
        """Return it for scripts, with the time of day in at most `columns` stretches."""
        return {
            **self.played.deployment.as_json(),
            "days": self.days,
            "requests": self.requests,
            "failed": self.failed,
            "failures": dict(self.failures),
            "wait_seconds": _by_name(self.waits),
            "answer_seconds": _by_name(self.answers),
            "utilisation_percent": round(self.utilisation_percent, 2),
            "instance_hours": round(self.instance_hours, 3),
            "most_instances": self.most_instances,
            "cost_per_day": self.usd_per_day.as_json(),
            "cost_per_1000_images": None if self.usd_per_1000 is None else self.usd_per_1000.as_json(),
            "timeline": [
                {
                    "start_seconds": bucket.start,
                    "seconds": bucket.seconds,
                    "requests": bucket.requests,
                    "failed": bucket.failed,
                    "instances": round(bucket.instances, 3),
                    "p95_wait_seconds": finite(bucket.p95),
                }
                for bucket in (self.buckets(columns) if columns else ())
            ],
        }


def finite(seconds: float | None) -> float | None:
    """Return seconds for JSON, which has no infinity: None for a failed request, too."""
    return None if seconds is None or math.isinf(seconds) else round(seconds, 3)


def _by_name(percentiles: Mapping[int, float | None]) -> dict[str, float | None]:
    return {f"p{percent}": finite(value) for percent, value in percentiles.items()}
