"""What operators see of an environment: alarms, their topic, a dashboard, saved queries and the budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.alarms.operations import operations_alarms
from stacks.api_stack import ApiStack
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.constructs.alarms import Alarm, AlarmTopic, described, notify
from stacks.constructs.cost_budget import CostBudget
from stacks.constructs.dashboard import EnvironmentDashboard
from stacks.constructs.saved_queries import SavedQueries
from stacks.constructs.template_metadata import acknowledge, keep_logical_id
from stacks.environment import BedrockModel, Environment, Operations


class OperationsStack(cdk.Stack):
    """Alarms of `environment`, with `operations` as its settings. Nothing depends on this stack.

    What callers notice is one alarm, `sdxl-<environment>`, with any cause: people on call are woken once. The other
    alarms notify themselves.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        operations: Operations,
        api: ApiStack,
        key: kms.IKey,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: alarms, dashboard and budget", tags=tags)
        name = f"sdxl-{environment.name}"
        alarm_topic = AlarmTopic(
            self, "Topic", name=f"{name}-alarms", key=key, emails=operations.emails, slack=operations.slack
        )
        topic, function_name = alarm_topic.topic, api.image_function.function.function_name
        alarms, noticed = [], []
        for spec in operations_alarms(environment, function_name, operations.alarms):
            alarm = Alarm(self, prefix=name, spec=spec, topic=None if spec.affects_callers else topic)
            alarms.append(alarm)
            if spec.affects_callers:
                noticed.append(alarm)
        environment_alarm = self._add_environment_alarm(name, noticed, topic)
        reason = "Part of the environment's composite alarm, which notifies for it: one incident, one message"
        acknowledge(self, {"NIST.800.53.R5-CloudWatchAlarmAction": reason})
        if operations.dashboard:
            EnvironmentDashboard(
                self,
                "Dashboard",
                environment=environment,
                alarms=[environment_alarm, *alarms],
                function_name=function_name,
                model_id=_bedrock_model_id(environment),
            )
        SavedQueries(self, "Queries", environment=environment)
        if operations.budget is not None:
            cost = CostBudget(
                self,
                "Cost",
                environment=environment.name,
                settings=operations.budget,
                topic=topic,
                function_role=api.image_function.role,
            )
            cdk.CfnOutput(self, "BudgetName", value=cost.budget.ref, description="Name of the monthly budget")
        cdk.CfnOutput(
            self, "TopicArn", value=topic.topic_arn, description="Topic to which alarms and the budget publish"
        )

    def _add_environment_alarm(
        self, name: str, noticed: Sequence[Alarm], topic: sns.ITopic
    ) -> cloudwatch.CompositeAlarm:
        alarm = cloudwatch.CompositeAlarm(
            self,
            "EnvironmentAlarm",
            composite_alarm_name=name,
            alarm_description=described(
                "Callers of the API notice: it fails, is slow, or has no model to call.", "environment"
            ),
            alarm_rule=cloudwatch.AlarmRule.any_of(*noticed),
        )
        keep_logical_id(alarm)
        notify(alarm, topic)
        return alarm


def _bedrock_model_id(environment: Environment) -> str | None:
    model = environment.model
    if not isinstance(model, BedrockModel):
        return None
    return model.model_arn or load_bedrock_catalog().model(model.model_id).invocation_id
