"""AWS::Budgets and AWS::Chatbot. Budgets are moto's, without any cost. Only the stack knows actions and channels."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call, unless


class Budget(ResourceType):
    """A budget with its notifications. Nothing is ever spent here.

    Other notifications make another budget, which AWS Budgets refuses under the name of the one that is there.
    """

    name = "AWS::Budgets::Budget"
    carried = words("Budget NotificationsWithSubscribers ResourceTags")

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the budget."""
        name = properties["Budget"].get("BudgetName") or context.physical_name(100)
        self._create(context, name, properties)
        return Made(name, {"Id": name})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Delete the budget and make it again: moto cannot change one."""
        self.delete(context, made, before)
        self._create(context, made.physical_id, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the budget."""
        unless(
            "NotFoundException",
            context.client("budgets").delete_budget,
            AccountId=context.account,
            BudgetName=made.physical_id,
        )

    def _create(self, context: Context, name: str, properties: Properties) -> None:
        budget = {**properties["Budget"], "BudgetName": name}
        # The API wants text where CloudFormation has a number.
        limit = budget.get("BudgetLimit")
        if limit:
            budget["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
        fields = {
            "AccountId": context.account,
            "Budget": budget,
            "NotificationsWithSubscribers": properties.get("NotificationsWithSubscribers") or [],
        }
        call(context.client("budgets"), "CreateBudget", fields, of=self.name)


class _KnownToTheStack(ResourceType):
    """A resource that no API of the emulator shows: what it names is checked, and kept in the stack."""

    def create(self, context: Context, properties: Properties) -> Made:
        """Check it, and give it an id."""
        self.check(context, properties)
        return self.made(context, properties)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Check it anew."""
        self.check(context, after)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Nothing but the stack knows it."""

    def check(self, context: Context, properties: Properties) -> None:
        """Raise ResourceError where what it names does not exist."""

    def made(self, context: Context, properties: Properties) -> Made:
        """Its id and attributes."""
        return Made(context.physical_name(64))


class BudgetsAction(_KnownToTheStack):
    """What a budget does when its threshold is passed, which never happens here."""

    name = "AWS::Budgets::BudgetsAction"
    carried = words(
        "ActionThreshold ActionType ApprovalModel BudgetName Definition ExecutionRoleArn NotificationType "
        "ResourceTags Subscribers"
    )

    def check(self, context: Context, properties: Properties) -> None:
        """The budget, the policy and the roles have to be there."""
        budgets, iam = context.client("budgets"), context.client("iam")
        _exists(lambda: budgets.describe_budget(AccountId=context.account, BudgetName=properties["BudgetName"]))
        definition = properties["Definition"].get("IamActionDefinition")
        if definition:
            _exists(lambda: iam.get_policy(PolicyArn=definition["PolicyArn"]))
            for role in definition.get("Roles") or []:
                _exists(lambda role=role: iam.get_role(RoleName=role))

    def made(self, context: Context, properties: Properties) -> Made:
        """Its id is Ref's too."""
        action = context.physical_name(36)
        return Made(f"{action}|{properties['BudgetName']}", {"ActionId": action})


class SlackChannelConfiguration(_KnownToTheStack):
    """A Slack channel that topics notify. Nothing is sent from here."""

    name = "AWS::Chatbot::SlackChannelConfiguration"
    carried = words(
        "ConfigurationName CustomizationResourceArns GuardrailPolicies IamRoleArn LoggingLevel SlackChannelId "
        "SlackWorkspaceId SnsTopicArns Tags UserRoleRequired"
    )
    name_property = "ConfigurationName"

    def check(self, context: Context, properties: Properties) -> None:
        """The role and the topics have to be there."""
        iam, sns = context.client("iam"), context.client("sns")
        _exists(lambda: iam.get_role(RoleName=properties["IamRoleArn"].rpartition("/")[2]))
        for arn in properties.get("SnsTopicArns") or []:
            _exists(lambda arn=arn: sns.get_topic_attributes(TopicArn=arn))

    def made(self, context: Context, properties: Properties) -> Made:
        """Its ARN, as Ref gives it."""
        name = f"chat-configuration/slack-channel/{properties['ConfigurationName']}"
        arn = context.arn("chatbot", name, region="")
        return Made(arn, {"Arn": arn})


def _exists(look: Any) -> None:
    try:
        look()
    except ClientError as exc:
        raise ResourceError(str(exc)) from exc
