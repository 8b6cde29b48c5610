"""The IAM lint over templates of one statement each: what it finds, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from sdxl.checks.arns import overlap
from sdxl.checks.iam_lint import lint_policies

CONNECTION = "arn:aws:codeconnections:us-east-1:111122223333:connection/12345678"
OLD_CONNECTION = CONNECTION.replace("codeconnections", "codestar-connections")
TABLE = {"Type": "AWS::DynamoDB::Table", "Properties": {}}
BUCKET = {"Type": "AWS::S3::Bucket", "Properties": {}}


def policy(*statements: dict[str, Any], kind: str = "AWS::IAM::ManagedPolicy") -> dict[str, Any]:
    return {"Type": kind, "Properties": {"PolicyDocument": {"Statement": list(statements)}}}


def allow(action: Any, resource: Any, **elements: Any) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": action, "Resource": resource, **elements}


def texts(*statements: dict[str, Any], kind: str = "AWS::IAM::ManagedPolicy", **resources: Any) -> list[str]:
    stacks = {"sdxl-test-Api": {"Resources": {"Policy": policy(*statements, kind=kind), **resources}}}
    return [finding.text for finding in lint_policies(stacks, account="111122223333", region="us-east-1")]


@pytest.mark.parametrize(
    ("statement", "part"),
    [
        (allow("codestar-connections:UseConnection", CONNECTION), "takes codestar-connections connection"),
        (allow("codeconnections:UseConnection", OLD_CONNECTION), "takes codeconnections connection"),
        (allow("s3:GetObjects", "arn:aws:s3:::sdxl-images/*"), "names no action"),
        (allow("s4:GetObject", "arn:aws:s3:::sdxl-images/*"), "names no action"),
        (allow("sagemaker:*", "arn:aws:sagemaker:us-east-1:111122223333:endpoint/x"), "wider than a list"),
        (allow("*", "*"), "wider than a list"),
        (allow("sagemaker:InvokeEndpoint", "*"), "so name them"),
        (allow("sagemaker:InvokeEndpoint", "arn:aws:sagemaker:us-east-1:111122223333:model/x"), "not arn:aws:"),
        (allow("ecr:GetAuthorizationToken", "arn:aws:ecr:us-east-1:111122223333:repository/x"), "no resource level"),
        (allow("dynamodb:GetItem", {"Fn::GetAtt": ["Bucket", "Arn"]}), "takes dynamodb table"),
        (allow("s3:GetObject", ["arn:aws:s3:::b/*", "arn:aws:sqs:us-east-1:111122223333:q"]), "no action of the"),
        ({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}, "NotAction"),
    ],
)
def test_statement_that_does_not_do_what_it_says_is_found(statement: dict[str, Any], part: str) -> None:
    found = texts(statement, Bucket=BUCKET, Table=TABLE)

    assert any(part in text for text in found), found


@pytest.mark.parametrize(
    "statement",
    [
        allow("dynamodb:GetItem", {"Fn::GetAtt": ["Table", "Arn"]}),
        allow(["s3:GetObject", "s3:ListBucket"], [{"Fn::GetAtt": ["Bucket", "Arn"]}, "arn:aws:s3:::other/*"]),
        allow("s3:GetObject", {"Fn::Join": ["", [{"Fn::GetAtt": ["Bucket", "Arn"]}, "/images/*"]]}),
        allow("s3:GetObject", {"Fn::Sub": "arn:${AWS::Partition}:s3:::assets-${AWS::AccountId}/*"}),
        allow("ecr:GetAuthorizationToken", "*"),
        allow("cloudwatch:PutMetricData", "*", Condition={"StringEquals": {"cloudwatch:namespace": "SDXL"}}),
        # The association names the stage of an API Gateway API, in the action's own reference.
        allow("wafv2:AssociateWebACL", "arn:aws:apigateway:us-east-1::/restapis/abc/stages/api"),
        {"Effect": "Deny", "Action": "s3:*", "Resource": "*"},
    ],
)
def test_statement_that_does_what_it_says_passes(statement: dict[str, Any]) -> None:
    assert texts(statement, Bucket=BUCKET, Table=TABLE) == []


def test_old_action_passes_where_the_new_one_is_granted_on_the_same_connection() -> None:
    old, new = (
        allow(f"{service}:UseConnection", CONNECTION) for service in ("codestar-connections", "codeconnections")
    )

    assert texts(old, new) == []
    assert texts(old, allow("codeconnections:UseConnection", CONNECTION.replace("12345678", "87654321"))) != []


def test_policy_of_a_key_may_leave_the_key_to_the_account() -> None:
    root = allow("kms:*", "*", Principal={"AWS": "arn:aws:iam::111122223333:root"})

    assert texts(root, kind="AWS::KMS::Key") == []
    assert texts(root, kind="AWS::S3::BucketPolicy") != []


def test_short_form_of_a_rest_apis_policy_is_the_apis_own_arn() -> None:
    assert texts(allow("execute-api:Invoke", "execute-api:/api/GET/health", Principal="*")) == []
    assert texts(allow("s3:GetObject", "execute-api:/api/GET/health", Principal="*")) != []


def test_value_of_another_stack_is_followed() -> None:
    exporting = {
        "Resources": {"Table": TABLE},
        "Outputs": {"Table": {"Value": {"Fn::GetAtt": ["Table", "Arn"]}, "Export": {"Name": "table"}}},
    }
    wrong = {"Resources": {"Policy": policy(allow("s3:GetObject", {"Fn::ImportValue": "table"}))}}
    right = {"Resources": {"Policy": policy(allow("dynamodb:GetItem", {"Fn::ImportValue": "table"}))}}
    where = {"account": "111122223333", "region": "us-east-1"}

    assert lint_policies({"a": right, "b": exporting}, **where) == []
    assert {finding.stack for finding in lint_policies({"a": wrong, "b": exporting}, **where)} == {"a"}


def test_arn_of_an_unknown_type_may_be_anything() -> None:
    thing = {"Type": "AWS::IoT::Thing"}

    assert texts(allow("iot:Connect", {"Fn::GetAtt": ["Thing", "Arn"]}), Thing=thing) == []


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ("a*c", "abc", True),
        ("a*", "*c", True),
        ("a*", "b*", False),
        ("", "*", True),
        ("", "a", False),
        ("ab?", "abc", True),
        ("*x*y", "ay*", True),
        ("*x*y", "az", False),
    ],
)
def test_patterns_overlap_where_a_text_fits_both(one: str, other: str, expected: bool) -> None:
    assert overlap(one, other) is expected
    assert overlap(other, one) is expected
