"""Who may call: API keys, AWS identities or a user pool; firewall, private API and domain."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from infrastructure_synthesis import ROOT, Synthesis, Template, logical_id, resources, the, with_names
from test_api_stack import OPEN_ROUTES, ROUTES, function_with, gateway_responses, permissions_of, routes

from stacks.constructs.functions import FunctionVariablesError

Synth = Callable[..., dict[str, Template]]

AUTHORIZER = "AWS::ApiGateway::Authorizer"


@pytest.fixture
def api_of(access: Synthesis) -> Callable[[str], Template]:
    """The API's template of an environment in `tests/environments/`."""
    return lambda name: access.templates[name]["Api"]


ApiOf = Callable[[str], Template]


def test_key_is_found_by_a_function_in_either_header(dev: dict[str, Template]) -> None:
    template = dev["Api"]
    authorizer = the(template, AUTHORIZER)
    function = logical_id_of(template, "image_api.authorizer.handler")

    assert the(template, "AWS::ApiGateway::RestApi")["ApiKeySourceType"] == "AUTHORIZER"
    assert authorizer["Type"] == "REQUEST"
    assert {"Fn::GetAtt": [function, "Arn"]} in authorizer["AuthorizerUri"]["Fn::Join"][1]
    # An identity source would make API Gateway refuse whoever sends the key in the other header.
    assert "IdentitySource" not in authorizer
    assert authorizer["AuthorizerResultTtlInSeconds"] == 0
    for route, method in routes(template).items():
        assert ("AuthorizerId" in method) is (route in ROUTES)


def logical_id_of(template: Template, handler: str) -> str:
    (found,) = (
        name
        for name, function in resources(template, "AWS::Lambda::Function").items()
        if function["Properties"]["Handler"] == handler
    )
    return found


