"""Where requests wait and are drawn: one queue for each instance, or one for the whole endpoint.

These are the inner loops: a million requests pass here within seconds, so they are written for speed.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from random import Random
from typing import Protocol

from sdxl.plan.modes import Routing

TIMED_OUT = "timed out"
EXPIRED = "expired in the queue"
QUEUE_FULL = "queue full"
NO_CAPACITY = "no instance"

FAILED = math.inf


def drawing_times(mean: float, variation: float, random: Random) -> Callable[[], float]:
    """Return a source of seconds for an image: gamma distributed with this mean and coefficient of variation.

    A variation of 0 draws every image in the mean; 1 is the exponential distribution.
    """
    if variation == 0:
        return lambda: mean
    if variation == 1:
        draw, log = random.random, math.log
        return lambda: -mean * log(1.0 - draw())
    shape = 1 / variation**2
    scale, gamma = mean / shape, random.gammavariate
    return lambda: gamma(shape, scale)


class Queue(Protocol):
    """Requests that wait and are drawn. All times are seconds from the start.

    `waits` and `answers` have an entry for each finished request, in the order of arrival: seconds until it is drawn,
    and until its image is there; infinite for those that failed, which `failures` counts by reason.
    """

    waits: list[float]
    answers: list[float]
    failures: Counter[str]
    busy_seconds: float
    arrived: int
    refused_without_capacity: int

    def advance(self, until: float) -> None:
        """Take what arrives before `until`, and draw what can be started before it."""

    def add(self, at: float) -> None:
        """Put an instance in service."""

    def remove(self, at: float) -> float:
        """Take an instance out of service and return when it has drawn what it had begun."""

    def in_flight(self, at: float) -> int:
        """Return how many requests wait or are drawn."""

    def waiting(self) -> int:
        """Return how many requests wait for a free instance."""


class InstanceQueues:
    """Each instance has a queue and draws it in order. A request goes to an instance when it arrives.

    `routing` is `random` or `least-outstanding`, to the instance with the fewest requests that wait or are drawn.
    A caller gives up after `time_limit` seconds and the request fails, but the container does not know: it draws the
    image nevertheless. A request beyond `length` waiting ones is refused, and so is one without any instance.
    """

    def __init__(
        self,
        times: Sequence[float],
        draw: Callable[[], float],
        random: Random,
        *,
        time_limit: float | None,
        length: int,
        routing: Routing = "random",
    ) -> None:
        self.waits: list[float] = []
        self.answers: list[float] = []
        self.failures: Counter[str] = Counter()
        self.busy_seconds = 0.0
        self.arrived = 0
        self.refused_without_capacity = 0
        self._times = times
        self._draw = draw
        self._random = random.random
        self._limit = math.inf if time_limit is None else time_limit
        self._length = length
        self._is_random = routing == "random"
        # For each instance: the ends of what it draws and has waiting, the last one being when it gets free.
        self._ends: list[deque[float]] = []
        # The same by the time at which each gets free, or an earlier one: it is corrected when it comes first.
        self._by_free: list[tuple[float, int, deque[float]]] = []
        self._added = 0

    def advance(self, until: float) -> None:
        """Take what arrives before `until`: with its instance, its whole fate is known."""
        times, first = self._times, self.arrived
        if first == len(times) or times[first] >= until:
            return
        self.arrived = last = bisect_left(times, until, first)
        instances = self._ends
        wait_of, answer_of = self.waits.append, self.answers.append
        count = len(instances)
        if not count:
            self._fail(NO_CAPACITY, last - first)
            self.refused_without_capacity += last - first
            return
        draw, random, limit, length = self._draw, self._random, self._limit, self._length
        busy, timed_out, refused = 0.0, 0, 0
        is_random = self._is_random or count == 1
        for index in range(first, last):
            now = times[index]
            ends = instances[int(random() * count)] if is_random else self._shortest(now)
            while ends and ends[0] <= now:
                ends.popleft()
            if len(ends) > length:
                refused += 1
                wait_of(FAILED)
                answer_of(FAILED)
                continue
            seconds = draw()
            busy += seconds
            wait = ends[-1] - now if ends else 0.0
            answer = wait + seconds
            ends.append(now + answer)
            if answer > limit:
                timed_out += 1
                wait_of(FAILED)
                answer_of(FAILED)
            else:
                wait_of(wait)
                answer_of(answer)
        self.busy_seconds += busy
        self.failures[TIMED_OUT] += timed_out
        self.failures[QUEUE_FULL] += refused

    def _shortest(self, now: float) -> deque[float]:
        """The queue with the fewest requests: an idle instance's, or an equal one being as likely as another."""
        by_free = self._by_free
        while True:
            noted, order, ends = by_free[0]
            free_at = ends[-1] if ends else noted
            if free_at <= noted:
                break
            heapreplace(by_free, (free_at, order, ends))
        if noted <= now:
            return ends
        instances = self._ends
        first = int(self._random() * len(instances))
        shortest = instances[first]
        for index in range(first - len(instances), first):
            queue = instances[index]
            while queue[0] <= now:
                queue.popleft()
            if len(queue) < len(shortest):
                shortest = queue
        return shortest

    def _fail(self, reason: str, count: int) -> None:
        self.waits += [FAILED] * count
        self.answers += [FAILED] * count
        self.failures[reason] += count

    def add(self, at: float) -> None:
        """Put an instance in service."""
        ends: deque[float] = deque()
        self._ends.append(ends)
        self._added += 1
        heappush(self._by_free, (at, self._added, ends))

    def remove(self, at: float) -> float:
        """Take the instance with the shortest queue out of service and return when its queue is drawn."""
        shortest = min(range(len(self._ends)), key=lambda index: self._free_at(index, at))
        free_at = self._free_at(shortest, at)
        removed = self._ends.pop(shortest)
        self._by_free = [one for one in self._by_free if one[2] is not removed]
        heapify(self._by_free)
        return free_at

    def _free_at(self, index: int, at: float) -> float:
        ends = self._ends[index]
        return max(at, ends[-1]) if ends else at

    def in_flight(self, at: float) -> int:
        """Return how many requests the containers hold, those included whose caller has given up."""
        for ends in self._ends:
            while ends and ends[0] <= at:
                ends.popleft()
        return sum(map(len, self._ends))

    def waiting(self) -> int:
        """Return 0: a request has its instance as soon as it arrives."""
        return 0


