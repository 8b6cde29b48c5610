"""Policies, alarms, schedules and waking, with arrivals that are written out: every time follows by hand."""

from dataclasses import replace

import pytest
from image_api.deadline import ANSWER_MARGIN_SECONDS, STORE_MARGIN_SECONDS

from sdxl.cost.amounts import Amount
from sdxl.plan.arrivals import MONDAY, Arrivals
from sdxl.plan.modes import (
    ASYNCHRONOUS,
    BACKLOG,
    COMPONENTS,
    CONCURRENT,
    INVOCATIONS,
    KEPT_BACK_SECONDS,
    REAL_TIME,
    Bounds,
    Deployment,
    Tracking,
    deployment_of,
)
from sdxl.plan.outcome import Outcome
from sdxl.plan.queues import EXPIRED, FAILED, NO_CAPACITY, QUEUE_FULL, TIMED_OUT
from sdxl.plan.simulation import Work, simulate
from stacks.environment import Environment

MINUTE, HOUR, DAY = 60, 3600, 86_400
STARTUP = 600
QUICK = Work(seconds_per_image=1.0)


def every(seconds: float, until: float, start: float = 0.5) -> list[float]:
    return [start + seconds * index for index in range(int((until - start) / seconds) + 1)]


def scaled(low=1, high=4, metric=INVOCATIONS, target=6.0, mode=REAL_TIME, **changes):
    tracking = Tracking(metric=metric, target=target, scale_in_cooldown_seconds=300, scale_out_cooldown_seconds=60)
    values = {"startup_seconds": STARTUP, "time_limit_seconds": None, **changes}
    return Deployment(mode=mode, min_capacity=low, max_capacity=high, tracking=tracking, **values)


def fixed(count=1, mode=REAL_TIME, **changes):
    return Deployment(mode=mode, min_capacity=count, max_capacity=count, tracking=None, **changes)


def play(times, deployment, work=QUICK, days=1, start_minute=MONDAY):
    return simulate(Arrivals(times=times, days=days, start_minute=start_minute), deployment, work)


def capacity(times, deployment, **arguments):
    return list(play(times, deployment, **arguments).capacity)


# Target tracking


def test_three_datapoints_above_the_target_add_instances_in_proportion():
    """13 a minute of a target of 6: seen at 240 s, the third datapoint's end and a minute, and in service after 600."""
    assert capacity(every(60 / 13, HOUR), scaled())[:2] == [(0.0, 1), (240.0 + STARTUP, 3)]


def test_two_datapoints_above_the_target_add_nothing():
    assert capacity(every(60 / 13, 115), scaled()) == [(0.0, 1)]


def test_max_capacity_is_never_passed():
    assert capacity(every(1, HOUR), scaled(high=4))[:2] == [(0.0, 1), (840.0, 4)]
    assert max(count for _, count in capacity(every(1, DAY - 1), scaled(high=4))) == 4


def test_the_metric_delay_and_the_start_up_time_are_what_is_said():
    changes = capacity(every(60 / 13, HOUR), scaled(metric_delay_seconds=5, startup_seconds=100))
    assert changes[1] == (180 + 5 + 100, 3)


def test_instances_go_one_at_a_time_with_the_cooldown_between():
    """13 a minute are low for 3 instances, and need 3. They end at 3600: the minute after it is seen at 3720."""
    changes = capacity(every(60 / 13, HOUR - 1), scaled(high=3))
    assert changes[1:] == [(840.0, 3), (3720.0, 2), (4020.0, 1)]


def test_fifteen_datapoints_below_90_percent_remove_one():
    """13 a minute until 1800 for 2 instances are not low; the fifteenth low minute ends at 2700, seen at 2760."""
    changes = capacity(every(60 / 13, 1799), scaled(high=2))
    assert changes[1:] == [(840.0, 2), (2760.0, 1)]


def test_between_90_percent_and_the_target_nothing_changes():
    """11 a minute for 2 instances of a target of 6: 5.5 each is above 5.4."""
    times = every(60 / 11, DAY - 1)
    assert capacity(times, scaled(low=1, high=2))[1:] == [(840.0, 2)]


