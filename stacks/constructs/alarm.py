"""A CloudWatch alarm that says what it means and which page to open."""

from __future__ import annotations

from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.alarms.spec import AlarmSpec

RUNBOOKS = "docs/runbooks"


class Alarm(cloudwatch.CfnAlarm):
    """The alarm that `spec` describes, with `prefix` before its name.

    `topic_arn` is told when it goes off and when it is over; without one, something else watches the alarm.
    """

    def __init__(self, scope: Construct, *, prefix: str, spec: AlarmSpec, topic_arn: str | None = None) -> None:
        actions = None if topic_arn is None else [topic_arn]
        when, name = spec.when, f"{prefix}-{spec.name}"
        super().__init__(
            scope,
            spec.construct_id,
            alarm_name=name,
            alarm_description=described(spec.meaning, spec.runbook),
            threshold=when.threshold,
            comparison_operator=when.comparison,
            evaluation_periods=when.periods,
            datapoints_to_alarm=when.datapoints,
            treat_missing_data=when.missing_data,
            alarm_actions=actions,
            ok_actions=actions,
            **spec.metric.as_properties(),
        )
        self.name = name


def described(meaning: str, runbook: str) -> str:
    """Description of an alarm: what it means, and the page of the repository that says what to do."""
    return f"{meaning} Runbook: {RUNBOOKS}/{runbook}.md"
