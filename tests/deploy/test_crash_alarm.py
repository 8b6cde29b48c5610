"""The metric filter of the stacks finds a crash in a container's log, and their alarm goes off."""

from __future__ import annotations

from typing import Any

import pytest
from moto.cloudwatch.models import cloudwatch_backends
from moto.core.utils import utcnow
from moto.logs.models import logs_backends

from emulator.monitoring import clock
from emulator.monitoring.alarms import evaluate
from emulator.monitoring.logs import put_lines
from stacks.alarms.metrics import CRASH_TERMS, crash_metric

ACCOUNT, REGION = "810999999999", "us-east-1"


def test_a_crash_in_the_containers_log_sets_the_stacks_alarm_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # A period is as long as it says, so that a slow machine does not end one.
    monkeypatch.setenv(clock.SPEED_VARIABLE, "1")
    group, crashes = "/aws/sagemaker/Endpoints/sdxl", crash_metric("sdxl")
    logs, cloudwatch = logs_backends[ACCOUNT][REGION], cloudwatch_backends[ACCOUNT][REGION]
    logs.create_log_group(group, {})
    transformation = {"metricNamespace": crashes.namespace, "metricName": crashes.name, "metricValue": "1"}
    # As the construct of the stacks writes it.
    pattern = " ".join(f'?"{term}"' for term in CRASH_TERMS)
    logs.put_metric_filter("crashes", pattern, group, [transformation])
    settings: dict[str, Any] = {
        "namespace": crashes.namespace,
        "metric_name": crashes.name,
        "metric_data_queries": None,
        "comparison_operator": "GreaterThanOrEqualToThreshold",
        "evaluation_periods": 1,
        "datapoints_to_alarm": None,
        "period": 60,
        "threshold": 1,
        "statistic": "Sum",
        "extended_statistic": None,
        "description": "",
        "dimensions": [],
        "alarm_actions": [],
        "treat_missing_data": "notBreaching",
    }
    cloudwatch.put_metric_alarm(name="crashes", **settings)

    def state() -> str:
        return evaluate(cloudwatch, cloudwatch.alarms["crashes"], utcnow())

    put_lines(ACCOUNT, REGION, group, "primary/i-1", ["model loaded", "0 workers died"])
    assert state() == "OK"
    put_lines(ACCOUNT, REGION, group, "primary/i-1", ["RuntimeError: CUDA out of memory. Tried to"])

    assert state() == "ALARM"
