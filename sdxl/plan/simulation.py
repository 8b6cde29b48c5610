"""Plays arrivals against a deployment's scaling: a discrete-event simulation of requests, alarms and instances."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from heapq import heappop, heappush
from itertools import count
from random import Random

from sdxl.plan.arrivals import Arrivals
from sdxl.plan.modes import Deployment
from sdxl.plan.queues import InstanceQueues, SharedQueue, drawing_times

_WEEK_MINUTES = 7 * 24 * 60
# Target tracking removes instances "when utilization passes a threshold that is far enough below the target value
# (usually more than 10% lower)": Application Auto Scaling, "How target tracking scaling works".
_LOW = 0.9
# It "scales in more gradually"; by how much is not published, and this is an assumption.
_REMOVED_AT_ONCE = 1


@dataclass(frozen=True, kw_only=True)
class Work:
    """How long an image takes on one instance.

    `variation` is the coefficient of variation of the gamma distribution: 0 for the same time always, 1 for the
    exponential distribution.
    """

    seconds_per_image: float
    variation: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Played:
    """What happened. Times are in seconds from the start.

    `waits` and `answers` are by request in the order of arrival, until drawing starts and until the image is there;
    infinite for a failed request. `capacity` is the number of instances in service from each time on.
    """

    deployment: Deployment
    arrivals: Arrivals
    waits: Sequence[float]
    answers: Sequence[float]
    failures: Counter[str]
    busy_seconds: float
    in_service_seconds: float
    billed_seconds: float
    capacity: Sequence[tuple[float, int]]


def simulate(arrivals: Arrivals, deployment: Deployment, work: Work, *, seed: int = 0) -> Played:
    """Play `arrivals` against `deployment`. The same arguments give the same result."""
    return _Simulation(arrivals, deployment, work, seed).run()


@dataclass
class _Alarms:
    """How many of the last datapoints in a row were above the target, and how many far enough below it."""

    above: int = 0
    below: int = 0

    def take(self, value: float, target: float) -> None:
        self.above = self.above + 1 if value > target else 0
        self.below = self.below + 1 if value < target * _LOW else 0


@dataclass
class _Instances:
    """Instances in service and starting, and the sums of what is billed."""

    end: float
    in_service: int = 0
    starting: int = 0
    billed_seconds: float = 0.0
    in_service_seconds: float = 0.0
    history: list[tuple[float, int]] = field(default_factory=list)

    def bill(self, at: float, count: int) -> None:
        """Bill `count` instances more (fewer, where it is negative) from `at` on, to the end of the time played."""
        self.billed_seconds += count * max(0.0, self.end - at)

    def note(self, at: float) -> None:
        self.history.append((at, self.in_service))


class _Simulation:
    def __init__(self, arrivals: Arrivals, deployment: Deployment, work: Work, seed: int) -> None:
        self._arrivals = arrivals
        self._deployment = deployment
        mode = deployment.mode
        draw = drawing_times(work.seconds_per_image, work.variation, Random(f"{seed}:drawing"))  # noqa: S311 - no secret
        self._queue: SharedQueue | InstanceQueues = (
            SharedQueue(arrivals.times, draw, wait_limit=mode.wait_limit_seconds)
            if mode.has_shared_queue
            else InstanceQueues(
                arrivals.times,
                draw,
                Random(f"{seed}:routing"),  # noqa: S311 - no secret
                time_limit=deployment.time_limit_seconds,
                length=mode.queue_length,
                routing=deployment.routing,
            )
        )
        self._end = float(arrivals.seconds)
        self._instances = _Instances(end=self._end)
        self._events: list[tuple[float, int, Callable[[float], None]]] = []
        self._order = count()
        self._low, self._high = self._bounds_at_start()
        self._alarms = _Alarms()
        self._points_without_capacity = 0
        self._sampled_arrivals = 0
        self._sampled_refusals = 0
        self._last_step = 0
        self._cooldown_out = self._cooldown_in = self._cooldown_wake = -math.inf

    def run(self) -> Played:
        for _ in range(self._low):
            self._queue.add(0.0)
        self._instances.in_service = self._low
        self._instances.bill(0.0, self._low)
        self._instances.note(0.0)
        self._plan_events()
        self._until(self._end)
        self._drain()
        for _ in range(self._instances.in_service):
            self._instances.in_service_seconds += self._queue.remove(self._end)
        return Played(
            deployment=self._deployment,
            arrivals=self._arrivals,
            waits=self._queue.waits,
            answers=self._queue.answers,
            failures=+self._queue.failures,
            busy_seconds=self._queue.busy_seconds,
            in_service_seconds=self._instances.in_service_seconds,
            billed_seconds=self._instances.billed_seconds,
            capacity=self._instances.history,
        )

    def _plan_events(self) -> None:
        """The schedules of all days, and the first datapoint of each metric."""
        for week in range(-1, self._arrivals.days // 7 + 2):
            for bounds in self._deployment.bounds:
                at = (week * _WEEK_MINUTES + bounds.minute - self._arrivals.start_minute) * 60.0
                if 0 < at < self._end:
                    self._plan(at, partial(self._set_bounds, low=bounds.min_capacity, high=bounds.max_capacity))
        if self._deployment.tracking is not None:
            self._plan(self._deployment.tracking.metric.period_seconds, self._sample)
            if self._deployment.mode.wake is not None:
                self._plan(self._deployment.mode.wake.period_seconds, self._sample_wake)

    def _plan(self, at: float, action: Callable[[float], None]) -> None:
        heappush(self._events, (at, next(self._order), action))

    def _until(self, end: float) -> None:
        """Play what happens before `end`."""
        while self._events and self._events[0][0] < end:
            at, _, action = heappop(self._events)
            self._queue.advance(at)
            action(at)
        self._queue.advance(end)

    def _drain(self) -> None:
        """Play on without arrivals until nothing waits, or what waits has expired."""
        queue = self._queue
        if isinstance(queue, InstanceQueues):
            return
        last = self._end + (self._deployment.mode.wait_limit_seconds or 0.0)
        while queue.waiting() and self._events and self._events[0][0] <= last:
            self._until(math.nextafter(self._events[0][0], math.inf))
        queue.advance(math.inf)
        queue.expire(math.inf)

    # Schedules.

    def _bounds_at_start(self) -> tuple[int, int]:
        """The bounds that the schedules of the week before have left."""
        low, high = self._deployment.min_capacity, self._deployment.max_capacity
        start = self._arrivals.start_minute
        for bounds in sorted(self._deployment.bounds, key=lambda one: (one.minute - start - 1) % _WEEK_MINUTES):
            low = low if bounds.min_capacity is None else bounds.min_capacity
            high = high if bounds.max_capacity is None else bounds.max_capacity
        return low, high

    def _set_bounds(self, at: float, low: int | None, high: int | None) -> None:
        self._low = self._low if low is None else low
        self._high = self._high if high is None else high
        self._settle(at)

    def _settle(self, at: float) -> None:
        """Bring the capacity within its bounds. SageMaker takes one change at a time: while instances start, later."""
        now = self._instances.in_service
        wanted = min(max(now, self._low), self._high)
        if wanted != now and not self._instances.starting:
            self._change(at, wanted)

    # Metrics, alarms, policies.

    def _sample(self, at: float) -> None:
        """Measure the metric of target tracking over the period that ends, for the alarms to see later."""
        tracking = self._deployment.tracking
        assert tracking is not None  # noqa: S101 - only planned with it
        metric, instances = tracking.metric, self._instances.in_service
        if metric.kind == "invocations":
            value = float(self._queue.arrived - self._sampled_arrivals)
            self._sampled_arrivals = self._queue.arrived
        else:
            value = float(self._queue.in_flight(at))
        if metric.kind == "backlog" and isinstance(self._queue, SharedQueue):
            self._queue.expire(at)
        if instances:
            self._plan(
                at + self._delay(metric.period_seconds), partial(self._evaluate, load=value, instances=instances)
            )
        self._plan(at + metric.period_seconds, self._sample)

    def _delay(self, period_seconds: float) -> float:
        delay = self._deployment.metric_delay_seconds
        return period_seconds if delay is None else delay

    def _evaluate(self, at: float, load: float, instances: int) -> None:
        """Let the alarms see a datapoint, and the policy act on them.

        The datapoint is the `load` by the `instances` of its time. What is needed follows from the load alone, so that
        an old datapoint does not count new instances twice.
        """
        tracking, now = self._deployment.tracking, self._instances.in_service
        assert tracking is not None  # noqa: S101 - only planned with it
        self._alarms.take(load / instances, tracking.target)
        if self._instances.starting or not now:
            return
        is_high = self._alarms.above >= tracking.metric.high_points
        is_low = self._alarms.below >= tracking.metric.low_points
        if not (is_high or is_low):
            return
        needed = math.ceil(round(load / tracking.target, 9))
        if is_high:
            wanted = min(max(needed, self._low), self._high)
            step = wanted - now
            if step > 0 and (at >= self._cooldown_out or step > self._last_step):
                self._last_step = step
                self._change(at, wanted)
        elif at >= self._cooldown_in:
            wanted = max(needed, now - _REMOVED_AT_ONCE, self._low)
            if wanted < now:
                self._change(at, wanted)
                self._cooldown_in = at + tracking.scale_in_cooldown_seconds

    def _sample_wake(self, at: float) -> None:
        """Measure whether a request found no instance, for the alarm that wakes the endpoint."""
        wake = self._deployment.mode.wake
        assert wake is not None  # noqa: S101 - only planned with it
        refused = self._queue.refused_without_capacity
        has_request = self._queue.waiting() > 0 or refused > self._sampled_refusals
        self._sampled_refusals = refused
        is_without = has_request and not self._instances.in_service
        self._points_without_capacity = self._points_without_capacity + 1 if is_without else 0
        if self._points_without_capacity >= wake.points:
            self._plan(at + self._delay(wake.period_seconds), self._wake)
        self._plan(at + wake.period_seconds, self._sample_wake)

    def _wake(self, at: float) -> None:
        wake = self._deployment.mode.wake
        assert wake is not None  # noqa: S101 - only planned with it
        if self._instances.in_service or self._instances.starting or at < self._cooldown_wake or not self._high:
            return
        self._change(at, 1)
        self._cooldown_wake = at + self._deployment.startup_seconds + wake.cooldown_seconds

    # Instances.

    def _change(self, at: float, wanted: int) -> None:
        """Start instances, or remove them. What is removed draws what it has begun, and is billed until then."""
        instances = self._instances
        more = wanted - instances.in_service
        if more > 0:
            instances.starting = more
            instances.bill(at, more)
            self._plan(at + self._deployment.startup_seconds, partial(self._in_service, more=more))
            return
        for _ in range(-more):
            free_at = self._queue.remove(at)
            instances.in_service -= 1
            instances.in_service_seconds += free_at
            instances.bill(free_at + self._deployment.mode.release_seconds, -1)
        instances.note(at)

    def _in_service(self, at: float, more: int) -> None:
        instances = self._instances
        for _ in range(more):
            self._queue.add(at)
        instances.starting = 0
        instances.in_service += more
        instances.in_service_seconds -= more * at
        instances.note(at)
        tracking = self._deployment.tracking
        if tracking is not None:
            self._cooldown_out = at + tracking.scale_out_cooldown_seconds
        self._settle(at)
