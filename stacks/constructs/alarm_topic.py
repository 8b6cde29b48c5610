"""The topic that alarms and budgets tell, and whom it tells: mail and Slack."""

from __future__ import annotations

from collections.abc import Sequence

from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.arn import local_arn, place_of
from stacks.constructs.service_role import ServiceRole
from stacks.constructs.statement import allow
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
        place = place_of(scope)
        sns.CfnTopicPolicy(
            self,
            "Policy",
            topics=[self.arn],
            policy_document=_policy(local_arn(scope, "sns", name), place.account),
        )
        if slack is not None:
            self._add_slack(name, slack, place.partition)

    def _add_slack(self, name: str, slack: Slack, partition: str) -> None:
        from aws_cdk import aws_chatbot as chatbot  # noqa: PLC0415 - see above

        role = ServiceRole(
            self,
            "ChatRole",
            service="chatbot.amazonaws.com",
            description="What the Slack channel of the alarms may look at",
            statements=[
                # The graph in a message about an alarm. Metrics have no resource level.
                allow(["cloudwatch:GetMetricData", "cloudwatch:GetMetricWidgetImage"], ["*"])
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
            guardrail_policies=[f"arn:{partition}:iam::aws:policy/CloudWatchReadOnlyAccess"],
            logging_level="ERROR",
        )


def _policy(arn: str, account: str) -> dict[str, object]:
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
