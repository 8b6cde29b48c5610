"""A monthly budget of one environment, who is told of it, and what stops when it is used up."""

from __future__ import annotations

from typing import Any

from constructs import Construct

from stacks.constructs.arn import Place, place_of
from stacks.constructs.service_role import ServiceRole, managed_policy
from stacks.constructs.statement import allow, deny
from stacks.environment import ENVIRONMENT_TAG, Budget

_STOPPED = ["bedrock:InvokeModel", "sagemaker:InvokeEndpoint"]


class CostBudget(Construct):
    """Budget `name` of what carries the tag of `environment`; `topic_arn` is told, and mails whoever it mails.

    With an action, the role `function_role_name` may no longer call any model once the cost is there.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        name: str,
        environment: str,
        settings: Budget,
        topic_arn: str,
        function_role_name: str,
    ) -> None:
        super().__init__(scope, construct_id)
        from aws_cdk import aws_budgets as budgets  # noqa: PLC0415 - only environments with a budget pay for it

        subscribers = [{"subscriptionType": "SNS", "address": topic_arn}]
        self.budget = budgets.CfnBudget(
            self,
            "Budget",
            budget={
                "budgetName": name,
                "budgetType": "COST",
                "timeUnit": "MONTHLY",
                "budgetLimit": {"amount": settings.monthly_usd, "unit": "USD"},
                "costFilters": {"TagKeyValue": [f"user:{ENVIRONMENT_TAG}${environment}"]},
            },
            notifications_with_subscribers=[
                {
                    "notification": {
                        "notificationType": kind,
                        "comparisonOperator": "GREATER_THAN",
                        "threshold": percent,
                        "thresholdType": "PERCENTAGE",
                    },
                    "subscribers": subscribers,
                }
                for kind, percent in (("ACTUAL", settings.actual_percent), ("FORECASTED", settings.forecast_percent))
            ],
        )
        if settings.action is not None:
            self._add_action(settings, place_of(scope), function_role_name, subscribers)

    def _add_action(
        self, settings: Budget, place: Place, function_role_name: str, subscribers: list[dict[str, str]]
    ) -> None:
        from aws_cdk import aws_budgets as budgets  # noqa: PLC0415 - see above

        action = settings.action
        assert action is not None  # noqa: S101 - asked before
        stop_arn = managed_policy(
            self,
            "StopPolicy",
            description="Put on the image API's role by the budget: no model is called any more",
            statements=[deny(_STOPPED, ["*"])],
        ).ref
        role = ServiceRole(
            self,
            "ActionRole",
            service="budgets.amazonaws.com",
            description="Lets the budget put its stop policy on the image API's role, and take it off",
            statements=[
                allow(
                    ["iam:AttachRolePolicy", "iam:DetachRolePolicy"],
                    [f"arn:{place.partition}:iam::{place.account}:role/{function_role_name}"],
                    {"ArnEquals": {"iam:PolicyARN": stop_arn}},
                )
            ],
        )
        definition: dict[str, Any] = {"iamActionDefinition": {"policyArn": stop_arn, "roles": [function_role_name]}}
        budgets.CfnBudgetsAction(
            self,
            "Action",
            budget_name=self.budget.ref,
            action_type="APPLY_IAM_POLICY",
            action_threshold={"type": "PERCENTAGE", "value": action.at_percent},
            notification_type="ACTUAL",
            approval_model=action.approval.upper(),
            definition=definition,
            execution_role_arn=role.arn,
            subscribers=[{"type": item["subscriptionType"], "address": item["address"]} for item in subscribers],
        )
