"""The API stack: the function and the gateway in front of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from infrastructure_synthesis import (
    ROOT,
    Synthesis,
    Template,
    logical_id,
    make_environment,
    make_layer,
    resources,
    synthesize,
    the,
    with_names,
)

FUNCTION = "AWS::Lambda::Function"
VERSION = "AWS::Lambda::Version"
DEPLOYMENT = "AWS::ApiGateway::Deployment"
METHOD = "AWS::ApiGateway::Method"

Synth = Callable[..., dict[str, Template]]


def routes(template: Template) -> dict[tuple[str, str], dict[str, Any]]:
    """Method properties by HTTP method and path."""
    found = resources(template, "AWS::ApiGateway::Resource")

    def path(reference: dict[str, Any]) -> str:
        if "Fn::GetAtt" in reference:
            return ""
        properties = found[reference["Ref"]]["Properties"]
        return f"{path(properties['ParentId'])}/{properties['PathPart']}"

    methods = [method["Properties"] for method in resources(template, METHOD).values()]
    return {(method["HttpMethod"], path(method["ResourceId"]) or "/"): method for method in methods}


def image_function(template: Template) -> dict[str, Any]:
    return function_with(template, "image_api.api.handler")


def function_with(template: Template, handler: str) -> dict[str, Any]:
    """Properties of the function with this handler."""
    found: dict[str, Any]
    (found,) = (
        function["Properties"]
        for function in resources(template, FUNCTION).values()
        if function["Properties"]["Handler"] == handler
    )
    return found


def permissions_of(template: Template, function: dict[str, Any]) -> list[dict[str, Any]]:
    """Statements of the only policy that the function's role has."""
    role = template["Resources"][function["Role"]["Fn::GetAtt"][0]]["Properties"]
    (policy,) = role["ManagedPolicyArns"]
    statements: list[dict[str, Any]] = template["Resources"][policy["Ref"]]["Properties"]["PolicyDocument"]["Statement"]
    return statements


def test_function_runs_as_configured_and_from_a_snapshot(synth: Synth) -> None:
    template = synth(api={"integration_timeout_seconds": 45, "function_memory_mb": 2048})["Api"]
    function = image_function(template)

    assert function["Handler"] == "image_api.api.handler"
    assert function["Runtime"] == "python3.13"
    assert function["Architectures"] == ["arm64"]
    assert function["MemorySize"] == 2048
    assert function["Timeout"] == 46
    assert function["SnapStart"] == {"ApplyOn": "PublishedVersions"}
    assert function["TracingConfig"] == {"Mode": "Active"}
    assert function["Layers"] == [{"Ref": logical_id(template, "AWS::Lambda::LayerVersion")}]
    assert "FunctionName" not in function


def test_function_gets_every_setting_as_text(synth: Synth) -> None:
    settings = {
        "cors": {"allow_origins": ["https://a.example", "https://b.example"]},
        "integration_timeout_seconds": 40,
        "image_link_ttl_seconds": 60,
    }
    variables = image_function(synth(api=settings)["Api"])["Environment"]["Variables"]

    assert "Fn::ImportValue" in variables.pop("SDXL_IMAGES_BUCKET")
    assert "Fn::ImportValue" in variables.pop("SDXL_IDEMPOTENCY_TABLE")
    variables.pop("SDXL_STYLES", None)
    assert variables == {
        "SDXL_ENVIRONMENT": "test",
        "SDXL_MODEL_SOURCE": "open",
        "SDXL_ENDPOINT_NAME": "sdxl-test",
        "SDXL_IMAGE_LINK_TTL_SECONDS": "60",
        "SDXL_TIMEOUT_SECONDS": "40",
        "SDXL_CORS_ALLOW_ORIGINS": "https://a.example,https://b.example",
        "SDXL_CONSOLE": '{"mode":"api_key"}',
        "POWERTOOLS_SERVICE_NAME": "image-api",
        "SDXL_MASKS": "approximate",
        "SDXL_METADATA": "parameters,declaration",
        "SDXL_PRICES": '{"primary":{"usd_per_instance_hour":2.03}}',
        "POWERTOOLS_LOG_LEVEL": "INFO",
    }


