"""By when an answer must be on its way, so that the function answers before API Gateway gives up, and work by then."""

from __future__ import annotations

import concurrent.futures
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

# Kept back for sending the answer and for starting from a snapshot, which the gateway's clock counts and ours does not.
ANSWER_MARGIN_SECONDS = 0.75
# Kept back from the model for storing the images that do not fit into the answer.
STORE_MARGIN_SECONDS = 1.25

Clock = Callable[[], float]
ItemT = TypeVar("ItemT")
ResultT = TypeVar("ResultT")


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
    """By when to answer: within the lesser of what the gateway and what Lambda leave, minus a margin."""
    return Deadline(min(timeout_seconds, remaining_milliseconds / 1000) - ANSWER_MARGIN_SECONDS)


class WorkerPool:
    """Threads that do the parts of one request side by side, and of one request after another."""

    def __init__(self, name: str, *, workers: int) -> None:
        self._name = name
        self._workers = workers
        self._pool = self._new_pool()

    def do_all(
        self, work: Callable[[ItemT], ResultT], items: Sequence[ItemT], deadline: Deadline
    ) -> tuple[ResultT, ...]:
        """Do `work` for each item before `deadline`; the results come in the order of `items`.

        Raises:
            TimeoutError: the deadline passed.
            Exception: the first item in order whose work failed decides; the others are given up.
        """
        running = [self._pool.submit(work, item) for item in items]
        concurrent.futures.wait(running, deadline.remaining_seconds(), concurrent.futures.FIRST_EXCEPTION)
        for one in running:
            if one.done() and (error := one.exception()) is not None:
                self._give_up(running)
                raise error
        if not all(one.done() for one in running):
            self._give_up(running)
            raise TimeoutError
        return tuple(one.result() for one in running)

    def _give_up(self, running: Sequence[concurrent.futures.Future[ResultT]]) -> None:
        """Leave what is under way to its own timeouts, and start the next request with free workers."""
        if any(not one.done() for one in running):
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._new_pool()

    def _new_pool(self) -> concurrent.futures.ThreadPoolExecutor:
        # Threads start with the first work, so a SnapStart snapshot, which no thread survives, holds none.
        return concurrent.futures.ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix=self._name)
