"""CloudWatch as moto lacks it: composite alarms, and alarms whose state follows the metrics."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse

from emulator.monitoring.alarms import evaluate_all


def install() -> None:
    """Let DescribeAlarms answer with states that are looked up then, and take composite alarms."""
    original = CloudWatchResponse.describe_alarms
    if hasattr(original, "evaluates"):
        return

    def describe_alarms(self: CloudWatchResponse) -> Any:
        evaluate_all(self.cloudwatch_backend)
        return original(self)

    # It reads a composite alarm's rule too; only the operation's own name is missing.
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm
    describe_alarms.evaluates = True  # type: ignore[attr-defined]
    CloudWatchResponse.describe_alarms = describe_alarms
    # moto's own reads an AlarmRule too, so that only the action's name is missing.
    CloudWatchResponse.put_composite_alarm = CloudWatchResponse.put_metric_alarm
