"""The topic that alarms and budgets tell, and whom it tells: mail and Slack."""

from __future__ import annotations

from collections.abc import Sequence

from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import local_arn, place_of
from stacks.constructs.service_role import ServiceRole
from stacks.environment import Slack


class AlarmTopic(Construct):
    """SNS topic `name`, encrypted with `key_arn`, to which only alarms and budgets of this account publish."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        key_arn: str,
        emails: Sequence[str],
        slack: Slack | None,
    ) -> None:
        super().__init__(scope, construct_id)
        # Imported where it is used: an environment without operations does not pay for loading it.
        from aws_cdk import aws_sns as sns  # noqa: PLC0415

        self.topic = sns.CfnTopic(
            self,
            "Topic",
            topic_name=name,
            kms_master_key_id=key_arn,
            subscription=[{"protocol": "email", "endpoint": email} for email in emails] or None,
        )
        # Read once: each reference is a call into the CDK's engine.
        self.arn = self.topic.ref
        sns.CfnTopicPolicy(
            self, "Policy", topics=[self.arn], policy_document=self._policy(local_arn(self, "sns", name))
        )
        if slack is not None:
            self._add_slack(name, slack)

    def _policy(self, arn: str) -> dict[str, object]:
        account = place_of(self).account
        own = {"StringEquals": {"aws:SourceAccount": account}}
        return {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": f"{sid}Publish",
                    "Effect": "Allow",
                    "Principal": {"Service": service},
                    "Action": "sns:Publish",
                    "Resource": arn,
                    "Condition": own,
                }
                for sid, service in (("Alarms", "cloudwatch.amazonaws.com"), ("Budgets", "budgets.amazonaws.com"))
            ]
            + [
                {
                    "Sid": "TlsOnly",
                    "Effect": "Deny",
                    "Principal": {"AWS": "*"},
                    "Action": "sns:Publish",
                    "Resource": arn,
                    "Condition": {"Bool": {"aws:SecureTransport": "false"}},
                }
            ],
        }

    def _add_slack(self, name: str, slack: Slack) -> None:
        from aws_cdk import aws_chatbot as chatbot  # noqa: PLC0415 - see above
        from aws_cdk import aws_iam as iam  # noqa: PLC0415

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
        chatbot.CfnSlackChannelConfiguration(
            self,
            "SlackChannel",
            configuration_name=name,
            iam_role_arn=role.arn,
            slack_workspace_id=slack.workspace_id,
            slack_channel_id=slack.channel_id,
            sns_topic_arns=[self.arn],
            # Whatever the role or the channel's members may, no command from the channel goes beyond reading.
            guardrail_policies=[f"arn:{place_of(self).partition}:iam::aws:policy/CloudWatchReadOnlyAccess"],
            logging_level="ERROR",
        )
