"""What an organisation demands of every environment: boundary, tags, its own key; and what is deleted on demand."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from infrastructure_synthesis import ROOT, Synthesis, Template, resources

KEY = "arn:aws:kms:us-west-2:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"


@pytest.fixture(scope="module")
def team(access: Synthesis) -> dict[str, Template]:
    return dict(access.templates["team"])


def test_boundary_is_on_every_role(team: dict[str, Template]) -> None:
    roles = [role for template in team.values() for role in resources(template, "AWS::IAM::Role").values()]

    assert len(roles) >= 3, "image function, key authorizer, API Gateway"
    found = {json.dumps(role["Properties"].get("PermissionsBoundary")) for role in roles}
    assert len(found) == 1
    assert ":policy/boundaries/workload" in found.pop()


def test_no_role_has_a_boundary_where_none_is_demanded(dev: dict[str, Template]) -> None:
    roles = [role for template in dev.values() for role in resources(template, "AWS::IAM::Role").values()]

    assert [role for role in roles if "PermissionsBoundary" in role["Properties"]] == []


def test_roles_begin_with_the_stacks_name_by_which_organisations_can_tell_them(team: dict[str, Template]) -> None:
    for template in team.values():
        for role in resources(template, "AWS::IAM::Role").values():
            assert "RoleName" not in role["Properties"], "CloudFormation's names begin with the stack's, sdxl-"


def test_every_stack_carries_all_tags(access: Synthesis) -> None:
    assert access.templates["team"]
    manifest = json.loads(next(access.directory.glob("team/*/assembly-sdxl-team/manifest.json")).read_text())
    stacks = [one for one in manifest["artifacts"].values() if one["type"] == "aws:cloudformation:stack"]

    assert len(stacks) >= 3
    for stack in stacks:
        # CloudFormation hands a stack's tags to every resource that takes any.
        assert stack["properties"]["tags"] == {
            "CostCenter": "4711",
            "DataClass": "internal",
            "sdxl:environment": "team",
        }


def test_own_key_is_used_everywhere_and_none_is_made(team: dict[str, Template]) -> None:
    assert resources(team["Storage"], "AWS::KMS::Key") == {}
    assert team["Storage"]["Outputs"]["KeyArn"]["Value"] == KEY
    groups = [group for template in team.values() for group in resources(template, "AWS::Logs::LogGroup").values()]
    assert groups
    assert {group["Properties"]["KmsKeyId"] for group in groups} == {KEY}
    (table,) = resources(team["Storage"], "AWS::DynamoDB::Table").values()
    assert table["Properties"]["SSESpecification"]["KMSMasterKeyId"] == KEY
    (topic,) = resources(team["Operations"], "AWS::SNS::Topic").values()
    assert topic["Properties"]["KmsMasterKeyId"] == KEY


def test_page_says_what_the_policy_of_an_own_key_must_allow(prod: dict[str, Template]) -> None:
    page = (ROOT / "docs" / "organization.md").read_text(encoding="utf-8")
    (key,) = resources(prod["Storage"], "AWS::KMS::Key").values()
    text = page.partition("<!-- key policy -->")[2].partition("```json")[2].partition("```")[0]

    own = json.dumps(key["Properties"]["KeyPolicy"]["Statement"])
    for word, value in (("<account>", "777788889999"), ("<region>", "eu-west-1")):
        text = text.replace(word, value)
    assert json.loads(text)["Statement"] == json.loads(own)


def test_destroyed_with_delete_nothing_is_kept_but_what_others_use(synth: Callable[..., dict[str, Template]]) -> None:
    templates = synth(storage={"on_destroy": "delete"})

    kept = {
        item["Type"]
        for template in templates.values()
        for item in template["Resources"].values()
        if {"Retain", "RetainExceptOnCreate"} & {item.get("DeletionPolicy"), item.get("UpdateReplacePolicy")}
    }
    # API Gateway has one role for logs in an account and region; other APIs may use it.
    assert kept == {"AWS::ApiGateway::Account", "AWS::IAM::Role"}
    for item in templates["Storage"]["Resources"].values():
        if item["Type"] != "AWS::IAM::Role":
            assert item["DeletionPolicy"] == item["UpdateReplacePolicy"] == "Delete"


def test_existing_role_for_logs_is_left_alone(synth: Callable[..., dict[str, Template]]) -> None:
    api = synth(api={"gateway_log_role": "existing"})["Api"]

    assert resources(api, "AWS::ApiGateway::Account") == {}
    trusted = [
        statement["Principal"]["Service"]
        for role in resources(api, "AWS::IAM::Role").values()
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
    ]
    assert trusted == ["lambda.amazonaws.com"] * 2
    (stage,) = resources(api, "AWS::ApiGateway::Stage").values()
    assert stage["Properties"]["AccessLogSetting"]
    assert {setting["LoggingLevel"] for setting in stage["Properties"]["MethodSettings"]} == {"ERROR"}


def test_failed_first_deployment_deletes_what_a_later_deletion_keeps(dev: dict[str, Template]) -> None:
    kept = {
        resource["DeletionPolicy"]
        for template in dev.values()
        for resource in template["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }

    assert kept == {"RetainExceptOnCreate"}
