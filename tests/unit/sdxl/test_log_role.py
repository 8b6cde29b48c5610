"""The role for API Gateway's logs of a destroyed environment: deleted, unless the account still uses it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import boto3
import pytest
from moto import mock_aws

from sdxl.deployment.log_role import delete_unused_log_role, log_role_of


@pytest.fixture
def session() -> Iterator[boto3.Session]:
    with mock_aws():
        yield boto3.Session("test", "test", region_name="us-east-1")


def make_role(session: boto3.Session, name: str) -> str:
    iam = session.client("iam")
    trust = {"Version": "2012-10-17", "Statement": []}
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(trust))["Role"]["Arn"]
    allowed = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "logs:PutLogEvents", "Resource": "*"}],
    }
    policy = iam.create_policy(PolicyName=f"{name}-logs", PolicyDocument=json.dumps(allowed))["Policy"]["Arn"]
    iam.attach_role_policy(RoleName=name, PolicyArn=policy)
    return str(arn)


def use(session: boto3.Session, arn: str) -> None:
    patch = [{"op": "replace", "path": "/cloudwatchRoleArn", "value": arn}]
    session.client("apigateway").update_account(patchOperations=patch)


def roles(session: boto3.Session) -> list[str]:
    return [role["RoleName"] for role in session.client("iam").list_roles()["Roles"]]


def test_environments_that_come_and_go_leave_one_role(session: boto3.Session) -> None:
    for number in range(3):
        use(session, make_role(session, f"sdxl-review-{number}-Api-ApiStageLoggingRole"))

    said = [delete_unused_log_role(session, f"sdxl-review-{number}-Api-ApiStageLoggingRole") for number in range(3)]

    assert roles(session) == ["sdxl-review-2-Api-ApiStageLoggingRole"]
    assert [" is deleted: " in one for one in said] == [True, True, False]
    assert "stays: API Gateway writes the logs" in said[2]


def test_role_of_a_platform_team_stays(session: boto3.Session) -> None:
    make_role(session, "sdxl-dev-Api-ApiStageLoggingRole")
    use(session, make_role(session, "platform-logs"))

    delete_unused_log_role(session, "sdxl-dev-Api-ApiStageLoggingRole")

    assert roles(session) == ["platform-logs"]


def test_stack_that_made_none_has_none(session: boto3.Session) -> None:
    formation = session.client("cloudformation")
    assert log_role_of(formation, "dev") is None
    topic = {"Resources": {"Topic": {"Type": "AWS::SNS::Topic"}}}
    formation.create_stack(StackName="sdxl-dev-Api", TemplateBody=json.dumps(topic))

    assert log_role_of(formation, "dev") is None


def test_role_is_found_by_its_logical_id(session: boto3.Session) -> None:
    trust = {"Version": "2012-10-17", "Statement": []}
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": trust}}
    template = {"Resources": {"ApiStageLoggingRole55CF83A0": role, "ImageFunctionExecutionRoleCBEC8EDA": role}}
    formation = session.client("cloudformation")
    formation.create_stack(StackName="sdxl-dev-Api", TemplateBody=json.dumps(template))

    found = log_role_of(formation, "dev")

    assert found is not None
    assert "ApiStageLoggingRole" in found
