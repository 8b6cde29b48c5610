"""Alarms and the topic to which they publish, which sends mail and writes to Slack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_chatbot as chatbot
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as cloudwatch_actions
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.alarms.metrics import AlarmSpec, MetricSource, Watched
from stacks.constructs.service_role import ServiceRole
from stacks.constructs.template_metadata import acknowledge, keep_logical_id
from stacks.environment import Slack

RUNBOOKS = "docs/runbooks"

_COMPARISONS = {
    "GreaterThanThreshold": cloudwatch.ComparisonOperator.GREATER_THAN_THRESHOLD,
    "GreaterThanOrEqualToThreshold": cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
    "LessThanThreshold": cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
    "LessThanOrEqualToThreshold": cloudwatch.ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD,
}
_MISSING_DATA = {
    "breaching": cloudwatch.TreatMissingData.BREACHING,
    "notBreaching": cloudwatch.TreatMissingData.NOT_BREACHING,
    "ignore": cloudwatch.TreatMissingData.IGNORE,
    "missing": cloudwatch.TreatMissingData.MISSING,
}


def metric_of(source: Watched) -> cloudwatch.IMetric:
    """Return the CDK's metric, or expression over metrics, for `source`."""
    if isinstance(source, MetricSource):
        return cloudwatch.Metric(
            namespace=source.namespace,
            metric_name=source.name,
            dimensions_map=dict(source.dimensions) or None,
            statistic=source.statistic,
            period=cdk.Duration.seconds(source.period_seconds),
            label=source.label,
        )
    return cloudwatch.MathExpression(
        expression=source.expression,
        using_metrics={name: metric_of(metric) for name, metric in source.inputs.items()},
        period=cdk.Duration.seconds(source.period_seconds),
    )


class Alarm(cloudwatch.Alarm):
    """The alarm that `spec` describes, with `prefix` in front of its name.

    It publishes to `topic` when it goes into ALARM and when it goes back to OK. Without a topic, something else watches
    the alarm.
    """

    def __init__(self, scope: Construct, *, prefix: str, spec: AlarmSpec, topic: sns.ITopic | None = None) -> None:
        when = spec.when
        super().__init__(
            scope,
            spec.construct_id,
            alarm_name=f"{prefix}-{spec.name}",
            alarm_description=described(spec.meaning, spec.runbook),
            metric=metric_of(spec.metric),
            threshold=when.threshold,
            comparison_operator=_COMPARISONS[when.comparison],
            evaluation_periods=when.periods,
            datapoints_to_alarm=when.datapoints,
            treat_missing_data=_MISSING_DATA[when.missing_data],
        )
        keep_logical_id(self)
        if topic is not None:
            notify(self, topic)


def notify(alarm: cloudwatch.AlarmBase, topic: sns.ITopic) -> None:
    """Publish to `topic` when `alarm` goes into ALARM and when it goes back to OK."""
    action = cloudwatch_actions.SnsAction(topic)
    alarm.add_alarm_action(action)
    alarm.add_ok_action(action)


def described(meaning: str, runbook: str) -> str:
    """Return an alarm's description: what it means, and the page of the repository that says what to do."""
    return f"{meaning} Runbook: {RUNBOOKS}/{runbook}.md"


class AlarmTopic(Construct):
    """SNS topic `name`, encrypted with `key`, to which only alarms and budgets of this account publish."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        key: kms.IKey,
        emails: Sequence[str],
        slack: Slack | None,
    ) -> None:
        super().__init__(scope, construct_id)
        self.topic = sns.Topic(self, "Topic", topic_name=name, master_key=key, enforce_ssl=True)
        keep_logical_id(self.topic)
        # In the topic itself. As resources of their own they would be new subscriptions, which everyone has to confirm.
        cast(sns.CfnTopic, self.topic.node.default_child).subscription = [
            sns.CfnTopic.SubscriptionProperty(protocol="email", endpoint=email) for email in emails
        ] or None
        own = {"StringEquals": {"aws:SourceAccount": cdk.Stack.of(self).account}}
        for service in ("cloudwatch", "budgets"):
            self.topic.add_to_resource_policy(
                iam.PolicyStatement(
                    principals=[iam.ServicePrincipal(f"{service}.amazonaws.com")],
                    actions=["sns:Publish"],
                    resources=[self.topic.topic_arn],
                    conditions=own,
                )
            )
        # A topic has one policy: that of a new resource would go with the old one.
        keep_logical_id(self.topic.node.find_child("Policy"), f"{construct_id}/Policy")
        if slack is not None:
            self._add_slack(name, slack)

    def _add_slack(self, name: str, slack: Slack) -> None:
        role = ServiceRole(
            self,
            "ChatRole",
            service="chatbot.amazonaws.com",
            description="What the Slack channel of the alarms may look at",
            statements=[
                # The graph in a message about an alarm. Metrics have no resource level.
                iam.PolicyStatement(
                    actions=["cloudwatch:GetMetricData", "cloudwatch:GetMetricWidgetImage"], resources=["*"]
                )
            ],
        )
        reason = "Metrics have no resource level; they are read for the graph in a message, and nothing is changed"
        acknowledge(role.permissions, {"AwsSolutions-IAM5[Resource::*]": reason})
        channel = chatbot.SlackChannelConfiguration(
            self,
            "SlackChannel",
            # Another channel is another configuration, and the new one is made while the old one is there.
            slack_channel_configuration_name=f"{name}-{slack.workspace_id}-{slack.channel_id}",
            slack_workspace_id=slack.workspace_id,
            slack_channel_id=slack.channel_id,
            role=role,
            notification_topics=[self.topic],
            # No command from the channel goes beyond reading, with any role and any member.
            guardrail_policies=[iam.ManagedPolicy.from_aws_managed_policy_name("CloudWatchReadOnlyAccess")],
            logging_level=chatbot.LoggingLevel.ERROR,
        )
        keep_logical_id(channel)
