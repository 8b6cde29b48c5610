"""The search for the cheapest scaling, against every combination that it could have found."""

from dataclasses import replace
from random import Random

import pytest

from sdxl.cost.amounts import Amount
from sdxl.plan.arrivals import at_curve
from sdxl.plan.modes import ASYNCHRONOUS, BACKLOG, INVOCATIONS, REAL_TIME, Deployment, Tracking
from sdxl.plan.outcome import Outcome
from sdxl.plan.recommend import Goal, recommend
from sdxl.plan.simulation import Work, simulate

WORK = Work(seconds_per_image=9.4)
MOST = 6
# The metrics of one minute: a play is quicker than with datapoints of 10 s.
BY_INVOCATIONS = replace(REAL_TIME, metrics=(INVOCATIONS,))
CURVES = {
    "a peak": [10.0] * 9 + [500.0] * 3 + [10.0] * 12,
    "a working day": [5.0] * 8 + [250.0] * 10 + [30.0] * 6,
    "level": [200.0] * 24,
}


def played(curve, startup_minutes=5.0):
    arrivals = at_curve(curve, days=1, random=Random(3))

    def play(deployment: Deployment) -> Outcome:
        return Outcome(simulate(arrivals, deployment, WORK), Amount(1.0))

    like = Deployment(
        mode=BY_INVOCATIONS,
        min_capacity=1,
        max_capacity=1,
        tracking=Tracking(metric=INVOCATIONS, target=1.0),
        startup_seconds=startup_minutes * 60,
    )
    return play, like


def every_combination(like, mode, limit, metric, targets):
    for low in range(mode.min_capacity, MOST + 1):
        if low:
            yield replace(like, mode=mode, min_capacity=low, max_capacity=low, tracking=None, time_limit_seconds=limit)
        for high in range(max(low, 1), MOST + 1):
            for target in targets:
                tracking = replace(like.tracking, metric=metric, target=target)
                yield replace(
                    like, mode=mode, min_capacity=low, max_capacity=high, tracking=tracking, time_limit_seconds=limit
                )


@pytest.mark.parametrize(
    ("kind", "p95"),
    [
        ((BY_INVOCATIONS, 27.0, INVOCATIONS, (1.91, 3.19, 4.47, 5.43)), 12.0),
        ((ASYNCHRONOUS, None, BACKLOG, (1.0, 2.0, 5.0, 10.0, 20.0)), 600.0),
    ],
    ids=["real-time", "asynchronous"],
)
@pytest.mark.parametrize("curve", CURVES.values(), ids=CURVES)
def test_the_search_finds_what_every_combination_has_within_five_percent(curve, kind, p95):
    mode, limit, metric, targets = kind
    play, like = played(curve)
    goal = Goal(p95_seconds=p95, failed_percent=1.0)
    kept = [
        outcome.instance_hours
        for deployment in every_combination(like, mode, limit, metric, targets)
        if goal.is_kept(outcome := play(deployment))
    ]

    found = recommend(like, WORK, goal, modes=[(mode, limit)], max_instances=MOST, play=play)

    assert found.best is not None
    assert goal.is_kept(found.best)
    assert min(kept) <= found.best.instance_hours <= 1.05 * min(kept)
    assert found.played < len(kept)


def test_a_wait_that_nothing_keeps_has_no_best_and_names_the_closest():
    play, like = played(CURVES["a peak"])
    goal = Goal(p95_seconds=0.0, failed_percent=0.0)

    found = recommend(like, WORK, goal, modes=[(BY_INVOCATIONS, 27.0)], max_instances=2, play=play)

    assert found.best is None
    assert found.closest.played.deployment.max_capacity == 2


def test_failures_count_against_a_wait_that_is_kept():
    """1.5 % of the requests fail at most: p95 alone would take fewer instances."""
    play, like = played(CURVES["level"])
    limits = [(BY_INVOCATIONS, 27.0)]
    strict, lax = (
        recommend(
            like, WORK, Goal(p95_seconds=20.0, failed_percent=percent), modes=limits, max_instances=MOST, play=play
        )
        for percent in (0.1, 100.0)
    )

    assert strict.best.failed_percent <= 0.1 < lax.best.failed_percent
    assert strict.best.instance_hours > lax.best.instance_hours


def test_start_up_delay_and_cooldowns_stay_and_schedules_go():
    play, like = played(CURVES["a peak"])
    like = replace(like, metric_delay_seconds=7, tracking=replace(like.tracking, scale_in_cooldown_seconds=900))
    goal = Goal(p95_seconds=12.0, failed_percent=5.0)

    best = recommend(like, WORK, goal, modes=[(BY_INVOCATIONS, 27.0)], max_instances=MOST, play=play).best

    deployment = best.played.deployment
    assert (deployment.startup_seconds, deployment.metric_delay_seconds, deployment.bounds) == (300, 7, ())
    assert deployment.tracking.scale_in_cooldown_seconds == 900
