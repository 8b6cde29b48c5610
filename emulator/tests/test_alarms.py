"""States of emulated alarms: periods, missing data, metric math, rules of other alarms; metrics out of log lines."""

from __future__ import annotations

import itertools
import json
from datetime import timedelta
from typing import Any

import pytest
from moto.cloudwatch.models import CloudWatchBackend, cloudwatch_backends
from moto.core.utils import utcnow
from moto.logs.models import logs_backends

from emulator.monitoring import clock
from emulator.monitoring.alarms import UnsupportedExpressionError, alarms_of_rule, calculate, evaluate, in_alarm
from emulator.monitoring.logs import FilterPatternError, matches, parse_pattern, put_lines
from emulator.monitoring.metrics import publish, statistic

REGION = "us-east-1"
NAMESPACE = "AWS/SageMaker"
VARIANT = {"EndpointName": "sdxl", "VariantName": "primary"}
_accounts = itertools.count(810_000_000_000)


@pytest.fixture
def account() -> str:
    return str(next(_accounts))


@pytest.fixture(autouse=True)
def as_on_aws(monkeypatch: pytest.MonkeyPatch) -> None:
    """A period is as long as it says, so that a slow machine does not end one."""
    monkeypatch.setenv(clock.SPEED_VARIABLE, "1")


def put(account: str, name: str = "errors", **settings: Any) -> CloudWatchBackend:
    """An alarm on a sum of errors of 2 or more in a minute, unless `settings` say otherwise."""
    backend = cloudwatch_backends[account][REGION]
    fields: dict[str, Any] = {
        "namespace": NAMESPACE,
        "metric_name": "Invocation5XXErrors",
        "metric_data_queries": None,
        "comparison_operator": "GreaterThanOrEqualToThreshold",
        "evaluation_periods": 1,
        "datapoints_to_alarm": None,
        "period": 60,
        "threshold": 2,
        "statistic": "Sum",
        "extended_statistic": None,
        "description": "",
        "dimensions": [{"Name": key, "Value": value} for key, value in VARIANT.items()],
        "alarm_actions": [],
        "treat_missing_data": "notBreaching",
    }
    backend.put_metric_alarm(name=name, **{**fields, **settings})
    return backend


def errors(account: str, count: float, dimensions: dict[str, str] | None = None) -> None:
    publish(account, REGION, NAMESPACE, {"Invocation5XXErrors": count}, VARIANT if dimensions is None else dimensions)


def state(account: str, name: str = "errors", *, later: float = 0) -> str:
    backend = cloudwatch_backends[account][REGION]
    return evaluate(backend, backend.alarms[name], utcnow() + timedelta(seconds=later))


def test_an_alarm_goes_off_at_its_threshold_and_is_over_with_the_period(account: str) -> None:
    put(account)

    errors(account, 1)
    assert state(account) == "OK"
    errors(account, 1)
    assert state(account) == "ALARM"
    assert in_alarm(account, REGION, ["errors", "absent"]) == ["errors"]
    assert state(account, later=61) == "OK"


def test_values_of_another_variant_or_without_dimensions_are_other_metrics(account: str) -> None:
    put(account)

    errors(account, 5, {**VARIANT, "VariantName": "challenger"})
    errors(account, 5, {})

    assert state(account) == "OK"


def test_an_alarm_waits_for_as_many_periods_as_it_says(account: str) -> None:
    put(account, evaluation_periods=3, datapoints_to_alarm=2)

    errors(account, 5)
    assert state(account) == "OK"
    cloudwatch_backends[account][REGION].metric_data[-1].timestamp -= timedelta(seconds=90)
    errors(account, 5)

    assert state(account) == "ALARM"


@pytest.mark.parametrize(
    ("missing", "expected"),
    [("notBreaching", "OK"), ("breaching", "ALARM"), ("missing", "INSUFFICIENT_DATA"), ("ignore", "ALARM")],
)
def test_missing_data_is_treated_as_the_alarm_says(account: str, missing: str, expected: str) -> None:
    put(account, treat_missing_data=missing)
    errors(account, 2)
    assert state(account) == "ALARM"

    assert state(account, later=120) == expected


def test_periods_are_as_much_shorter_as_waits_are(account: str, monkeypatch: pytest.MonkeyPatch) -> None:
    put(account)
    errors(account, 2)

    monkeypatch.setenv(clock.SPEED_VARIABLE, "10")
    assert state(account, later=5) == "ALARM"
    assert state(account, later=7) == "OK"


