"""By when an answer must be on its way, so that the function answers before API Gateway gives up, and work by then."""

from __future__ import annotations

import concurrent.futures
import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

# Kept back for sending the answer and for starting from a snapshot, which the gateway's clock counts and ours does not.
ANSWER_MARGIN_SECONDS = 0.75
# Kept back from the model for storing the images that do not fit into the answer.
STORE_MARGIN_SECONDS = 1.25
# Given-up work that may still be under way, as multiples of a pool's workers. Each call holds a connection, and an
# execution environment has 1,024 file descriptors (Lambda quotas): three times ten calls are far from that.
_GIVEN_UP_POOLS = 3

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

    def at_most(self, seconds: float) -> Deadline:
        """This deadline, or one in `seconds` if that is earlier."""
        return Deadline(min(self.remaining_seconds(), seconds), clock=self._clock)


def answer_deadline(timeout_seconds: float, remaining_milliseconds: float) -> Deadline:
    """By when to answer: within the lesser of what the gateway and what Lambda leave, minus a margin."""
    return Deadline(min(timeout_seconds, remaining_milliseconds / 1000) - ANSWER_MARGIN_SECONDS)


class TooMuchGivenUpError(Exception):
    """So much work of earlier requests was given up and is still under way that no more is begun."""


class Outcomes(Generic[ItemT, ResultT]):
    """What came of the parts of a request: results and errors by item. What is in neither was not done in time."""

    def __init__(self) -> None:
        self.results: dict[ItemT, ResultT] = {}
        self.errors: dict[ItemT, Exception] = {}


class WorkerPool:
    """Threads that do the parts of one request side by side, and of one request after another."""

    def __init__(self, name: str, *, workers: int) -> None:
        self._name = name
        self._workers = workers
        self._lock = threading.Lock()
        self._under_way = 0
        self._pool = self._new_pool()

    def do_all(
        self, work: Callable[[ItemT], ResultT], items: Sequence[ItemT], deadline: Deadline
    ) -> tuple[ResultT, ...]:
        """Do `work` for each item before `deadline`; the results come in the order of `items`.

        Raises:
            TimeoutError: the deadline passed.
            Exception: the first item in order whose work failed decides; the others are given up.
        """
        outcomes = self.do_each(lambda at: work(items[at]), range(len(items)), deadline, is_decisive=lambda _: True)
        if outcomes.errors:
            raise outcomes.errors[min(outcomes.errors)]
        if len(outcomes.results) < len(items):
            raise TimeoutError
        return tuple(outcomes.results[at] for at in range(len(items)))

    def do_each(
        self,
        work: Callable[[ItemT], ResultT],
        items: Sequence[ItemT],
        deadline: Deadline,
        *,
        is_decisive: Callable[[Exception], bool],
    ) -> Outcomes[ItemT, ResultT]:
        """Do `work` for each item before `deadline`, and return what came of each.

        Where work fails, the others go on: their results may be worth keeping. An error that `is_decisive` ends all,
        as the deadline does; what is under way then is given up.

        Raises:
            TooMuchGivenUpError: work that was given up before is still under way, three times what a request begins.
        """
        if self._under_way >= _GIVEN_UP_POOLS * self._workers:
            raise TooMuchGivenUpError
        running = {self._pool.submit(self._counted, work, item): item for item in items}
        outcomes = Outcomes[ItemT, ResultT]()
        pending = set(running)
        while pending:
            done, pending = concurrent.futures.wait(
                pending, deadline.remaining_seconds(), concurrent.futures.FIRST_COMPLETED
            )
            is_over = not done
            for one in done:
                error = one.exception()
                if error is None:
                    outcomes.results[running[one]] = one.result()
                elif isinstance(error, Exception):
                    outcomes.errors[running[one]] = error
                    is_over = is_over or is_decisive(error)
                else:
                    raise error
            if is_over:
                break
        if pending:
            self._give_up()
        return outcomes

    def _counted(self, work: Callable[[ItemT], ResultT], item: ItemT) -> ResultT:
        with self._lock:
            self._under_way += 1
        try:
            return work(item)
        finally:
            with self._lock:
                self._under_way -= 1

    def _give_up(self) -> None:
        """Leave what is under way to its own timeouts, and start the next request with free workers."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._pool = self._new_pool()

    def _new_pool(self) -> concurrent.futures.ThreadPoolExecutor:
        # Threads start with the first work, so a SnapStart snapshot, which no thread survives, holds none.
        return concurrent.futures.ThreadPoolExecutor(max_workers=self._workers, thread_name_prefix=self._name)