def test_nothing_is_removed_where_the_rest_would_be_above_the_target():
    """9.9 a minute for 2 instances: 4.95 each is low, but one alone would have 9.9."""
    times = every(60 / 13, HOUR) + every(60 / 9.9, DAY - 1, start=HOUR + 3)
    assert capacity(times, scaled(low=1, high=2))[1:] == [(840.0, 2)]


def test_min_capacity_stays_without_any_request():
    assert capacity([], scaled(low=2)) == [(0.0, 2)]


def test_while_instances_start_there_is_no_second_change():
    """The load grows while the first ones start: the second step comes when they are in service, and counts them.

    The step from 3 to 10 is larger than the one before, so the cooldown does not hold it back.
    """
    times = every(60 / 13, 300) + every(1, 2 * HOUR, start=300.5)
    changes = capacity(times, scaled(high=20))
    assert changes[1] == (840.0, 3)
    assert changes[2] == (840.0 + STARTUP, 10)


def test_the_scale_out_cooldown_holds_an_equal_step_back():
    deployment = scaled(high=20, target=6.0)
    times = every(60 / 12, 300) + every(60 / 18, 3 * HOUR, start=301)
    quick = capacity(times, deployment)
    tracking = replace(deployment.tracking, scale_out_cooldown_seconds=1800)
    slow = capacity(times, replace(deployment, tracking=tracking))
    assert quick[1] == slow[1] == (840.0, 2)
    assert quick[2] == (900.0 + STARTUP, 3)
    assert slow[2] == (840.0 + 1800 + STARTUP, 3)


def test_requests_in_flight_are_measured_every_ten_seconds():
    """Two at once, always, on one instance: above a target of 1 from the first datapoint, so seen at 40 s."""
    times = sorted([*every(1, HOUR), *every(1, HOUR, start=0.6)])
    changes = capacity(times, scaled(metric=CONCURRENT, target=1.0, high=2))
    assert changes[1] == (40.0 + STARTUP, 2)


# Schedules


def at(hour, low, high, day=0):
    return Bounds(minute=int(MONDAY + day * 24 * 60 + hour * 60) % (7 * 24 * 60), min_capacity=low, max_capacity=high)


def test_schedules_raise_and_lower_the_bounds():
    bounds = (at(8, 3, 4), at(20, 1, 1))
    assert capacity([], scaled(bounds=bounds, low=1)) == [
        (0.0, 1),
        (8.0 * HOUR + STARTUP, 3),
        (20.0 * HOUR, 1),
    ]


def test_the_week_starts_as_the_week_before_ended():
    """The only schedule is of Wednesday: it holds from Monday on, over the end of the week."""
    assert capacity([], scaled(bounds=(at(8, 2, 4, day=2),)))[0] == (0.0, 2)
    assert capacity([], scaled(bounds=(at(8, 2, None, day=2), at(9, None, 2, day=6)), low=1, high=9))[0] == (0.0, 2)


def test_a_schedule_waits_for_instances_that_start():
    """At 8:06 two of three have not started yet: the new max capacity holds when they have."""
    bounds = (at(8, 3, 4), at(8.1, 1, 2))
    assert capacity([], scaled(bounds=bounds))[1:3] == [(8.0 * HOUR + STARTUP, 3), (8.0 * HOUR + STARTUP, 2)]
    # The min capacity of 3 is on its way already: nothing more is started.
    bounds = (at(8, 3, 4), at(8.1, 3, 5), at(20, 1, 5))
    assert max(count for _, count in capacity([], scaled(bounds=bounds))) == 3


def test_ninety_datapoints_of_ten_seconds_remove_one():
    """The ninetieth one ends at 900, seen at 910."""
    bounds = (at(0, 2, 4), at(0.1, 1, 4))
    assert capacity([], scaled(metric=CONCURRENT, bounds=bounds)) == [(0.0, 2), (910.0, 1)]


def test_schedules_repeat_every_week():
    changes = capacity([], scaled(bounds=(at(8, 2, 4), at(9, 1, 4))), days=15)
    starts = [moment for moment, count in changes if count == 2]
    assert starts == [8.0 * HOUR + STARTUP + week * 7 * DAY for week in range(3)]


