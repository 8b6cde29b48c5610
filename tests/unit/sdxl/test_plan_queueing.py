"""The simulation against the formulas of queueing theory, with seeded arrivals. Each tolerance is stated."""

import math
import time
from random import Random

import pytest

from sdxl.cost.amounts import Amount
from sdxl.plan.arrivals import Arrivals, at_curve, at_rate
from sdxl.plan.modes import ASYNCHRONOUS, REAL_TIME, Deployment
from sdxl.plan.outcome import Outcome, percentile
from sdxl.plan.simulation import Work, simulate

SECONDS = 10.0
# Standard error of the mean waits below with 400,000 requests: under 1.5 % up to a utilisation of 0.8.
TOLERANCE = 0.05
FEW_SECONDS = 0.02


def fixed(count, mode=ASYNCHRONOUS, **changes):
    return Deployment(mode=mode, min_capacity=count, max_capacity=count, tracking=None, **changes)


def poisson(per_second: float, requests: int = 400_000, seed: int = 5) -> Arrivals:
    return at_rate(per_second, days=math.ceil(requests / per_second / 86_400), random=Random(seed))


def played(count, utilisation, *, variation, mode=ASYNCHRONOUS, seed=7, **changes):
    arrivals = poisson(utilisation * count / SECONDS)
    work = Work(seconds_per_image=SECONDS, variation=variation)
    return simulate(arrivals, fixed(count, mode, **changes), work, seed=seed)


def mean(values) -> float:
    return math.fsum(values) / len(values)


def erlang_c(count: int, utilisation: float) -> float:
    """The probability that a request waits in M/M/c."""
    offered = count * utilisation
    queued = offered**count / math.factorial(count) / (1 - utilisation)
    return queued / (sum(offered**n / math.factorial(n) for n in range(count)) + queued)


@pytest.mark.parametrize(("count", "utilisation"), [(1, 0.5), (1, 0.8), (3, 0.8), (10, 0.8), (40, 0.8)])
def test_one_queue_and_exponential_times_are_m_m_c(count, utilisation):
    waits = played(count, utilisation, variation=1).waits

    waiting = erlang_c(count, utilisation)
    expected = waiting * SECONDS / (count * (1 - utilisation))
    assert mean(waits) == pytest.approx(expected, rel=TOLERANCE, abs=FEW_SECONDS)
    assert sum(wait > 0 for wait in waits) / len(waits) == pytest.approx(waiting, rel=TOLERANCE)


def test_the_percentiles_of_m_m_1():
    """P(W > t) = rho exp(-(1 - rho) t / s)."""
    ordered = sorted(played(1, 0.8, variation=1).waits)

    for percent in (50, 95, 99):
        expected = SECONDS / (1 - 0.8) * math.log(0.8 / (1 - percent / 100))
        assert percentile(ordered, percent) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize("utilisation", [0.3, 0.5, 0.8])
def test_one_instance_and_equal_times_are_m_d_1(utilisation):
    waits = played(1, utilisation, variation=0, mode=REAL_TIME, time_limit_seconds=None).waits

    expected = utilisation * SECONDS / (2 * (1 - utilisation))
    assert mean(waits) == pytest.approx(expected, rel=TOLERANCE, abs=FEW_SECONDS)


@pytest.mark.parametrize("variation", [0.5, 1.5])
def test_other_variations_are_m_g_1(variation):
    """Pollaczek and Khinchine: the wait grows with 1 + the squared coefficient of variation."""
    waits = played(1, 0.6, variation=variation).waits

    expected = (1 + variation**2) / 2 * 0.6 * SECONDS / (1 - 0.6)
    assert mean(waits) == pytest.approx(expected, rel=TOLERANCE)


@pytest.mark.parametrize(("variation", "factor"), [(0, 0.5), (1, 1)])
def test_random_routing_is_as_many_queues_as_instances(variation, factor):
    """c x M/D/1 and c x M/M/1: more instances at the same utilisation shorten no queue."""
    waits = played(4, 0.6, variation=variation, mode=REAL_TIME, time_limit_seconds=None).waits

    assert mean(waits) == pytest.approx(factor * 0.6 * SECONDS / (1 - 0.6), rel=TOLERANCE)


def test_least_outstanding_is_between_one_queue_and_random():
    shared = mean(played(4, 0.8, variation=1).waits)
    alone = {"mode": REAL_TIME, "time_limit_seconds": None, "variation": 1}
    least = mean(played(4, 0.8, routing="least-outstanding", **alone).waits)
    random = mean(played(4, 0.8, routing="random", **alone).waits)

    assert shared < least < random / 2


def test_utilisation_is_arrivals_times_seconds_by_instances():
    done = played(4, 0.6, variation=1)

    assert Outcome(done, Amount(1.0)).utilisation_percent == pytest.approx(60, rel=0.01)
    assert done.busy_seconds == pytest.approx(len(done.waits) * SECONDS, rel=0.01)


def test_a_seed_is_a_result():
    arrivals = poisson(0.3, requests=5000)
    work = Work(seconds_per_image=SECONDS, variation=0.5)
    first, again, other = (
        simulate(arrivals, fixed(4, REAL_TIME, time_limit_seconds=29), work, seed=seed) for seed in (1, 1, 2)
    )

    assert first.waits == again.waits
    assert first.waits != other.waits
    assert poisson(0.3, requests=5000).times == arrivals.times
    assert poisson(0.3, requests=5000, seed=6).times != arrivals.times


def test_arrivals_follow_the_curve():
    """Requests of an hour are Poisson distributed: five standard deviations."""
    hourly = [0.0] * 8 + [400.0] * 10 + [50.0] * 6
    times = at_curve(hourly, days=2, random=Random(1)).times

    assert list(times) == sorted(times)
    for hour in range(48):
        expected = hourly[hour % 24]
        found = sum(hour * 3600 <= moment < (hour + 1) * 3600 for moment in times)
        assert abs(found - expected) <= 5 * math.sqrt(expected)


@pytest.mark.parametrize(
    ("mode", "routing"), [(ASYNCHRONOUS, "random"), (REAL_TIME, "random"), (REAL_TIME, "least-outstanding")]
)
def test_a_million_requests_take_less_than_ten_seconds_of_one_core(mode, routing):
    before = time.process_time()
    arrivals = at_rate(1_000_000 / 86_400, days=1, random=Random(1))
    limit = None if mode is ASYNCHRONOUS else 29
    deployment = fixed(100, mode, time_limit_seconds=limit, routing=routing)
    outcome = Outcome(simulate(arrivals, deployment, Work(seconds_per_image=7.5)), Amount(1.0))
    outcome.as_json(columns=168)

    assert outcome.requests > 990_000
    assert time.process_time() - before < 10
