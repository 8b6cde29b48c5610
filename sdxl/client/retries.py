"""When a call is sent again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

# Answered before a model has drawn the image: sending again costs nothing.
BUSY_STATUSES = frozenset({429, 503})
# A sample failed: sent again with the same idempotency key, which brings the samples that came and draws the others.
# Not 504, which says that the model is too slow for this request: the image is drawn all the same, and is drawn again
# with each repeat.
FAILED_STATUSES = frozenset({502})


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How patient a client is.

    A busy or starting API (429, 503), and one that is still at work on the same idempotency key (409), is asked again
    until `for_seconds` have passed. A call that got no answer, or 502, is sent again `failures` times; 504 is not.
    Waits double from `first_wait_seconds` up to `longest_wait_seconds`, each shortened at random by up
    to half. Where the API sends Retry-After, the wait is that and up to `first_wait_seconds` more. The randomness keeps
    many clients from coming back at once.
    """

    for_seconds: float = 120.0
    failures: int = 2
    first_wait_seconds: float = 1.0
    longest_wait_seconds: float = 20.0

    @classmethod
    def none(cls) -> Retries:
        """Return the policy that sends every call once."""
        return cls(for_seconds=0, failures=0)


@dataclass(frozen=True, kw_only=True)
class Retry:
    """A call that is sent again after `wait_seconds`. `status` is None where there was no answer."""

    status: int | None
    message: str
    wait_seconds: float


@dataclass(kw_only=True)
class Attempts:
    """Keeps count of one call's attempts. `draw` gives a number from 0 to 1; times are seconds of one clock."""

    policy: Retries
    started_at: float
    draw: Callable[[], float] = random.random
    count: int = 0
    failures: int = 0

    def wait_after_busy(self, now: float, retry_after: float | None) -> float | None:
        """Return the seconds to wait before the API is asked again, or None where that would take too long."""
        wait = self._wait(retry_after)
        return wait if now + wait <= self.started_at + self.policy.for_seconds else None

    def wait_after_failure(self, retry_after: float | None) -> float | None:
        """Return the seconds to wait before a failed call is sent again, or None where it failed often enough."""
        self.failures += 1
        return self._wait(retry_after) if self.failures <= self.policy.failures else None

    def _wait(self, retry_after: float | None) -> float:
        first, longest = self.policy.first_wait_seconds, self.policy.longest_wait_seconds
        backoff = min(first * 2.0**self.count, longest)
        self.count += 1
        return backoff * (1 - self.draw() / 2) if retry_after is None else retry_after + first * self.draw()