def test_a_schedule_of_an_environment_file_is_played():
    environment = environment_of(
        scaling={
            "min_capacity": 1,
            "max_capacity": 4,
            "target": {"metric": "concurrent_requests", "target": 2},
            "schedules": [
                {"name": "morning", "schedule": "cron(0 7 ? * MON-FRI *)", "min_capacity": 2},
                {"name": "once", "schedule": "at(2030-01-01T00:00:00)", "min_capacity": 1},
                {"name": "night", "schedule": "cron(0 20 ? * MON-FRI *)", "min_capacity": 1},
            ],
        }
    )
    deployment = deployment_of(environment, environment.production_variants[0])
    assert [(one.minute, one.min_capacity) for one in deployment.bounds][:2] == [
        (MONDAY + 7 * 60, 2),
        (MONDAY + 20 * 60, 1),
    ]
    assert len(deployment.bounds) == 10
    assert [one.name for one in deployment.schedules if not one.is_counted] == ["once"]
    assert deployment.time_limit_seconds == 27


def test_the_time_that_the_function_keeps_back_is_the_functions_own():
    assert KEPT_BACK_SECONDS == ANSWER_MARGIN_SECONDS + STORE_MARGIN_SECONDS


def environment_of(**changes) -> Environment:
    base = {"name": "dev", "account": "111122223333", "region": "us-east-1", "model": {"source": "open"}}
    return Environment.model_validate({**base, **changes})


def test_without_scaling_the_instances_of_the_file_stay():
    environment = environment_of(endpoint={"instance_count": 3})
    deployment = deployment_of(environment, environment.production_variants[0])
    assert (deployment.min_capacity, deployment.max_capacity, deployment.tracking) == (3, 3, None)
    assert capacity(every(0.5, HOUR), deployment) == [(0.0, 3)]