def test_function_is_told_the_variants_that_it_chooses_from(access: Synthesis) -> None:
    variables = {
        name: image_function(access.templates[name]["Api"])["Environment"]["Variables"]
        for name in ("ab", "shadow", "bedrock")
    }

    assert json.loads(variables["ab"]["SDXL_VARIANTS"]) == [
        {"name": "primary", "source": "open", "weight": 0.9},
        {"name": "challenger", "source": "optimized", "weight": 0.1},
    ]
    # A shadow gets copies by SageMaker's doing; a Marketplace package's price is not known as a whole.
    assert "SDXL_VARIANTS" not in variables["shadow"]
    assert json.loads(variables["ab"]["SDXL_PRICES"]).keys() == {"primary"}
    assert json.loads(variables["bedrock"]["SDXL_PRICES"])["primary"]["usd_per_image"] > 0


def test_function_role_is_exact(prod: dict[str, Template]) -> None:
    template = prod["Api"]
    found = permissions_of(template, image_function(template))

    assert {statement["Effect"] for statement in found} == {"Allow"}
    logs, tracing, images, key, answers, table_key, endpoint = found
    assert images["Action"] == ["s3:GetObject", "s3:PutObject"]
    assert images["Resource"]["Fn::Join"][1][-1] == "/generated/*"
    assert key["Action"] == ["kms:Decrypt", "kms:GenerateDataKey"]
    assert key["Condition"] == {"StringEquals": {"kms:ViaService": "s3.eu-west-1.amazonaws.com"}}
    assert "Fn::ImportValue" in key["Resource"]
    assert answers["Action"] == ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
    assert "Fn::ImportValue" in answers["Resource"]
    # DynamoDB's other uses of a customer's key are its own, or those of whoever made the table.
    assert table_key["Action"] == "kms:Decrypt"
    assert table_key["Resource"] == key["Resource"]
    assert table_key["Condition"] == {"StringEquals": {"kms:ViaService": "dynamodb.eu-west-1.amazonaws.com"}}
    assert logs["Action"] == ["logs:CreateLogStream", "logs:PutLogEvents"]
    assert with_names(template, logs["Resource"]) == "<ARN of /aws/lambda/sdxl-prod-image-api>"
    assert tracing["Action"] == ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
    assert tracing["Resource"] == "*"
    assert endpoint["Action"] == ["sagemaker:DescribeEndpoint", "sagemaker:InvokeEndpoint"]
    assert endpoint["Resource"] == "arn:aws:sagemaker:eu-west-1:777788889999:endpoint/sdxl-prod"


def test_every_log_group_is_encrypted_and_expires(prod: dict[str, Template]) -> None:
    groups = [group["Properties"] for group in resources(prod["Api"], "AWS::Logs::LogGroup").values()]

    assert {group["LogGroupName"] for group in groups if isinstance(group["LogGroupName"], str)} == {
        "/aws/lambda/sdxl-prod-image-api",
        "/aws/lambda/sdxl-prod-key-authorizer",
        "/aws/apigateway/sdxl-prod",
    }
    assert len(groups) == 4
    assert {group["RetentionInDays"] for group in groups} == {365}
    assert all("Fn::ImportValue" in group["KmsKeyId"] for group in groups)


def test_alias_live_points_to_the_published_version_and_the_gateway_calls_it(dev: dict[str, Template]) -> None:
    template = dev["Api"]
    alias = the(template, "AWS::Lambda::Alias")
    reference = {"Ref": logical_id(template, "AWS::Lambda::Alias")}
    (permission,) = (
        permission["Properties"]
        for permission in resources(template, "AWS::Lambda::Permission").values()
        if permission["Properties"]["FunctionName"] == reference
    )

    assert alias["Name"] == "live"
    assert alias["FunctionVersion"] == {"Fn::GetAtt": [logical_id(template, VERSION), "Version"]}
    assert permission["SourceArn"]["Fn::Join"][1][-1] == "/api/*"


@pytest.mark.parametrize(
    "settings",
    [
        {"api": {"function_memory_mb": 3000}},
        {"api": {"integration_timeout_seconds": 20}},
        {"api": {"image_link_ttl_seconds": 61}},
        {"model": {"source": "optimized"}},
    ],
)
def test_new_version_is_published_when_the_configuration_changes(synth: Synth, settings: dict[str, Any]) -> None:
    assert logical_id(synth()["Api"], VERSION) != logical_id(synth(**settings)["Api"], VERSION)


