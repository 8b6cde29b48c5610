"""REST APIs: settings that arrive, and deployments that stay what they were."""

from __future__ import annotations

from typing import Any

import pytest
from cloudformation_support import Stacks

from emulator.services.apigateway import deployed_api

REGION = "eu-west-1"
URI = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/f/invocations"


def api(*, deployment: str = "D1", refusal: str = "{}", rate: str = "2.5", **resources: Any) -> dict[str, Any]:
    rest = {"Ref": "Api"}
    return {
        "Api": {
            "Type": "AWS::ApiGateway::RestApi",
            "Properties": {"Name": "images", "BinaryMediaTypes": ["image/png"], "ApiKeySourceType": "HEADER"},
        },
        "Images": {
            "Type": "AWS::ApiGateway::Resource",
            "Properties": {
                "RestApiId": rest,
                "ParentId": {"Fn::GetAtt": ["Api", "RootResourceId"]},
                "PathPart": "images",
            },
        },
        "Post": {
            "Type": "AWS::ApiGateway::Method",
            "Properties": {
                "RestApiId": rest,
                "ResourceId": {"Ref": "Images"},
                "HttpMethod": "POST",
                "AuthorizationType": "NONE",
                "ApiKeyRequired": "true",
                "Integration": {
                    "Type": "AWS_PROXY",
                    "IntegrationHttpMethod": "POST",
                    "TimeoutInMillis": "29000",
                    "Uri": URI,
                },
            },
        },
        "Refusal": {
            "Type": "AWS::ApiGateway::GatewayResponse",
            "Properties": {
                "RestApiId": rest,
                "ResponseType": "THROTTLED",
                "StatusCode": "429",
                "ResponseParameters": {"gatewayresponse.header.Retry-After": "'1'"},
                "ResponseTemplates": {"application/json": refusal},
            },
        },
        deployment: {
            "Type": "AWS::ApiGateway::Deployment",
            "DependsOn": ["Post", "Refusal"],
            "Properties": {"RestApiId": rest},
        },
        "Stage": {
            "Type": "AWS::ApiGateway::Stage",
            "Properties": {
                "RestApiId": rest,
                "StageName": "api",
                "DeploymentId": {"Ref": deployment},
                "TracingEnabled": "true",
                "MethodSettings": [
                    {"ResourcePath": "/*", "HttpMethod": "*", "MetricsEnabled": "true"},
                    {"ResourcePath": "/~1images", "HttpMethod": "POST", "ThrottlingRateLimit": rate},
                ],
            },
        },
        "Key": {"Type": "AWS::ApiGateway::ApiKey", "Properties": {"Enabled": "true"}},
        "Plan": {
            "Type": "AWS::ApiGateway::UsagePlan",
            "Properties": {
                "ApiStages": [{"ApiId": rest, "Stage": {"Ref": "Stage"}}],
                "Throttle": {"RateLimit": rate, "BurstLimit": "5"},
                "Quota": {"Limit": "100", "Period": "DAY"},
            },
        },
        "PlanKey": {
            "Type": "AWS::ApiGateway::UsagePlanKey",
            "Properties": {"KeyId": {"Ref": "Key"}, "KeyType": "API_KEY", "UsagePlanId": {"Ref": "Plan"}},
        },
        **resources,
    }


def test_everything_that_makes_up_an_api_arrives(stacks: Stacks, client: Any) -> None:
    stacks.deploy(api())
    gateway, api_id = client("apigateway"), stacks.physical_id("Api")

    assert gateway.get_rest_api(restApiId=api_id)["binaryMediaTypes"] == ["image/png"]
    method = gateway.get_method(restApiId=api_id, resourceId=stacks.physical_id("Images"), httpMethod="POST")
    assert method["apiKeyRequired"] is True
    assert method["methodIntegration"]["timeoutInMillis"] == 29000
    assert method["methodIntegration"]["uri"] == URI
    refusal = gateway.get_gateway_response(restApiId=api_id, responseType="THROTTLED")
    assert refusal["responseParameters"] == {"gatewayresponse.header.Retry-After": "'1'"}
    stage = gateway.get_stage(restApiId=api_id, stageName="api")
    assert stage["tracingEnabled"] is True
    assert stage["methodSettings"]["~1images/POST"]["throttlingRateLimit"] == 2.5
    plan = gateway.get_usage_plan(usagePlanId=stacks.physical_id("Plan"))
    assert plan["throttle"] == {"rateLimit": 2.5, "burstLimit": 5}
    assert plan["quota"] == {"limit": 100, "period": "DAY"}
    assert gateway.get_usage_plan_keys(usagePlanId=plan["id"])["items"][0]["id"] == stacks.physical_id("Key")


