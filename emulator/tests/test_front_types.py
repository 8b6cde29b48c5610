"""The resource types in front of an API: firewall, domain names, private endpoints. The gateway acts on them."""

from __future__ import annotations

from typing import Any

import pytest
from access_stack import OWN_REGION, Stack, resource
from moto.wafv2.models import wafv2_backends
from werkzeug.test import Client as HttpClient

from emulator.functions.outcome import Outcome
from emulator.gateway import create_gateway_app, lambda_proxy

VISIBILITY = {"CloudWatchMetricsEnabled": True, "MetricName": "m", "SampledRequestsEnabled": "false"}


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch) -> None:
    """A function behind every method, which answers at once."""
    monkeypatch.setattr(lambda_proxy, "call_function", lambda *_, **__: Outcome(b'{"statusCode": 200}'))


def protected_api(limit: int) -> dict[str, Any]:
    rate = {"Limit": limit, "AggregateKeyType": "IP", "EvaluationWindowSec": 60}
    stage_arn = {"Fn::Sub": f"arn:aws:apigateway:{OWN_REGION}::/restapis/${{Api}}/stages/api"}
    where = {"RestApiId": {"Ref": "Api"}, "ResourceId": {"Fn::GetAtt": ["Api", "RootResourceId"]}}
    uri = f"arn:aws:apigateway:{OWN_REGION}:lambda:path/2015-03-31/functions/f/invocations"
    proxy = {"Type": "AWS_PROXY", "IntegrationHttpMethod": "POST", "Uri": uri}
    return {
        "Api": resource("AWS::ApiGateway::RestApi", Name="api"),
        "Get": resource("AWS::ApiGateway::Method", HttpMethod="GET", **where, Integration=proxy),
        "Deployment": {**resource("AWS::ApiGateway::Deployment", RestApiId={"Ref": "Api"}), "DependsOn": "Get"},
        "Stage": resource(
            "AWS::ApiGateway::Stage",
            RestApiId={"Ref": "Api"},
            DeploymentId={"Ref": "Deployment"},
            StageName="api",
        ),
        "Acl": resource(
            "AWS::WAFv2::WebACL",
            Name="acl",
            Scope="REGIONAL",
            DefaultAction={"Allow": {}},
            VisibilityConfig=VISIBILITY,
            Rules=[
                {
                    "Name": "rate",
                    "Priority": "0",
                    "Action": {"Block": {}},
                    "Statement": {"RateBasedStatement": rate},
                    "VisibilityConfig": VISIBILITY,
                },
                {
                    "Name": "managed",
                    "Priority": 1,
                    "OverrideAction": {"None": {}},
                    "Statement": {
                        "ManagedRuleGroupStatement": {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet"}
                    },
                    "VisibilityConfig": VISIBILITY,
                },
            ],
        ),
        "Association": {
            **resource(
                "AWS::WAFv2::WebACLAssociation",
                ResourceArn=stage_arn,
                WebACLArn={"Fn::GetAtt": ["Acl", "Arn"]},
            ),
            "DependsOn": "Stage",
        },
        "Logging": resource(
            "AWS::WAFv2::LoggingConfiguration",
            ResourceArn={"Fn::GetAtt": ["Acl", "Arn"]},
            LogDestinationConfigs=[f"arn:aws:logs:{OWN_REGION}:1:log-group:aws-waf-logs-sdxl"],
            RedactedFields=[{"SingleHeader": {"Name": "authorization"}}],
        ),
    }


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


def test_a_rate_rule_blocks_an_address_until_its_window_has_passed(stack: Stack, account: str) -> None:
    made = stack.deploy(protected_api(100))
    assert stack.deploy(protected_api(10)) == made
    clock = Clock()
    http = HttpClient(create_gateway_app(clock))

    def get(address: str) -> int:
        answer = http.get(f"/_aws/execute-api/{made['Api']}/api/", environ_overrides={"REMOTE_ADDR": address})
        return answer.status_code

    assert [get("10.0.0.1") for _ in range(11)] == [*[200] * 10, 403]
    assert get("10.0.0.2") == 200
    clock.now += 61
    assert get("10.0.0.1") == 200
    stack.delete()
    assert not wafv2_backends[account][OWN_REGION].wacls


COUNTED = ["CrossSiteScripting_BODY", "GenericLFI_BODY", "SizeRestrictions_BODY"]
LABELS = "awswaf:managed:aws:core-rule-set:"


def content_rules(counted: list[str], *, blocked_by_label: bool) -> list[dict[str, Any]]:
    overrides = [{"Name": name, "ActionToUse": {"Count": {}}} for name in counted]
    group = {"VendorName": "AWS", "Name": "AWSManagedRulesCommonRuleSet", "RuleActionOverrides": overrides}
    labels = [
        {"LabelMatchStatement": {"Scope": "LABEL", "Key": f"{LABELS}{name}"}}
        for name in ("CrossSiteScripting_Body", "GenericLFI_Body")
    ]
    path = {
        "RegexString": "^/api/v1/images$",
        "FieldToMatch": {"UriPath": {}},
        "TextTransformations": [{"Priority": 0, "Type": "NONE"}],
    }
    elsewhere = {"NotStatement": {"Statement": {"RegexMatchStatement": path}}}
    rules: list[dict[str, Any]] = [
        {"Name": "managed", "OverrideAction": {"None": {}}, "Statement": {"ManagedRuleGroupStatement": group}}
    ]
    if blocked_by_label:
        statement = {"AndStatement": {"Statements": [{"OrStatement": {"Statements": labels}}, elsewhere]}}
        rules.append({"Name": "content", "Action": {"Block": {}}, "Statement": statement})
    return [{**rule, "Priority": number, "VisibilityConfig": VISIBILITY} for number, rule in enumerate(rules)]


@pytest.mark.parametrize(
    ("counted", "blocked_by_label", "path", "body", "status"),
    [
        ([], False, "v1/images", b"\x89PNG <?xpacket begin", 403),
        ([], False, "v1/images", b"../../etc", 403),
        ([], False, "v1/images", b"x" * 8193, 403),
        ([], False, "v1/images", b"a lighthouse", 200),
        (COUNTED, False, "v1/images", b"\x89PNG <?xpacket begin" + b"x" * 8193, 200),
        (COUNTED, True, "v1/images", b"\x89PNG <?xpacket begin ../", 200),
        (COUNTED, True, "v1/texts", b"<script>", 403),
        (COUNTED, True, "v1/texts", b"../", 403),
        (COUNTED, True, "v1/texts", b"x" * 8193, 200),
        # Beyond what WAF inspects.
        (COUNTED, True, "v1/texts", b"x" * 16384 + b"<script>", 200),
    ],
)
def test_content_rules_block_what_they_do_not_only_count(
    stack: Stack, counted: list[str], *, blocked_by_label: bool, path: str, body: bytes, status: int
) -> None:
    resources = protected_api(1000)
    resources["Acl"]["Properties"]["Rules"] = content_rules(counted, blocked_by_label=blocked_by_label)
    where = {"RestApiId": {"Ref": "Api"}, "ResourceId": {"Ref": "Path"}}
    parent = {"Fn::GetAtt": ["Api", "RootResourceId"]}
    resources["Path"] = resource(
        "AWS::ApiGateway::Resource", RestApiId={"Ref": "Api"}, ParentId=parent, PathPart="{proxy+}"
    )
    integration = resources["Get"]["Properties"]["Integration"]
    resources["Post"] = resource("AWS::ApiGateway::Method", HttpMethod="POST", **where, Integration=integration)
    resources["Deployment"]["DependsOn"] = ["Get", "Post"]
    made = stack.deploy(resources)

    answer = HttpClient(create_gateway_app(Clock())).post(f"/_aws/execute-api/{made['Api']}/api/{path}", data=body)

    assert answer.status_code == status
    stack.delete()


def test_a_log_group_of_another_name_is_refused(stack: Stack) -> None:
    resources = protected_api(10)
    resources["Logging"]["Properties"]["LogDestinationConfigs"] = ["arn:aws:logs:r:1:log-group:/other"]

    assert "must begin with aws-waf-logs-" in stack.failure(resources)


def test_a_firewall_of_a_stage_that_does_not_exist_is_refused(stack: Stack) -> None:
    resources = protected_api(10)
    resources["Association"]["Properties"]["ResourceArn"] = f"arn:aws:apigateway:{OWN_REGION}::/restapis/a/stages/b"

    assert "is no stage of a REST API that exists" in stack.failure(resources)


def named_api(**domain: Any) -> dict[str, Any]:
    kept = ("Api", "Get", "Deployment", "Stage")
    return {
        **{name: part for name, part in protected_api(10).items() if name in kept},
        "Name": resource("AWS::ApiGateway::DomainName", DomainName="images.example", **domain),
        "Mapping": {
            **resource(
                "AWS::ApiGateway::BasePathMapping",
                DomainName={"Ref": "Name"},
                RestApiId={"Ref": "Api"},
                Stage="api",
            ),
            "DependsOn": "Stage",
        },
    }


def test_a_domain_name_leads_to_its_stage(stack: Stack, own: Any) -> None:
    regional = {"EndpointConfiguration": {"Types": ["REGIONAL"]}, "RegionalCertificateArn": "arn:aws:acm:r:1:c/1"}
    stack.deploy(named_api(**regional, SecurityPolicy="TLS_1_0"))
    first = own("apigateway").get_domain_name(domainName="images.example")
    stack.deploy(named_api(**regional, SecurityPolicy="TLS_1_2"))
    changed = own("apigateway").get_domain_name(domainName="images.example")
    http = HttpClient(create_gateway_app())

    assert changed["securityPolicy"] == "TLS_1_2"
    assert first["regionalDomainName"] == changed["regionalDomainName"]
    assert http.get("/", headers={"Host": "images.example:4580"}).status_code == 200
    stack.delete()
    assert own("apigateway").get_domain_names()["items"] == []


def test_a_private_api_is_reached_by_its_endpoints_name(stack: Stack, own: Any) -> None:
    resources = {name: part for name, part in protected_api(10).items() if name in {"Get", "Deployment", "Stage"}}
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*"}]}
    resources["Api"] = resource(
        "AWS::ApiGateway::RestApi",
        Name="api",
        EndpointConfiguration={"Types": ["PRIVATE"], "VpcEndpointIds": ["vpce-0a1"]},
        Policy=policy,
    )
    api_id = stack.deploy(resources)["Api"]
    http = HttpClient(create_gateway_app())

    shown = own("apigateway").get_rest_api(restApiId=api_id)["endpointConfiguration"]
    assert (shown["types"], shown["vpcEndpointIds"]) == (["PRIVATE"], ["vpce-0a1"])
    host = f"{api_id}-vpce-0a1.execute-api.{OWN_REGION}.amazonaws.com"
    assert http.get("/api/", headers={"Host": host}).status_code == 200
    stack.delete()
