"""A monthly budget of one environment, who is notified, and what stops when it is used up. It has no L2 construct."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_budgets as budgets
from aws_cdk import aws_iam as iam
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.constructs.service_role import ServiceRole, managed_policy
from stacks.constructs.template_metadata import keep_logical_id
from stacks.environment import ENVIRONMENT_TAG, Budget, BudgetAction

_STOPPED = ["bedrock:InvokeModel", "sagemaker:InvokeEndpoint", "sagemaker:InvokeEndpointAsync"]


class CostBudget(Construct):
    """Budget of what carries the tag of `environment`; it publishes to `topic`.

    CloudFormation names the budget. Its notifications cannot be updated, so CloudFormation creates another budget for
    a changed threshold before it deletes the old one: under a fixed name that fails.

    With an action, the role of the image function may no longer call any model once the cost is reached.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: str,
        settings: Budget,
        topic: sns.ITopic,
        function_role: iam.IRole,
    ) -> None:
        super().__init__(scope, construct_id)
        subscriber = budgets.CfnBudget.SubscriberProperty(subscription_type="SNS", address=topic.topic_arn)
        self.budget = budgets.CfnBudget(
            self,
            "Budget",
            budget=budgets.CfnBudget.BudgetDataProperty(
                budget_type="COST",
                time_unit="MONTHLY",
                budget_limit=budgets.CfnBudget.SpendProperty(amount=settings.monthly_usd, unit="USD"),
                cost_filters={"TagKeyValue": [f"user:{ENVIRONMENT_TAG}${environment}"]},
            ),
            notifications_with_subscribers=[
                budgets.CfnBudget.NotificationWithSubscribersProperty(
                    notification=budgets.CfnBudget.NotificationProperty(
                        notification_type=kind,
                        comparison_operator="GREATER_THAN",
                        threshold=percent,
                        threshold_type="PERCENTAGE",
                    ),
                    subscribers=[subscriber],
                )
                for kind, percent in (("ACTUAL", settings.actual_percent), ("FORECASTED", settings.forecast_percent))
            ],
        )
        if settings.action is not None:
            self._add_action(settings.action, topic, function_role)

    def _add_action(self, action: BudgetAction, topic: sns.ITopic, function_role: iam.IRole) -> None:
        stop = managed_policy(
            self,
            "StopPolicy",
            description="Put on the image API's role by the budget: no model is called any more",
            statements=[iam.PolicyStatement(effect=iam.Effect.DENY, actions=_STOPPED, resources=["*"])],
        )
        # The budget may have put it on the role, and CloudFormation deletes no attached policy.
        keep_logical_id(stop)
        role = ServiceRole(
            self,
            "ActionRole",
            service="budgets.amazonaws.com",
            description="Lets the budget put its stop policy on the image API's role, and take it off",
            statements=[
                iam.PolicyStatement(
                    actions=["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
                    # By its name: the ARN would be one more value that this stack imports.
                    resources=[
                        cdk.Stack.of(self).format_arn(
                            service="iam", region="", resource="role", resource_name=function_role.role_name
                        )
                    ],
                    conditions={"ArnEquals": {"iam:PolicyARN": stop.managed_policy_arn}},
                )
            ],
        )
        budgets.CfnBudgetsAction(
            self,
            "Action",
            budget_name=self.budget.ref,
            action_type="APPLY_IAM_POLICY",
            action_threshold=budgets.CfnBudgetsAction.ActionThresholdProperty(
                type="PERCENTAGE", value=action.at_percent
            ),
            notification_type="ACTUAL",
            approval_model=action.approval.upper(),
            definition=budgets.CfnBudgetsAction.DefinitionProperty(
                iam_action_definition=budgets.CfnBudgetsAction.IamActionDefinitionProperty(
                    policy_arn=stop.managed_policy_arn, roles=[function_role.role_name]
                )
            ),
            execution_role_arn=role.role_arn,
            subscribers=[budgets.CfnBudgetsAction.SubscriberProperty(type="SNS", address=topic.topic_arn)],
        )
