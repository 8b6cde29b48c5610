"""Intrinsic functions, template syntax, coercion to an API's shapes, and policy conditions."""

from __future__ import annotations

from typing import Any

import boto3
import pytest

from emulator.client import access_key_id, account_of, aws_environment, child_environment
from emulator.cloudformation.errors import ResourceError, ValidationError
from emulator.cloudformation.intrinsics import Evaluator
from emulator.cloudformation.shapes import api_value
from emulator.cloudformation.template import Template

TEMPLATE = """
Mappings: {Sizes: {small: {memory: 512}}}
Conditions:
  IsDev: !Equals [!Ref Env, dev]
  Both: !And [!Condition IsDev, !Not [!Equals [1, 2]]]
Resources:
  Thing: {Type: "AWS::SSM::Parameter"}
Parameters: {Env: {Type: String}, Names: {Type: CommaDelimitedList}}
"""


class Around:
    """A resource, an export and an SSM parameter."""

    def reference(self, logical_id: str) -> str:
        return f"{logical_id}-id"

    def attribute(self, logical_id: str, name: str) -> str:
        return f"{logical_id}.{name}"

    def imported(self, export_name: str) -> str:
        return f"value of {export_name}"

    def ssm_parameter(self, name: str, version: str | None) -> str:
        return f"{name}@{version or 'latest'}"


@pytest.fixture
def evaluator() -> Evaluator:
    parameters: dict[str, Any] = {"Env": "dev", "Names": ["a", "b"]}
    pseudo = {"AWS::Region": "eu-west-1", "AWS::AccountId": "111111111111"}
    return Evaluator(Template(TEMPLATE), parameters=parameters, pseudo_parameters=pseudo, stack_values=Around())


@pytest.mark.parametrize(
    ("node", "value"),
    [
        ({"Ref": "Thing"}, "Thing-id"),
        ({"Ref": "AWS::Region"}, "eu-west-1"),
        ({"Fn::GetAtt": "Thing.Arn"}, "Thing.Arn"),
        ({"Fn::Sub": "${Env}-${Thing}-${Thing.Arn}-${!Kept}"}, "dev-Thing-id-Thing.Arn-${Kept}"),
        ({"Fn::Sub": ["${X}/${Env}", {"X": {"Ref": "Thing"}}]}, "Thing-id/dev"),
        ({"Fn::Join": ["-", ["a", {"Ref": "Env"}, True, 1]]}, "a-dev-true-1"),
        ({"Fn::Join": ["", {"Ref": "Names"}]}, "ab"),
        ({"Fn::Select": ["1", {"Fn::Split": [",", "x,y"]}]}, "y"),
        ({"Fn::FindInMap": ["Sizes", "small", "memory"]}, 512),
        ({"Fn::If": ["Both", "yes", "no"]}, "yes"),
        ({"Fn::ImportValue": {"Fn::Sub": "${Env}-key"}}, "value of dev-key"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::ToJsonString": {"a": [1]}}, '{"a":[1]}'),
        ("{{resolve:ssm:/path:3}}", "/path@3"),
        ({"A": {"Ref": "AWS::NoValue"}, "B": [{"Ref": "AWS::NoValue"}, 1]}, {"B": [1]}),
    ],
)
def test_intrinsic_functions(evaluator: Evaluator, node: Any, value: Any) -> None:
    assert evaluator.value(node) == value


@pytest.mark.parametrize(
    ("node", "message"),
    [
        ({"Fn::Select": [5, ["a"]]}, "cannot select nonexistent value at index 5"),
        ({"Fn::FindInMap": ["Sizes", "large", "memory"]}, "Unable to get mapping for Sizes::large::memory"),
        ({"Fn::If": ["Nope", 1, 2]}, "Unresolved condition dependency Nope"),
        ({"Fn::Transform": {}}, "intrinsic function Fn::Transform is not emulated"),
    ],
)
def test_wrong_functions_say_what_is_wrong(evaluator: Evaluator, node: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        evaluator.value(node)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("{}", "At least one Resources member must be defined"),
        ("[1]", "unsupported structure"),
        ("{broken", "unsupported structure"),
        ('{"Resources": {"A": {}}}', r"\[/Resources/A\] Every Resources object must contain a Type member"),
        (
            '{"Resources": {"A": {"Type": "T"}}, "Transform": "x"}',
            r"Invalid template property or properties \[Transform",
        ),
        ('{"Resources": {"A": {"Type": "T", "Condition": "C"}}}', "Unresolved condition dependency C"),
    ],
)
def test_broken_templates_are_refused(body: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Template(body)


def test_dates_in_yaml_stay_text() -> None:
    template = Template("AWSTemplateFormatVersion: 2010-09-09\nResources: {A: {Type: T, Properties: {V: 2012-10-17}}}")

    assert template.resources["A"].properties == {"V": "2012-10-17"}


def _alarm_shape() -> Any:
    client = boto3.session.Session().client("cloudwatch", region_name="us-east-1")
    return client.meta.service_model.operation_model("PutMetricAlarm").input_shape


def test_values_take_the_types_of_the_api() -> None:
    values = {"Threshold": "1.5", "Period": "60", "ActionsEnabled": "false", "AlarmName": 5, "Dimensions": []}

    assert api_value(values, _alarm_shape(), "T") == {
        "Threshold": 1.5,
        "Period": 60,
        "ActionsEnabled": False,
        "AlarmName": "5",
        "Dimensions": [],
    }


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"Odd": 1}, "T.Odd is not emulated"),
        ({"Period": "soon"}, "T.Period is 'soon', which is not a integer"),
        ({"ActionsEnabled": "maybe"}, "T.ActionsEnabled is 'maybe', which is not a boolean"),
        ({"Dimensions": [{"Name": "a", "Odd": 1}]}, r"T.Dimensions\[0\].Odd is not emulated"),
    ],
)
def test_values_that_do_not_fit_are_named(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ResourceError, match=message):
        api_value(values, _alarm_shape(), "T")


def test_access_keys_carry_their_account() -> None:
    assert account_of(access_key_id("123456789012")) == "123456789012"
    assert account_of("AKIAIOSFODNN7EXAMPLE") is None
    with pytest.raises(ValueError, match="must be 12 digits"):
        access_key_id("12345")


def test_a_childs_environment_keeps_nothing_of_the_callers_aws_settings() -> None:
    inherited = {"PATH": "/bin", "AWS_PROFILE": "company", "AWS_SESSION_TOKEN": "x", "AWS_REGION": "other"}

    environment = child_environment(inherited, "http://127.0.0.1:4581", "111111111111", "us-east-1")

    assert environment == {"PATH": "/bin"} | aws_environment("http://127.0.0.1:4581", "111111111111", "us-east-1")
    assert "AWS_PROFILE" not in environment
    assert environment["AWS_ENDPOINT_URL_S3_FOR_CLOUDFORMATION"] == "http://localhost:4581"
