"""Token buckets and quotas: how many requests were let through, by an injected clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from datetime import UTC, datetime, timedelta

from emulator.gateway.deployed import Throttle

DEFAULT_RATE, DEFAULT_BURST = 10_000.0, 5_000.0
"""API Gateway's limits of an account and region, which fill in for whichever half of a throttle is not set."""


class Meter:
    """The state of every bucket and quota. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self._used: dict[Hashable, tuple[str, int]] = {}

    def take_token(self, key: Hashable, throttle: Throttle) -> bool:
        """Take a token from the bucket, which holds `burst` of them and gains `rate` per second; False if empty."""
        rate = DEFAULT_RATE if throttle.rate is None else throttle.rate
        burst = DEFAULT_BURST if throttle.burst is None else throttle.burst
        now = self._clock()
        with self._lock:
            filled_at, tokens = self._buckets.get(key, (now, burst))
            tokens = min(burst, tokens + (now - filled_at) * rate)
            taken = tokens >= 1
            self._buckets[key] = now, tokens - 1 if taken else tokens
            return taken

    def count(self, key: Hashable, *, limit: int, period: str, offset: int = 0) -> bool:
        """Count a request against a quota; False if the period's limit is used up already."""
        current = period_start(datetime.fromtimestamp(self._clock(), UTC), period)
        with self._lock:
            counted_in, used = self._used.get(key, (current, offset))
            if counted_in != current:
                used = 0
            if used >= limit:
                return False
            self._used[key] = current, used + 1
            return True


def period_start(now: datetime, period: str) -> str:
    """The first day of the DAY, WEEK (from Sunday) or MONTH that a moment is in."""
    match period:
        case "DAY":
            start = now
        case "WEEK":
            start = now - timedelta(days=(now.weekday() + 1) % 7)
        case "MONTH":
            start = now.replace(day=1)
        case _:
            raise ValueError(f"quota period {period!r} is not known: use DAY, WEEK or MONTH")
    return f"{start:%Y-%m-%d}"