def test_a_stage_serves_the_deployments_snapshot_until_it_moves_to_the_next(stacks: Stacks, account: str) -> None:
    stacks.deploy(api())
    api_id = stacks.physical_id("Api")

    def refusal() -> str:
        served = deployed_api(account, REGION, api_id, "api")
        assert served is not None
        return str(served.api.gateway_responses["THROTTLED"].response_templates["application/json"])

    stacks.deploy(api(refusal='{"wait": 1}'))
    assert refusal() == "{}"

    stacks.deploy(api(refusal='{"wait": 1}', deployment="D2"))
    assert refusal() == '{"wait": 1}'


def test_settings_of_a_stage_and_a_plan_change_in_place(stacks: Stacks, client: Any) -> None:
    stacks.deploy(api())
    plan_id = stacks.physical_id("Plan")

    stacks.deploy(api(rate="7.5"))

    gateway = client("apigateway")
    assert stacks.physical_id("Plan") == plan_id
    assert gateway.get_usage_plan(usagePlanId=plan_id)["throttle"]["rateLimit"] == 7.5
    assert gateway.get_usage_plan_keys(usagePlanId=plan_id)["items"]
    settings = gateway.get_stage(restApiId=stacks.physical_id("Api"), stageName="api")["methodSettings"]
    assert settings["~1images/POST"]["throttlingRateLimit"] == 7.5


def test_logging_needs_the_accounts_role_first(stacks: Stacks) -> None:
    wanted = api()
    wanted["Stage"]["Properties"]["MethodSettings"][0]["LoggingLevel"] = "ERROR"

    assert stacks.deploy(wanted) == "ROLLBACK_COMPLETE"
    assert "CloudWatch Logs role ARN must be set in account settings to enable logging" in stacks.reasons()


@pytest.mark.parametrize(
    ("setting", "value", "problem"),
    [
        ("CacheKeyParameters", ["x"], "CacheKeyParameters is not emulated"),
        ("RequestTemplates", {"application/json": "{}"}, "RequestTemplates is not emulated"),
        ("Type", "MOCK", "Type MOCK is not emulated: use AWS_PROXY"),
    ],
)
def test_an_integration_that_the_gateway_cannot_serve_is_refused(
    stacks: Stacks, setting: str, value: object, problem: str
) -> None:
    wanted = api()
    wanted["Post"]["Properties"]["Integration"][setting] = value

    assert stacks.deploy(wanted) == "ROLLBACK_COMPLETE"
    assert f"AWS::ApiGateway::Method.Integration.{problem}" in stacks.reasons()


def test_a_method_setting_names_no_any(stacks: Stacks) -> None:
    wanted = api()
    wanted["Stage"]["Properties"]["MethodSettings"][1]["HttpMethod"] = "ANY"

    assert stacks.deploy(wanted) == "ROLLBACK_COMPLETE"
    assert "Invalid method setting path: ~1images/ANY" in stacks.reasons()


def test_an_api_is_gone_with_its_stack(stacks: Stacks, client: Any) -> None:
    stacks.deploy(api())

    stacks.api.delete_stack(StackName="stack")

    gateway = client("apigateway")
    assert gateway.get_rest_apis()["items"] == []
    assert gateway.get_usage_plans()["items"] == []
    assert gateway.get_api_keys()["items"] == []
