"""Searches the scaling that costs least and keeps the wait: mode, min and max capacity, target."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from sdxl.plan.modes import Deployment, Metric, Mode, Tracking
from sdxl.plan.outcome import Outcome
from sdxl.plan.simulation import Work

# Targets that are tried: requests in flight, requests in the backlog, and parts of what an instance draws in a minute.
_IN_FLIGHT = (0.5, 1.0, 1.5, 2.0, 3.0)
_IN_BACKLOG = (1.0, 2.0, 5.0, 10.0, 20.0)
_PARTS = (0.3, 0.5, 0.7, 0.85)


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What has to be kept: the 95th percentile of the wait in seconds, and the failed requests in percent of all."""

    p95_seconds: float
    failed_percent: float

    def is_kept(self, outcome: Outcome) -> bool:
        """Return whether the outcome keeps both. Without a request it does."""
        p95 = outcome.waits[95]
        return outcome.failed_percent <= self.failed_percent and (p95 is None or p95 <= self.p95_seconds)


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """The cheapest outcome that keeps the goal, None where no tried one does; and how many were played.

    `closest` is the tried one with the fewest failures and the shortest wait.
    """

    best: Outcome | None
    closest: Outcome
    played: int


def recommend(
    like: Deployment,
    work: Work,
    goal: Goal,
    *,
    modes: Sequence[tuple[Mode, float | None]],
    max_instances: int,
    play: Callable[[Deployment], Outcome],
) -> Recommendation:
    """Search the least cost that keeps `goal`.

    For each mode (with its callers' time limit in seconds), bisection finds the smallest fixed number of instances that
    keeps the goal; and for each of a few targets, the smallest min capacity with the most instances, and then the
    smallest max capacity with that min capacity. Start-up time, metric delay and cooldowns are those of `like`;
    schedules are left out. It does not prove that nothing cheaper exists.
    """
    search = _Search(goal, play)
    for candidate in _candidates(like, work, modes, max_instances):
        search.look_at(candidate)
    assert search.closest is not None  # noqa: S101 - there is at least one mode
    return Recommendation(best=search.best, closest=search.closest, played=search.played)


def _candidates(
    like: Deployment, work: Work, modes: Sequence[tuple[Mode, float | None]], max_instances: int
) -> Iterator[Deployment]:
    """Deployments up to the most instances: for each mode a fixed one, and one for each target."""
    for mode, limit in modes:
        base = replace(
            like,
            mode=mode,
            min_capacity=mode.min_capacity,
            max_capacity=max_instances,
            tracking=None,
            bounds=(),
            schedules=(),
            time_limit_seconds=limit,
        )
        yield base
        cooldowns = like.tracking or Tracking(metric=mode.metrics[0], target=1.0)
        for metric in mode.metrics:
            for target in _targets(metric, work):
                yield replace(base, tracking=replace(cooldowns, metric=metric, target=target))


def _targets(metric: Metric, work: Work) -> Sequence[float]:
    if metric.kind == "backlog":
        return _IN_BACKLOG
    if metric.kind == "invocations":
        return [round(part * 60 / work.seconds_per_image, 2) for part in _PARTS]
    return _IN_FLIGHT


class _Search:
    def __init__(self, goal: Goal, play: Callable[[Deployment], Outcome]) -> None:
        self._goal = goal
        self._play = play
        self.played = 0
        self.best: Outcome | None = None
        self.closest: Outcome | None = None

    def look_at(self, candidate: Deployment) -> None:
        """Find the smallest min capacity that keeps the goal, among those that can be cheaper than the best.

        Then lower the max capacity, as far as the goal is kept.
        """
        is_fixed = candidate.tracking is None
        low, high = max(candidate.min_capacity, 1 if is_fixed else 0), candidate.max_capacity
        if self.best is not None:
            high = min(high, math.ceil(self.best.instance_hours / (24 * self.best.days)) - 1)
        found: Outcome | None = None
        while low <= high:
            middle = (low + high) // 2
            most = middle if is_fixed else candidate.max_capacity
            outcome = self._try(replace(candidate, min_capacity=middle, max_capacity=most))
            if outcome is not None:
                found, high = outcome, middle - 1
            else:
                low = middle + 1
        if found is not None and not is_fixed:
            self._lower_max(found)

    def _lower_max(self, found: Outcome) -> None:
        deployment = found.played.deployment
        low, high = max(deployment.min_capacity, 1), found.most_instances
        # No more than it used: this changes nothing, and it is what the settings should say.
        self._try(replace(deployment, max_capacity=max(low, high)), is_tie_better=True)
        while low < high:
            middle = (low + high) // 2
            if self._try(replace(deployment, max_capacity=middle), is_tie_better=True) is not None:
                high = middle
            else:
                low = middle + 1

    def _try(self, deployment: Deployment, *, is_tie_better: bool = False) -> Outcome | None:
        """Play it, and return the outcome if it keeps the goal.

        It becomes the best if it costs less, or as much with `is_tie_better`.
        """
        outcome = self._play(deployment)
        self.played += 1
        if self.closest is None or _distance(outcome) < _distance(self.closest):
            self.closest = outcome
        if not self._goal.is_kept(outcome):
            return None
        cost = outcome.instance_hours
        if self.best is None or cost < self.best.instance_hours or (is_tie_better and cost == self.best.instance_hours):
            self.best = outcome
        return outcome


def _distance(outcome: Outcome) -> tuple[float, float]:
    return outcome.failed_percent, outcome.waits[95] or 0.0
