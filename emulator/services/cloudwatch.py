"""CloudWatch as moto lacks it: alarms whose state follows the metrics."""

from __future__ import annotations

from typing import Any

from moto.cloudwatch.responses import CloudWatchResponse

from emulator.monitoring.alarms import evaluate_all


def install() -> None:
    """Let DescribeAlarms answer with states that are looked up then."""
    original = CloudWatchResponse.describe_alarms
    if hasattr(original, "evaluates"):
        return

    def describe_alarms(self: CloudWatchResponse) -> Any:
        evaluate_all(self.cloudwatch_backend)
        return original(self)

    describe_alarms.evaluates = True  # type: ignore[attr-defined]
    CloudWatchResponse.describe_alarms = describe_alarms
