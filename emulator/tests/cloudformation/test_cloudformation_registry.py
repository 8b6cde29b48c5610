"""What the CloudFormation registry says of each type is what the emulator does; it deviates with a reason only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError
from cfnlint.schema import PROVIDER_SCHEMA_MANAGER
from cloudformation_support import Stacks

from emulator.aws import load_resource_types
from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.registry import schema_of
from emulator.cloudformation.resource_type import ResourceType

REGION = "us-east-1"

load_resource_types()
kinds = pytest.mark.parametrize("kind", [pytest.param(kind, id=name) for name, kind in ResourceType.registry.items()])


@kinds
def test_a_type_carries_only_what_the_registry_knows(kind: ResourceType) -> None:
    assert kind.carried | kind.without_effect.keys() <= kind.schema(REGION).properties
    assert not kind.carried & kind.without_effect.keys()
    assert kind.schema(REGION).required <= kind.carried


@kinds
def test_a_deviation_has_a_reason_and_goes_once_the_registry_agrees(kind: ResourceType) -> None:
    schema = kind.schema(REGION)
    deviations = (kind.without_effect, kind.also_replacing, kind.fixed, kind.missing_attributes, kind.more_attributes)

    assert all(reason for deviation in deviations for reason in deviation.values())
    assert not kind.also_replacing.keys() & schema.create_only
    assert not kind.fixed.keys() & (schema.create_only | kind.also_replacing.keys())
    assert kind.also_replacing.keys() | kind.fixed.keys() <= kind.carried
    assert kind.missing_attributes.keys() <= schema.attributes
    assert not kind.more_attributes.keys() & schema.attributes


@pytest.mark.parametrize("name", sorted(name for name, kind in ResourceType.registry.items() if kind.more_attributes))
def test_an_attribute_beyond_the_registry_is_one_that_cfn_lint_knows(name: str) -> None:
    known = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, name).get_atts

    assert [attribute for attribute in ResourceType.registry[name].more_attributes if attribute not in known] == []


@kinds
def test_the_name_of_a_type_cannot_change_in_place(kind: ResourceType) -> None:
    if kind.name_property is not None:
        assert kind.name_property in kind.schema(REGION).create_only


def test_a_region_that_lacks_a_type_refuses_it() -> None:
    chatbot = ResourceType.registry["AWS::Chatbot::SlackChannelConfiguration"]

    assert schema_of(chatbot.name, "us-gov-west-1") is None
    with pytest.raises(ResourceError, match="SlackChannelConfiguration is not in us-gov-west-1"):
        chatbot.problems({}, "us-gov-west-1")


def test_a_region_that_the_registry_does_not_know_is_an_error() -> None:
    with pytest.raises(LookupError, match="no region 'us-moon-1'"):
        schema_of("AWS::S3::Bucket", "us-moon-1")


def test_unknown_missing_and_unemulated_properties_are_refused_together(stacks: Stacks) -> None:
    key = {"Type": "AWS::KMS::Key", "Properties": {"Colour": "red", "BypassPolicyLockoutSafetyCheck": True}}
    with pytest.raises(ClientError) as error:
        stacks.deploy({"K": key, "A": {"Type": "AWS::KMS::Alias", "Properties": {"AliasName": "alias/a"}}})

    message = str(error.value)
    assert "AWS::KMS::Key has no property Colour in eu-west-1 (resource K)" in message
    assert "AWS::KMS::Key.BypassPolicyLockoutSafetyCheck is not emulated (resource K)" in message
    assert "AWS::KMS::Alias.TargetKeyId is required (resource A)" in message


@pytest.mark.parametrize(
    ("kind", "before", "after", "reason"),
    [
        ("AWS::KMS::Key", {}, {"MultiRegion": True}, "MultiRegion of an existing KMS key cannot be changed"),
        (
            "AWS::Cognito::UserPool",
            {"UsernameAttributes": ["email"]},
            {},
            "Updates are not allowed for property - UsernameAttributes",
        ),
        ("AWS::Logs::LogGroup", {}, {"LogGroupClass": "INFREQUENT_ACCESS"}, "class of a log group cannot be changed"),
    ],
)
def test_a_service_that_refuses_a_change_fails_the_update(
    stacks: Stacks, kind: str, before: dict[str, Any], after: dict[str, Any], reason: str
) -> None:
    stacks.deploy({"R": {"Type": kind, "Properties": before}})
    physical_id = stacks.physical_id("R")

    assert stacks.deploy({"R": {"Type": kind, "Properties": after}}) == "UPDATE_ROLLBACK_COMPLETE"

    assert reason in stacks.reasons()
    assert stacks.physical_id("R") == physical_id


def budget(address: str, **named: str) -> dict[str, Any]:
    notification = {"NotificationType": "ACTUAL", "ComparisonOperator": "GREATER_THAN", "Threshold": 80}
    return {
        "Type": "AWS::Budgets::Budget",
        "Properties": {
            "Budget": {
                **named,
                "BudgetType": "COST",
                "TimeUnit": "MONTHLY",
                "BudgetLimit": {"Amount": 1, "Unit": "USD"},
            },
            "NotificationsWithSubscribers": [
                {"Notification": notification, "Subscribers": [{"SubscriptionType": "EMAIL", "Address": address}]}
            ],
        },
    }


def test_other_notifications_make_another_budget(stacks: Stacks, client: Callable[[str], Any], account: str) -> None:
    stacks.deploy({"B": budget("a@example.com")})
    first = stacks.physical_id("B")

    assert stacks.deploy({"B": budget("b@example.com")}) == "UPDATE_COMPLETE"

    names = [found["BudgetName"] for found in client("budgets").describe_budgets(AccountId=account)["Budgets"]]
    assert names == [stacks.physical_id("B")] != [first]


def test_a_named_budget_cannot_have_other_notifications(stacks: Stacks) -> None:
    stacks.deploy({"B": budget("a@example.com", BudgetName="month")})

    assert stacks.deploy({"B": budget("b@example.com", BudgetName="month")}) == "UPDATE_ROLLBACK_COMPLETE"

    assert "the budget already exists" in stacks.reasons()
    assert stacks.physical_id("B") == "month"
