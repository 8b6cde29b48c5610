"""What tells people how an environment does: alarms, their topic, a dashboard, saved queries and the budget."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from stacks.alarms.operations import operations_alarms
from stacks.api_stack import ApiStack
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.alarm import Alarm, described
from stacks.constructs.alarm_topic import AlarmTopic
from stacks.constructs.arn import local_arn
from stacks.constructs.cost_budget import CostBudget
from stacks.constructs.dashboard import dashboard_body
from stacks.constructs.saved_queries import SavedQueries
from stacks.environment import BedrockModel, Environment, Operations


class OperationsStack(cdk.Stack):
    """Alarms of `environment`, with `operations` as its settings. Nothing depends on this stack.

    What callers feel is one alarm, `sdxl-<environment>`, whatever the causes: whoever is on call is woken once. What
    they do not feel yet tells by itself.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        operations: Operations,
        api: ApiStack,
        key_arn: str,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: alarms, dashboard and budget", tags=tags)
        self._name = name = f"sdxl-{environment.name}"
        topic = AlarmTopic(
            self,
            "Topic",
            name=f"{name}-alarms",
            key_arn=key_arn,
            emails=operations.emails,
            slack=operations.slack,
        )
        function_name = api.function_name
        specs = [*operations_alarms(environment, function_name, operations.alarms)]
        alarms = [Alarm(self, prefix=name, spec=spec, topic_arn=None if spec.is_felt else topic.arn) for spec in specs]
        felt = [alarm for alarm, spec in zip(alarms, specs, strict=True) if spec.is_felt]
        self._add_environment_alarm(felt, topic.arn)
        reason = "Part of the environment's composite alarm, which tells of it: one incident, one message"
        acknowledge(self, {"NIST.800.53.R5-CloudWatchAlarmAction": reason})
        if operations.dashboard:
            names = [name, *(alarm.name for alarm in alarms)]
            cloudwatch.CfnDashboard(
                self,
                "Dashboard",
                dashboard_name=name,
                dashboard_body=dashboard_body(
                    environment,
                    region=environment.region,
                    alarm_arns=[local_arn(self, "cloudwatch", f"alarm:{one}") for one in names],
                    function_name=function_name,
                    model_id=_bedrock_model_id(environment),
                ),
            )
        SavedQueries(self, "Queries", environment=environment)
        if operations.budget is not None:
            CostBudget(
                self,
                "Cost",
                name=name,
                environment=environment.name,
                settings=operations.budget,
                topic_arn=topic.arn,
                function_role_name=api.function_role_name,
            )
        cdk.CfnOutput(self, "TopicArn", value=topic.arn, description="Topic that alarms and the budget tell")

    def _add_environment_alarm(self, felt: list[Alarm], topic_arn: str) -> None:
        alarm = cloudwatch.CfnCompositeAlarm(
            self,
            "EnvironmentAlarm",
            alarm_name=self._name,
            alarm_description=described(
                "Callers of the API notice: it fails, is slow, or has no model to call.", "environment"
            ),
            alarm_rule=" OR ".join(f'ALARM("{alarm.name}")' for alarm in felt),
            alarm_actions=[topic_arn],
            ok_actions=[topic_arn],
        )
        # The rule knows the alarms by their names only.
        alarm.node.add_dependency(*felt)


def _bedrock_model_id(environment: Environment) -> str | None:
    model = environment.model
    if not isinstance(model, BedrockModel):
        return None
    return model.model_arn or load_bedrock_catalog().model(model.model_id).invocation_id