def test_another_mode_scales_on_its_own_metric():
    environment = environment_of(scaling={"max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 2}})
    deployment = deployment_of(environment, environment.production_variants[0], mode=ASYNCHRONOUS)
    assert deployment.tracking.metric is BACKLOG
    assert deployment.time_limit_seconds is None


# Zero


def asleep(mode=ASYNCHRONOUS, metric=BACKLOG, **changes):
    return scaled(low=0, mode=mode, metric=metric, target=5.0, **changes)


def test_one_request_wakes_an_asynchronous_endpoint_and_it_goes_back_to_zero():
    """A minute without capacity ends at 120 and another at 180, seen at 240; in service after 600."""
    done = play([61.0], asleep())
    assert done.waits == [240 + STARTUP - 61]
    assert done.capacity[:2] == [(0.0, 0), (240.0 + STARTUP, 1)]
    # The first datapoint with an instance ends at 840, with one request in the backlog; the fifteenth is seen at 1740.
    assert done.capacity[2:] == [(840.0 + 14 * MINUTE + MINUTE, 0)]


def test_without_the_policy_that_wakes_it_the_same_request_expires():
    done = play([61.0], asleep(mode=replace(ASYNCHRONOUS, wake=None)))
    assert done.waits == [FAILED]
    assert done.failures == {EXPIRED: 1}
    assert done.capacity == [(0.0, 0)]


def test_a_component_at_zero_refuses_and_wakes():
    """Refused in the half minute to 90, seen at 120, in service after 600; a later one is drawn."""
    done = play([61.0, 800.0], asleep(mode=COMPONENTS, metric=CONCURRENT))
    assert done.waits == [FAILED, 0.0]
    assert done.failures == {NO_CAPACITY: 1}
    assert done.capacity[:2] == [(0.0, 0), (120.0 + STARTUP, 1)]
    assert done.capacity[-1][1] == 0


def test_what_waits_at_the_end_is_drawn_after_it():
    done = play([DAY - 61.0], asleep())
    assert 600 < done.waits[0] < 1200
    assert not done.failures
    # It wakes after the end, and so costs nothing of the days that were played.
    assert done.billed_seconds == 0


# Failures


def test_a_call_that_ends_fails_and_its_image_is_drawn_nevertheless():
    """Four at once, 10 s each, calls of 29 s: the third one ends at 30, and the fourth one still pays for it."""
    done = play([0.0, 0.1, 0.2, 40.5], fixed(time_limit_seconds=29), work=Work(seconds_per_image=10))
    assert done.waits == [0.0, pytest.approx(9.9), FAILED, 0.0]
    assert done.failures == {TIMED_OUT: 1}
    assert done.busy_seconds == 40
    later = play([0.0, 0.1, 0.2, 25.0], fixed(time_limit_seconds=29), work=Work(seconds_per_image=10))
    assert later.waits[-1] == pytest.approx(5.0)


def test_a_call_that_ends_exactly_in_time_is_answered():
    done = play([0.0], fixed(time_limit_seconds=29), work=Work(seconds_per_image=29))
    assert done.answers == [29.0]


def test_a_container_refuses_beyond_its_queue():
    """One is drawn and 100 wait; the others are refused, and nobody draws them."""
    done = play([0.001 * index for index in range(150)], fixed(), work=Work(seconds_per_image=10))
    assert done.failures == {QUEUE_FULL: 49}
    assert done.busy_seconds == 101 * 10


def test_an_expired_request_is_not_drawn():
    mode = replace(ASYNCHRONOUS, wait_limit_seconds=15)
    done = play([0.0, 0.1, 0.2, 0.3], fixed(mode=mode), work=Work(seconds_per_image=10))
    assert done.waits == [0.0, pytest.approx(9.9), FAILED, FAILED]
    assert done.busy_seconds == 20


def test_requests_of_a_queue_are_moved_to_a_new_instance():
    """An asynchronous backlog is drawn by what comes into service; a container's queue is not."""
    times = [0.5 + 0.001 * index for index in range(90)]
    work = Work(seconds_per_image=30)
    shared = play(times, scaled(mode=ASYNCHRONOUS, metric=BACKLOG, target=5.0), work=work)
    alone = play(times, scaled(metric=CONCURRENT, target=1.0), work=work)
    assert max(shared.waits) < 1400
    assert max(alone.waits) == pytest.approx(89 * 30, abs=0.1)


# Cost


def test_a_fixed_endpoint_costs_its_hours():
    outcome = Outcome(play(every(60, DAY - 1), fixed(2), days=3), Amount(2.03))
    assert outcome.instance_hours == 2 * 72
    assert outcome.usd_per_day.usd == pytest.approx(2 * 24 * 2.03)
    assert outcome.usd_per_1000.usd == pytest.approx(2 * 72 * 2.03 * 1000 / 1440)


def test_an_instance_is_billed_from_the_decision_until_it_is_removed():
    """Two more from 240 s on, one until 3720 and one until 4020; all day for the first."""
    done = play(every(60 / 13, HOUR - 1), scaled(high=3))
    assert done.billed_seconds == DAY + (3720 - 240) + (4020 - 240)


def test_a_component_is_billed_until_its_instance_is_given_up():
    done = play([61.0], asleep(mode=COMPONENTS, metric=CONCURRENT))
    removed = done.capacity[-1][0]
    assert done.billed_seconds == removed + COMPONENTS.release_seconds - 120


def test_no_request_has_no_percentiles_and_no_price_each():
    outcome = Outcome(play([], fixed()), Amount(1.0))
    assert outcome.waits == {50: None, 95: None, 99: None}
    assert outcome.usd_per_1000 is None
    assert outcome.failed_percent == 0
    assert outcome.as_json()["cost_per_day"] == {"usd": 24.0, "bound": "known"}


def test_a_percentile_among_failures_is_none_in_json():
    outcome = Outcome(play([0.0, 0.1, 0.2], fixed(time_limit_seconds=15), work=Work(seconds_per_image=10)), Amount(1.0))
    assert outcome.as_json()["wait_seconds"] == {"p50": None, "p95": None, "p99": None}
    assert outcome.as_json()["failures"] == {TIMED_OUT: 2}


def test_the_time_of_day_is_in_stretches_of_usual_lengths():
    outcome = Outcome(play(every(60 / 13, HOUR - 1), scaled(high=3)), Amount(1.0))
    buckets = outcome.buckets(24)
    assert [bucket.start for bucket in buckets] == [hour * 3600.0 for hour in range(24)]
    assert sum(bucket.requests for bucket in buckets) == outcome.requests == buckets[0].requests
    assert buckets[0].instances == pytest.approx((840 + 3 * (3600 - 840)) / 3600)
    assert buckets[1].instances == pytest.approx((3 * 120 + 2 * 300 + 1 * 3180) / 3600)
    assert buckets[2].p95 is None
    assert len(outcome.buckets(168)) == 96