class SharedQueue:
    """One queue, from which the first free instance takes the oldest request, as asynchronous endpoints do.

    A request that has waited longer than `wait_limit` expires and is not drawn.
    """

    def __init__(self, times: Sequence[float], draw: Callable[[], float], *, wait_limit: float | None) -> None:
        self.waits: list[float] = []
        self.answers: list[float] = []
        self.failures: Counter[str] = Counter()
        self.busy_seconds = 0.0
        self.arrived = 0
        self.refused_without_capacity = 0
        self._times = times
        self._draw = draw
        self._limit = math.inf if wait_limit is None else wait_limit
        self._free: list[float] = []
        self._waiting: deque[float] = deque()

    def advance(self, until: float) -> None:
        """Take what arrives before `until`, and start what an instance gets free for before it."""
        times, first = self._times, self.arrived
        last = self.arrived = bisect_left(times, until, first)
        free, waiting, draw = self._free, self._waiting, self._draw
        if not free:
            waiting.extend(times[first:last])
            return
        wait_of, answer_of = self.waits.append, self.answers.append
        busy = 0.0
        for index in range(first, last):
            now = times[index]
            if waiting or free[0] > now:
                if waiting and free[0] <= now:
                    self._start(now)
                # What waited came first, so this one waits unless all of it has been started.
                if waiting or free[0] > now:
                    waiting.append(now)
                    continue
            seconds = draw()
            busy += seconds
            heapreplace(free, now + seconds)
            wait_of(0.0)
            answer_of(seconds)
        self.busy_seconds += busy
        if waiting and free[0] < until:
            self._start(until)

    def _start(self, until: float) -> None:
        """Start waiting requests on instances that get free until then."""
        free, waiting, draw, limit = self._free, self._waiting, self._draw, self._limit
        wait_of, answer_of = self.waits.append, self.answers.append
        busy, expired = 0.0, 0
        while waiting and free[0] <= until:
            wait = free[0] - waiting[0]
            if wait > limit:
                waiting.popleft()
                expired += 1
                wait_of(FAILED)
                answer_of(FAILED)
                continue
            # An instance that was free before the request came starts it when it comes.
            wait = max(0.0, wait)
            seconds = draw()
            busy += seconds
            answer = wait + seconds
            heapreplace(free, waiting.popleft() + answer)
            wait_of(wait)
            answer_of(answer)
        self.busy_seconds += busy
        self.failures[EXPIRED] += expired

    def expire(self, at: float) -> None:
        """Fail what waits longer than the limit, where there is no instance to find it."""
        while self._waiting and at - self._waiting[0] > self._limit:
            self._waiting.popleft()
            self.waits.append(FAILED)
            self.answers.append(FAILED)
            self.failures[EXPIRED] += 1

    def add(self, at: float) -> None:
        """Put an instance in service, free from `at` on."""
        heappush(self._free, at)

    def remove(self, at: float) -> float:
        """Take the instance that is free first out of service and return when that is."""
        return max(at, heappop(self._free))

    def in_flight(self, at: float) -> int:
        """Return how many requests wait or are drawn: ApproximateBacklogSize counts both."""
        return len(self._waiting) + sum(end > at for end in self._free)

    def waiting(self) -> int:
        """Return how many requests wait for an instance."""
        return len(self._waiting)