def test_new_version_is_published_when_the_layer_changes(tmp_path: Path) -> None:
    ids = []
    for content in ("first", "second"):
        (tmp_path / content).mkdir()
        found = synthesize(
            tmp_path / content / "cdk.out", make_environment(), layer=make_layer(tmp_path / content, content)
        )
        ids.append(logical_id(found.templates["test"]["Api"], VERSION))

    assert ids[0] != ids[1]


def test_new_version_is_published_when_the_code_changes(
    tmp_path: Path, synth: Synth, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = logical_id(synth()["Api"], VERSION)
    code = tmp_path / "code"
    code.mkdir()
    (code / "handler.py").write_text("handler = None\n")
    monkeypatch.setattr("stacks.constructs.functions.CODE_DIRECTORY", code)

    assert logical_id(synth()["Api"], VERSION) != before


def test_caches_of_a_test_run_make_no_new_version(
    tmp_path: Path, synth: Synth, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "code"
    (code / "image_api").mkdir(parents=True)
    (code / "image_api" / "api.py").write_text("handler = None\n")
    monkeypatch.setattr("stacks.constructs.functions.CODE_DIRECTORY", code)
    before = logical_id(synth()["Api"], VERSION)

    for cache in ("image_api/__pycache__", ".mypy_cache", "image_api/.ruff_cache"):
        (code / cache).mkdir()
        (code / cache / "cached.pyc").write_text("cached")
    (code / "requirements.txt").write_text("the layer's business\n")

    assert logical_id(synth()["Api"], VERSION) == before


def test_missing_layer_is_refused_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"layer .*missing\.zip does not exist: run `make layer`"):
        synthesize(tmp_path / "cdk.out", make_environment(), layer=tmp_path / "missing.zip")


ROUTES = {("ANY", "/v1/{proxy+}")}
# Browsers send no credential with a preflight request, so OPTIONS is open.
OPEN_ROUTES = {("ANY", "/openapi.json"), ("ANY", "/health"), ("OPTIONS", "/v1/{proxy+}")}
PAGE_ROUTES = {("ANY", "/"), ("ANY", "/console/{proxy+}")}


def test_routes_and_who_may_call_them(dev: dict[str, Template]) -> None:
    found = {
        route: (method["AuthorizationType"], method.get("ApiKeyRequired", False))
        for route, method in routes(dev["Api"]).items()
    }

    assert found == {
        **dict.fromkeys(ROUTES, ("CUSTOM", True)),
        **dict.fromkeys(OPEN_ROUTES | PAGE_ROUTES, ("NONE", False)),
    }


def test_every_method_is_passed_on_to_the_function_as_it_is(dev: dict[str, Template]) -> None:
    template = dev["Api"]
    alias = {"Ref": logical_id(template, "AWS::Lambda::Alias")}

    for method in routes(template).values():
        integration = method["Integration"]
        assert (integration["Type"], integration["IntegrationHttpMethod"]) == ("AWS_PROXY", "POST")
        assert alias in integration["Uri"]["Fn::Join"][1]
        assert "RequestModels" not in method
        assert "RequestValidatorId" not in method


def test_every_documented_route_reaches_the_function(dev: dict[str, Template]) -> None:
    document = json.loads((ROOT / "lambda" / "image_api" / "openapi.json").read_text())
    by_name = {path for _, path in routes(dev["Api"])} - {"/v1/{proxy+}", "/console/{proxy+}"}
    below = ("/v1/", "/console/")

    assert len(document["paths"]) > 10
    assert [path for path in document["paths"] if path not in by_name and not path.startswith(below)] == []


def test_api_stack_stays_small(dev: dict[str, Template], synth: Synth) -> None:
    without_page = synth(console={"enabled": False})["Api"]["Resources"]

    assert len(without_page) <= 45
    # The page: two resources, and the methods of its files and of the root.
    assert len(dev["Api"]["Resources"]) - len(without_page) == 4


def test_without_the_page_neither_gateway_nor_function_know_it(synth: Synth) -> None:
    template = synth(console={"enabled": False})["Api"]

    assert not [path for _, path in routes(template) if path == "/" or path.startswith("/console")]
    assert "SDXL_CONSOLE" not in image_function(template)["Environment"]["Variables"]


def test_function_is_told_how_visitors_of_the_page_identify_themselves(dev: dict[str, Template]) -> None:
    assert image_function(dev["Api"])["Environment"]["Variables"]["SDXL_CONSOLE"] == '{"mode":"api_key"}'


def test_api_is_regional_and_takes_and_sends_images_as_bytes(dev: dict[str, Template]) -> None:
    api = the(dev["Api"], "AWS::ApiGateway::RestApi")

    assert api["EndpointConfiguration"] == {"Types": ["REGIONAL"]}
    assert api["BinaryMediaTypes"] == ["image/png", "multipart/form-data"]
    assert "Policy" not in api


def test_integration_timeout_is_the_environments(synth: Synth) -> None:
    template = synth(api={"integration_timeout_seconds": 60})["Api"]

    assert {method["Integration"]["TimeoutInMillis"] for method in routes(template).values()} == {60_000}
    assert "60 seconds" in gateway_responses(template)["INTEGRATION_TIMEOUT"]["message"]


def gateway_responses(template: Template) -> dict[str, dict[str, str]]:
    """Bodies by type, as API Gateway would send them."""
    bodies = {}
    for response in resources(template, "AWS::ApiGateway::GatewayResponse").values():
        body = response["Properties"]["ResponseTemplates"]["application/json"]
        filled = body.replace("$context.requestId", "id-1").replace("$context.error.messageString", '"said \\"so\\""')
        bodies[response["Properties"]["ResponseType"]] = json.loads(filled)
        assert "$" not in filled
    return bodies


STATUSES = {
    "UNAUTHORIZED": ("401", "unauthorized", "invalid_request_error", "invalid_api_key"),
    "ACCESS_DENIED": ("403", "permission_denied", "permission_error", "permission_denied"),
    "INVALID_API_KEY": ("401", "unauthorized", "invalid_request_error", "invalid_api_key"),
    "MISSING_AUTHENTICATION_TOKEN": ("404", "not_found", "invalid_request_error", "not_found"),
    "REQUEST_TOO_LARGE": ("413", "request_too_large", "invalid_request_error", "request_too_large"),
    "UNSUPPORTED_MEDIA_TYPE": ("415", "unsupported_media_type", "invalid_request_error", "unsupported_media_type"),
    "THROTTLED": ("429", "rate_limit_exceeded", "requests", "rate_limit_exceeded"),
    "QUOTA_EXCEEDED": ("429", "quota_exceeded", "insufficient_quota", "insufficient_quota"),
    "INTEGRATION_TIMEOUT": ("504", "model_timeout", "server_error", "model_timeout"),
    "INTEGRATION_FAILURE": ("502", "internal_error", "server_error", "internal_error"),
    "DEFAULT_4XX": (None, "bad_request", "invalid_request_error", "bad_request"),
    "DEFAULT_5XX": (None, "internal_error", "server_error", "internal_error"),
}


def test_gateway_answers_in_a_shape_that_clients_of_both_conventions_read(dev: dict[str, Template]) -> None:
    bodies = gateway_responses(dev["Api"])
    responses = [
        response["Properties"] for response in resources(dev["Api"], "AWS::ApiGateway::GatewayResponse").values()
    ]

    statuses = {response["ResponseType"]: response.get("StatusCode") for response in responses}
    assert {
        name: (statuses[name], body["name"], body["error"]["type"], body["error"]["code"])
        for name, body in bodies.items()
    } == STATUSES
    for body in bodies.values():
        assert set(body) == {"id", "name", "message", "error"}
        assert set(body["error"]) == {"message", "type", "param", "code"}
        assert body["error"]["message"] == body["message"]
        assert body["error"]["param"] is None
        assert body["id"] == "id-1"
        assert len(body["message"]) > 5
    by_type = {response["ResponseType"]: response.get("ResponseParameters") for response in responses}
    assert by_type["THROTTLED"] == {"gatewayresponse.header.Retry-After": "'1'"}
    challenge = {"gatewayresponse.header.WWW-Authenticate": "'Bearer'"}
    assert by_type["UNAUTHORIZED"] == by_type["INVALID_API_KEY"] == challenge


def test_text_of_an_unknown_route_leads_to_every_other(dev: dict[str, Template]) -> None:
    message = gateway_responses(dev["Api"])["MISSING_AUTHENTICATION_TOKEN"]["message"]

    for path in ("text-to-image", "image-to-image", "masking", "generations", "edits", "variations"):
        assert f"/{path}" in message
    assert "GET /openapi.json" in message


def test_usage_plan_has_the_environments_limits(prod: dict[str, Template]) -> None:
    template = prod["Api"]
    plan = the(template, "AWS::ApiGateway::UsagePlan")

    assert plan["Throttle"] == {"RateLimit": 20, "BurstLimit": 40}
    assert plan["Quota"] == {"Limit": 200000, "Period": "MONTH"}
    assert plan["ApiStages"] == [
        {
            "ApiId": {"Ref": logical_id(template, "AWS::ApiGateway::RestApi")},
            "Stage": {"Ref": logical_id(template, "AWS::ApiGateway::Stage")},
            # None for single methods.
            "Throttle": {},
        }
    ]
    assert the(template, "AWS::ApiGateway::UsagePlanKey")["KeyId"] == {
        "Ref": logical_id(template, "AWS::ApiGateway::ApiKey")
    }


def test_usage_plan_without_quota_has_none(synth: Synth) -> None:
    assert "Quota" not in the(synth(api={"quota": None})["Api"], "AWS::ApiGateway::UsagePlan")


def test_stage_logs_traces_and_throttles_the_open_route(dev: dict[str, Template]) -> None:
    template = dev["Api"]
    stage = the(template, "AWS::ApiGateway::Stage")
    every, *throttled = stage["MethodSettings"]

    assert stage["StageName"] == "api"
    assert stage["TracingEnabled"] is True
    destination = with_names(template, stage["AccessLogSetting"]["DestinationArn"])["Fn::Join"][1]
    assert "".join(destination) == "arn:aws:logs:us-east-1:111122223333:log-group:/aws/apigateway/sdxl-dev"
    assert every == {
        "HttpMethod": "*",
        "ResourcePath": "/*",
        "MetricsEnabled": True,
        "LoggingLevel": "ERROR",
        "DataTraceEnabled": False,
        # Of its one key: whoever has none cannot send more than all who have.
        "ThrottlingRateLimit": 5,
        "ThrottlingBurstLimit": 10,
    }
    limits = {
        (setting["ResourcePath"], setting["HttpMethod"]): (
            setting["ThrottlingRateLimit"],
            setting["ThrottlingBurstLimit"],
        )
        for setting in throttled
    }
    # API Gateway refuses ANY in a method setting.
    verbs = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
    assert limits == {
        **{
            (path, verb): (5, 10)
            for path in ("/~1health", "/~1openapi.json", "/", "/~1console~1{proxy+}")
            for verb in verbs
        },
        ("/~1v1~1{proxy+}", "OPTIONS"): (50, 100),
    }
    depends_on = template["Resources"][logical_id(template, "AWS::ApiGateway::Stage")]["DependsOn"]
    assert logical_id(template, "AWS::ApiGateway::Account") in depends_on


def test_stage_lets_through_what_all_keys_together_may_send(synth: Synth) -> None:
    keys = [{"name": "shop", "throttle": {"requests_per_second": 2.5, "burst": 7}}, {"name": "studio"}]
    api = {"throttle": {"requests_per_second": 20, "burst": 40}, "keys": keys}

    every = the(synth(api=api)["Api"], "AWS::ApiGateway::Stage")["MethodSettings"][0]

    assert (every["ThrottlingRateLimit"], every["ThrottlingBurstLimit"]) == (22.5, 47)


def test_access_log_is_json_and_holds_no_prompt(dev: dict[str, Template]) -> None:
    entry = json.loads(the(dev["Api"], "AWS::ApiGateway::Stage")["AccessLogSetting"]["Format"])

    assert entry["requestId"] == "$context.requestId"
    assert all(value.startswith("$context.") for value in entry.values())


def test_log_setting_of_the_account_stays_when_the_stack_goes(dev: dict[str, Template]) -> None:
    template = dev["Api"]
    account = template["Resources"][logical_id(template, "AWS::ApiGateway::Account")]
    role = template["Resources"][account["Properties"]["CloudWatchRoleArn"]["Fn::GetAtt"][0]]

    assert account["DeletionPolicy"] == role["DeletionPolicy"] == "RetainExceptOnCreate"


def test_deployment_holds_everything_and_is_made_anew_when_any_of_it_changes(
    synth: Synth, monkeypatch: pytest.MonkeyPatch
) -> None:
    template = synth()["Api"]
    before = logical_id(template, DEPLOYMENT)
    parts = {
        name
        for name, found in template["Resources"].items()
        if found["Type"].removeprefix("AWS::ApiGateway::") in ("Authorizer", "Method", "Resource", "GatewayResponse")
    }

    assert set(template["Resources"][before]["DependsOn"]) == parts
    assert logical_id(synth(tags={"team": "images"})["Api"], DEPLOYMENT) == before
    assert logical_id(synth(api={"integration_timeout_seconds": 28})["Api"], DEPLOYMENT) != before
    assert logical_id(synth(api={"cors": {"allow_origins": ["https://a.example"]}})["Api"], DEPLOYMENT) != before

    assert logical_id(synth(api={"auth": {"mode": "iam"}})["Api"], DEPLOYMENT) != before
    private = {"private": {"vpc_endpoint_ids": ["vpce-0123456789abcdef0"]}}
    assert logical_id(synth(api=private)["Api"], DEPLOYMENT) != before

    monkeypatch.setattr("stacks.constructs.rest_api.BINARY_MEDIA_TYPES", ["image/png"])
    assert logical_id(synth()["Api"], DEPLOYMENT) != before


def error_headers(template: Template) -> list[dict[str, str]]:
    """Headers of each gateway response."""
    found = resources(template, "AWS::ApiGateway::GatewayResponse").values()
    return [response["Properties"].get("ResponseParameters", {}) for response in found]


def test_without_origins_no_cross_origin_access_is_offered(dev: dict[str, Template]) -> None:
    assert "Access-Control" not in json.dumps(dev["Api"])


@pytest.mark.parametrize("origin", ["https://images.example.com", "*"])
def test_one_origin_is_in_the_gateways_errors_as_a_constant(synth: Synth, origin: str) -> None:
    for headers in error_headers(synth(api={"cors": {"allow_origins": [origin]}})["Api"]):
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == f"'{origin}'"


def test_of_several_origins_the_gateways_errors_repeat_the_callers_own(examples: Synthesis) -> None:
    for headers in error_headers(examples.templates["staging"]["Api"]):
        assert headers["gatewayresponse.header.Access-Control-Allow-Origin"] == "method.request.header.Origin"
        assert headers["gatewayresponse.header.Vary"] == "'Origin'"


def test_preflight_reaches_the_function_which_chooses_among_the_origins(examples: Synthesis) -> None:
    template = examples.templates["staging"]["Api"]

    for path in ("/v1/{proxy+}", "/health", "/openapi.json"):
        method = routes(template).get(("OPTIONS", path)) or routes(template)["ANY", path]
        assert (method["AuthorizationType"], method["Integration"]["Type"]) == ("NONE", "AWS_PROXY")
    variables = image_function(template)["Environment"]["Variables"]
    assert variables["SDXL_CORS_ALLOW_ORIGINS"] == "http://localhost:3000,https://images.staging.example.com"


def test_outputs_have_their_plain_names(dev: dict[str, Template]) -> None:
    outputs = {name: item for name, item in dev["Api"]["Outputs"].items() if not name.startswith("ExportsOutput")}

    assert set(outputs) == {"ApiUrl", "ApiKeyId", "RestApiId", "FunctionName", "AuthMode"}
    assert outputs["AuthMode"]["Value"] == "api_key"
    address = outputs["ApiUrl"]["Value"]["Fn::Join"][1]
    assert address[0] == "https://"
    assert address[-1] == "/api"