def test_a_percentile_ignores_the_few_that_are_slower(account: str) -> None:
    for microseconds in [1_000_000] * 19 + [60_000_000]:
        publish(account, REGION, NAMESPACE, {"ModelLatency": microseconds}, VARIANT)
    latency = {"metric_name": "ModelLatency", "statistic": None, "threshold": 25_000_000}

    put(account, "p95", extended_statistic="p95", **latency)
    put(account, "p99", extended_statistic="p99", **latency)

    assert (state(account, "p95"), state(account, "p99")) == ("OK", "ALARM")


def test_a_composite_alarm_follows_the_alarms_of_its_rule(account: str) -> None:
    put(account)
    put(account, "quiet", metric_name="Other")
    rule = '(ALARM("errors") OR ALARM(quiet)) AND NOT OK(errors)'
    put(account, "environment", metric_name=None, namespace=None, rule=rule)

    assert alarms_of_rule(rule) == ["errors", "quiet", "errors"]
    assert state(account, "environment") == "OK"
    errors(account, 2)
    assert state(account, "environment") == "ALARM"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("FILL(m1, 0) + FILL(m2, 0)", 4),
        ("m1 + m2", None),
        ("MAX([m1, m2])", 4),
        ("MAX([m2])", None),
        ("IF(m1 >= 3, 100 * m1 / 8, 0)", 50),
        ("m1 / 0", None),
    ],
)
def test_metric_math_is_what_cloudwatch_makes_of_it(expression: str, expected: float | None) -> None:
    assert calculate(expression, {"m1": 4.0, "m2": None}) == expected


def test_metric_math_of_another_kind_is_refused_and_not_guessed() -> None:
    with pytest.raises(UnsupportedExpressionError, match=r"'ANOMALY_DETECTION_BAND\(m1\)' is not emulated"):
        calculate("ANOMALY_DETECTION_BAND(m1)", {"m1": 1.0})


def test_a_statistic_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match="the statistic 'TM90' is not emulated"):
        statistic([1.0], "TM90")


@pytest.mark.parametrize(
    ("pattern", "line", "expected"),
    [
        ('?"CUDA out of memory" ?"Worker died"', "torch: CUDA out of memory. Tried to allocate", True),
        ('?"CUDA out of memory" ?"Worker died"', "Worker died.", True),
        ('?"CUDA out of memory" ?"Worker died"', "worker died", False),
        ("ERROR model", "ERROR in the model", True),
        ("ERROR model", "ERROR elsewhere", False),
    ],
)
def test_a_filter_pattern_looks_for_terms(pattern: str, line: str, expected: bool) -> None:
    assert matches(pattern, line) is expected


def test_a_line_that_a_metric_filter_finds_sets_an_alarm_off(account: str) -> None:
    group = "/aws/sagemaker/Endpoints/sdxl"
    logs = logs_backends[account][REGION]
    logs.create_log_group(group, {})
    transformation = {"metricNamespace": "Own", "metricName": "Crashes", "metricValue": "1"}
    logs.put_metric_filter("crashes", '?"out of memory" ?"Worker died"', group, [transformation])
    put(account, namespace="Own", metric_name="Crashes", dimensions=[], threshold=1)

    put_lines(account, REGION, group, "primary/i-1", ["model loaded", "0 workers died"])
    assert state(account) == "OK"
    put_lines(account, REGION, group, "primary/i-1", ["RuntimeError: CUDA out of memory. Tried to"])

    assert state(account) == "ALARM"


def test_the_embedded_metric_format_becomes_a_metric_for_each_set_of_dimensions(account: str) -> None:
    record = {
        "_aws": {
            "Timestamp": 0,
            "CloudWatchMetrics": [
                {
                    "Namespace": "SDXL",
                    "Dimensions": [["environment"], ["environment", "source"]],
                    "Metrics": [{"Name": "Images", "Unit": "Count"}],
                }
            ],
        },
        "environment": "dev",
        "source": "open",
        "Images": 3,
    }
    for name, source in (("all", {}), ("open", {"source": "open"}), ("optimized", {"source": "optimized"})):
        dimensions = [{"Name": key, "Value": value} for key, value in {"environment": "dev", **source}.items()]
        put(account, name, namespace="SDXL", metric_name="Images", dimensions=dimensions, threshold=3)

    put_lines(account, REGION, "/aws/lambda/f", "stream", [json.dumps(record), '{"_aws": 1}'])

    assert [state(account, name) for name in ("all", "open", "optimized")] == ["ALARM", "ALARM", "OK"]


@pytest.mark.parametrize("pattern", ["{ $.level = ERROR }", "[ip, user]", "ERROR -timeout"])
def test_a_filter_pattern_of_another_kind_is_refused(pattern: str) -> None:
    with pytest.raises(FilterPatternError, match="is not emulated: use terms"):
        parse_pattern(pattern)