def test_authorizer_function_is_small_and_may_do_nothing_but_log(prod: dict[str, Template]) -> None:
    template = prod["Api"]
    function = function_with(template, "image_api.authorizer.handler")

    assert "Layers" not in function
    assert "Environment" not in function
    assert function["Timeout"] == 5
    assert function["Code"] == function_with(template, "image_api.api.handler")["Code"]
    logs, tracing = permissions_of(template, function)
    assert logs["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert with_names(template, logs["Resource"]) == "<ARN of /aws/lambda/sdxl-prod-key-authorizer>"
    assert tracing["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]


def test_only_this_authorizer_may_call_the_function(dev: dict[str, Template]) -> None:
    template = dev["Api"]
    function = logical_id_of(template, "image_api.authorizer.handler")
    (permission,) = (
        found["Properties"]
        for found in resources(template, "AWS::Lambda::Permission").values()
        if found["Properties"]["FunctionName"] == {"Fn::GetAtt": [function, "Arn"]}
    )

    assert permission["Principal"] == "apigateway.amazonaws.com"
    assert permission["SourceArn"]["Fn::Join"][1][-3:] == [
        {"Ref": logical_id(template, "AWS::ApiGateway::RestApi")},
        "/authorizers/",
        {"Ref": logical_id(template, AUTHORIZER)},
    ]


def test_each_named_key_has_limits_of_its_own(api_of: ApiOf) -> None:
    template = api_of("waf")
    plans = {
        plan["Properties"]["UsagePlanName"]: plan["Properties"]
        for plan in resources(template, "AWS::ApiGateway::UsagePlan").values()
    }

    assert {name: (plan["Throttle"]["RateLimit"], plan.get("Quota")) for name, plan in plans.items()} == {
        "sdxl-waf-website": (10, None),
        "sdxl-waf-interns": (5, {"Limit": 100, "Period": "DAY"}),
        "sdxl-waf-nightly-batch": (5, {"Limit": 10000, "Period": "DAY"}),
    }
    pairs = {
        (found["Properties"]["KeyId"]["Ref"], found["Properties"]["UsagePlanId"]["Ref"])
        for found in resources(template, "AWS::ApiGateway::UsagePlanKey").values()
    }
    assert len(pairs) == len({key for key, _ in pairs}) == len({plan for _, plan in pairs}) == 3
    outputs = template["Outputs"]
    assert "website" in outputs["ApiKeyId"]["Value"]["Ref"]
    assert [part for part in outputs["ApiKeyIds"]["Value"]["Fn::Join"][1] if isinstance(part, str)] == [
        "website=",
        ",interns=",
        ",nightly-batch=",
    ]


def test_key_stays_when_others_come_and_go(synth: Synth) -> None:
    def keys(*names: str) -> set[str]:
        return set(resources(synth(api={"keys": [{"name": name} for name in names]})["Api"], "AWS::ApiGateway::ApiKey"))

    both = keys("website", "batch")
    assert keys("website") < both
    assert keys("batch", "website", "mobile") > both
    assert keys("default") == set(resources(synth()["Api"], "AWS::ApiGateway::ApiKey"))


def test_keys_whose_names_differ_by_a_hyphen_are_two(synth: Synth) -> None:
    template = synth(api={"keys": [{"name": "team-1"}, {"name": "team1"}]})["Api"]

    assert len(resources(template, "AWS::ApiGateway::ApiKey")) == 2


@pytest.mark.parametrize("name", ["iam", "private", "cognito"])
def test_without_api_keys_there_is_nothing_of_them(api_of: ApiOf, name: str) -> None:
    template = api_of(name)

    assert not {"AWS::ApiGateway::ApiKey", "AWS::ApiGateway::UsagePlan", "AWS::ApiGateway::UsagePlanKey"} & {
        found["Type"] for found in template["Resources"].values()
    }
    assert the(template, "AWS::Lambda::Function")["Handler"] == "image_api.api.handler"
    assert not [method for method in routes(template).values() if method.get("ApiKeyRequired")]
    assert not {"INVALID_API_KEY", "QUOTA_EXCEEDED"} & set(gateway_responses(template))
    assert "ApiKeyId" not in template["Outputs"]
    every = the(template, "AWS::ApiGateway::Stage")["MethodSettings"][0]
    assert (every["ResourcePath"], every["ThrottlingRateLimit"], every["ThrottlingBurstLimit"]) == ("/*", 5, 10)


def test_requests_are_signed(api_of: ApiOf) -> None:
    template = api_of("iam")

    for route, method in routes(template).items():
        assert method["AuthorizationType"] == ("NONE" if route in OPEN_ROUTES else "AWS_IAM")
    assert not resources(template, AUTHORIZER)
    assert template["Outputs"]["AuthMode"]["Value"] == "iam"
    assert template["Outputs"]["ApiArn"]["Value"]["Fn::Join"][1][-1] == "/api/*"
    assert "not signed" in gateway_responses(template)["MISSING_AUTHENTICATION_TOKEN"]["message"]


def test_methods_ask_for_an_access_token_with_the_scope(api_of: ApiOf) -> None:
    template = api_of("cognito")
    authorizer = the(template, AUTHORIZER)
    pool = logical_id(template, "AWS::Cognito::UserPool")

    assert authorizer["Type"] == "COGNITO_USER_POOLS"
    assert authorizer["ProviderARNs"] == [{"Fn::GetAtt": [pool, "Arn"]}]
    for route, method in routes(template).items():
        if route in ROUTES:
            assert method["AuthorizationType"] == "COGNITO_USER_POOLS"
            assert method["AuthorizationScopes"] == ["sdxl/generate"]
            assert method["AuthorizerId"] == {"Ref": logical_id(template, AUTHORIZER)}
        else:
            assert method["AuthorizationType"] == "NONE"
            assert "AuthorizationScopes" not in method


def test_user_pool_is_kept_closed_and_strict(api_of: ApiOf) -> None:
    template = api_of("cognito")
    pool = template["Resources"][logical_id(template, "AWS::Cognito::UserPool")]

    assert (pool["DeletionPolicy"], pool["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")
    assert pool["Properties"]["DeletionProtection"] == "ACTIVE"
    assert pool["Properties"]["AdminCreateUserConfig"] == {"AllowAdminCreateUserOnly": True}
    assert pool["Properties"]["MfaConfiguration"] == "ON"
    assert pool["Properties"]["Policies"]["PasswordPolicy"]["MinimumLength"] >= 12


def test_client_signs_in_by_code_alone_and_has_no_secret(api_of: ApiOf) -> None:
    template = api_of("cognito")
    client = the(template, "AWS::Cognito::UserPoolClient")

    assert client["AllowedOAuthFlows"] == ["code"]
    assert client["AllowedOAuthScopes"] == ["openid", "sdxl/generate"]
    assert client["GenerateSecret"] is False
    assert client["ExplicitAuthFlows"] == ["ALLOW_REFRESH_TOKEN_AUTH"]
    *callbacks, page = client["CallbackURLs"]
    assert callbacks == ["https://images.example.com/callback", "http://localhost:8080/callback"]
    # The creators' page, to which people also come back after they signed out.
    assert page["Fn::Join"][1][-1] == "/api/"
    assert client["LogoutURLs"] == ["https://images.example.com/", page]
    settings = function_with(template, "image_api.api.handler")["Environment"]["Variables"]["SDXL_CONSOLE"]["Fn::Join"][
        1
    ]
    assert json.loads("".join(part if isinstance(part, str) else "ID" for part in settings)) == {
        "mode": "cognito",
        "login_url": "https://images-example-com.auth.us-east-1.amazoncognito.com",
        "client_id": "ID",
        "scope": "openid sdxl/generate",
    }
    assert client["PreventUserExistenceErrors"] == "ENABLED"
    assert the(template, "AWS::Cognito::UserPoolDomain")["Domain"] == "images-example-com"
    outputs = template["Outputs"]
    assert {"UserPoolId", "UserPoolClientId", "LoginUrl"} < set(outputs)


def test_firewall_stands_before_the_stage_and_logs_no_secret(api_of: ApiOf) -> None:
    template = api_of("waf")
    acl = the(template, "AWS::WAFv2::WebACL")
    association = the(template, "AWS::WAFv2::WebACLAssociation")
    logging = the(template, "AWS::WAFv2::LoggingConfiguration")

    assert acl["Scope"] == "REGIONAL"
    assert acl["DefaultAction"] == {"Allow": {}}
    parts = association["ResourceArn"]["Fn::Join"][1]
    assert parts[0] == "arn:aws:apigateway:us-east-1::/restapis/"
    assert parts[-1] == {"Ref": logical_id(template, "AWS::ApiGateway::Stage")}
    assert logging["LogDestinationConfigs"] == [
        "arn:aws:logs:us-east-1:111122223333:log-group:aws-waf-logs-sdxl-waf",
    ]
    assert [field["SingleHeader"]["Name"] for field in logging["RedactedFields"]] == ["authorization", "x-api-key"]
    assert not [rule for rule in acl["Rules"] if rule["VisibilityConfig"]["SampledRequestsEnabled"]]


def test_firewalls_rules_let_init_images_through(api_of: ApiOf) -> None:
    rate, common, inputs, content = the(api_of("waf"), "AWS::WAFv2::WebACL")["Rules"]

    assert rate["Action"] == {"Block": {}}
    assert rate["Statement"]["RateBasedStatement"] == {
        "AggregateKeyType": "IP",
        "EvaluationWindowSec": 300,
        "Limit": 500,
    }
    assert common["Statement"]["ManagedRuleGroupStatement"] == {
        "Name": "AWSManagedRulesCommonRuleSet",
        "VendorName": "AWS",
        "RuleActionOverrides": [
            {"Name": name, "ActionToUse": {"Count": {}}}
            for name in (
                "SizeRestrictions_BODY",
                "CrossSiteScripting_BODY",
                "EC2MetaDataSSRF_BODY",
                "GenericLFI_BODY",
                "GenericRFI_BODY",
            )
        ],
    }
    assert inputs["Statement"]["ManagedRuleGroupStatement"]["Name"] == "AWSManagedRulesKnownBadInputsRuleSet"
    assert [rule["Priority"] for rule in (rate, common, inputs, content)] == [0, 1, 2, 3]
    assert "WAF_FILTERED" in gateway_responses(api_of("waf"))


def test_firewall_blocks_what_it_counts_on_paths_without_pictures(api_of: ApiOf) -> None:
    content = the(api_of("waf"), "AWS::WAFv2::WebACL")["Rules"][3]
    counted, elsewhere = content["Statement"]["AndStatement"]["Statements"]
    labels = [one["LabelMatchStatement"] for one in counted["OrStatement"]["Statements"]]

    assert content["Action"] == {"Block": {}}
    assert {label["Key"].removeprefix("awswaf:managed:aws:core-rule-set:") for label in labels} == {
        "CrossSiteScripting_Body",
        "EC2MetaDataSSRF_Body",
        "GenericLFI_Body",
        "GenericRFI_Body",
    }
    assert elsewhere["NotStatement"]["Statement"]["RegexMatchStatement"]["FieldToMatch"] == {"UriPath": {}}


@pytest.mark.parametrize("prefix", ["/api", ""])
def test_firewall_knows_every_path_that_takes_pictures(api_of: ApiOf, prefix: str) -> None:
    content = the(api_of("waf"), "AWS::WAFv2::WebACL")["Rules"][3]
    statement = content["Statement"]["AndStatement"]["Statements"][1]["NotStatement"]["Statement"]
    pattern = re.compile(statement["RegexMatchStatement"]["RegexString"])
    document = json.loads((ROOT / "lambda" / "image_api" / "openapi.json").read_text())
    takes_pictures = {
        path: any("multipart/form-data" in str(operation) for operation in methods.values())
        for path, methods in document["paths"].items()
    }

    assert sum(takes_pictures.values()) >= 4
    for path, expected in takes_pictures.items():
        filled = prefix + re.sub(r"\{\w+\}", "stable-diffusion-xl-1024-v1-0", path)
        assert bool(pattern.search(filled)) is expected, filled


def test_private_api_refuses_what_comes_another_way(api_of: ApiOf) -> None:
    api = the(api_of("private"), "AWS::ApiGateway::RestApi")
    ids = ["vpce-0123456789abcdef0", "vpce-0fedcba9876543210"]
    allow, deny = api["Policy"]["Statement"]

    assert api["EndpointConfiguration"] == {"Types": ["PRIVATE"], "VpcEndpointIds": ids}
    assert deny["Effect"] == "Deny"
    assert deny["Condition"] == {"StringNotEquals": {"aws:SourceVpce": ids}}
    assert deny["Resource"] == "execute-api:/*"
    # An allowance of more would be every identity's of the account.
    assert allow["Resource"] == [
        "execute-api:/api/*/health",
        "execute-api:/api/*/openapi.json",
        "execute-api:/api/OPTIONS/*",
    ]
    url = api_of("private")["Outputs"]["ApiUrl"]["Value"]["Fn::Join"][1]
    assert url[0] == "https://"
    assert url[2].startswith("-vpce-0123456789abcdef0.execute-api.us-east-1.")


def test_private_api_with_keys_leaves_the_choice_to_the_authorizer(synth: Synth) -> None:
    api = the(
        synth(api={"private": {"vpc_endpoint_ids": ["vpce-01234567"]}})["Api"],
        "AWS::ApiGateway::RestApi",
    )

    assert api["Policy"]["Statement"][0]["Resource"] == "execute-api:/*"


def test_domain_leads_to_the_stage_and_is_the_address(api_of: ApiOf) -> None:
    template = api_of("domain")
    domain = the(template, "AWS::ApiGateway::DomainName")
    mapping = the(template, "AWS::ApiGateway::BasePathMapping")

    assert domain["SecurityPolicy"] == "TLS_1_2"
    assert domain["RegionalCertificateArn"].startswith("arn:aws:acm:us-east-1:111122223333:certificate/")
    assert mapping["Stage"] == {"Ref": logical_id(template, "AWS::ApiGateway::Stage")}
    assert "BasePath" not in mapping
    assert template["Outputs"]["ApiUrl"]["Value"] == "https://images.example.com"
    assert {"DomainTarget", "DomainHostedZoneId"} < set(template["Outputs"])


def test_refused_terms_reach_the_function(api_of: ApiOf, dev: dict[str, Template]) -> None:
    def variables(template: Template) -> dict[str, Any]:
        found: dict[str, Any] = function_with(template, "image_api.api.handler")["Environment"]["Variables"]
        return found

    assert json.loads(variables(api_of("waf"))["SDXL_REFUSED_TERMS"]) == ["nude", "company secret"]
    assert "SDXL_REFUSED_TERMS" not in variables(dev["Api"])


def test_variables_that_lambda_would_refuse_are_named_with_a_remedy(
    synth: Synth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stacks.constructs.functions.VARIABLES_BYTES", 300)

    with pytest.raises(FunctionVariablesError, match=r"take \d+ bytes; allowed are 300\. .*SDXL_.*shorten"):
        _ = synth(api={"cors": {"allow_origins": ["https://a.example"]}})["Api"]
