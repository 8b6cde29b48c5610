"""By when an answer must be on its way, so that the function answers before API Gateway gives up."""

from __future__ import annotations

import time
from collections.abc import Callable

# Kept back for sending the answer and for starting from a snapshot, which the gateway's clock counts and ours does not.
ANSWER_MARGIN_SECONDS = 0.75
# Kept back from the model for storing the images that do not fit into the answer.
STORE_MARGIN_SECONDS = 1.25

Clock = Callable[[], float]


class Deadline:
    """A point in time on the monotonic clock."""

    def __init__(self, seconds_from_now: float, *, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.seconds = max(0.0, seconds_from_now)
        self._at = clock() + self.seconds

    def remaining_seconds(self) -> float:
        """Seconds until the deadline; 0 once it has passed."""
        return max(0.0, self._at - self._clock())

    def earlier_by(self, seconds: float) -> Deadline:
        """A deadline before this one."""
        return Deadline(self.remaining_seconds() - seconds, clock=self._clock)


def answer_deadline(timeout_seconds: float, remaining_milliseconds: float) -> Deadline:
    """By when to answer: within what the gateway and what Lambda leave, whichever is less, minus a margin."""
    return Deadline(min(timeout_seconds, remaining_milliseconds / 1000) - ANSWER_MARGIN_SECONDS)
