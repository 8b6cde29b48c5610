"""A deployed API served: from the HTTP request to the function and back."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from emulator_api import HANDLER, build_api
from emulator_support import ACCOUNT, REGION, Answer, Clients, http, serve, zipped
from moto.apigateway.models import apigateway_backends

from emulator.gateway import create_gateway_app

pytestmark = pytest.mark.allow_loopback


@dataclass
class Deployed:
    """The API under test."""

    url: str
    api_id: str
    key: str
    clock: Any

    def post(self, body: Any, path: str = "/v1/items/7", **headers: str) -> Answer:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return http("POST", self.url + path, data, {"Content-Type": "application/json", "x-api-key": self.key, **names})


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(scope="module")
def deployed(client: Clients, role_arn: str) -> Iterator[Deployed]:
    clock = Clock()
    function_arn = client("lambda").create_function(
        FunctionName="behind-the-gateway",
        Runtime="python3.13",
        Role=role_arn,
        Handler="app.handler",
        Timeout=10,
        Code={"ZipFile": zipped({"app.py": HANDLER})},
    )["FunctionArn"]
    api_id, key = build_api(client, function_arn)
    server = serve(create_gateway_app(clock))
    yield Deployed(f"http://127.0.0.1:{server.server_port}", api_id, key, clock)
    server.shutdown()
    server.server_close()
    client("apigateway").delete_rest_api(restApiId=api_id)


@pytest.fixture
def plan(deployed: Deployed) -> Iterator[Any]:
    """The usage plan, put back as it was."""
    plans = apigateway_backends[ACCOUNT][REGION].usage_plans.values()
    (record,) = (found for found in plans if found.name == "plan")
    before = record.throttle, record.quota
    yield record
    record.throttle, record.quota = before
    deployed.clock.now += 100_000


def test_a_request_reaches_the_function_as_a_proxy_event(deployed: Deployed) -> None:
    answer = deployed.post({"steps": 20, "u": "\u706f"}, path="/v1/items/a%20b?q=1&q=2&x=", Origin="https://a.example")

    event = answer.json()
    assert answer.status == 200
    assert event["resource"] == "/v1/items/{id}"
    assert event["path"] == "/v1/items/a%20b"
    assert event["httpMethod"] == "POST"
    assert event["pathParameters"] == {"id": "a b"}
    assert event["queryStringParameters"] == {"q": "2", "x": ""}
    assert event["multiValueQueryStringParameters"]["q"] == ["1", "2"]
    assert event["headers"]["Origin"] == "https://a.example"
    assert event["multiValueHeaders"]["Origin"] == ["https://a.example"]
    assert event["headers"]["X-Forwarded-For"] == "127.0.0.1"
    assert event["stageVariables"] == {"color": "blue"}
    assert json.loads(event["body"]) == {"steps": 20, "u": "\u706f"}
    assert event["isBase64Encoded"] is False
    context = event["requestContext"]
    assert (context["accountId"], context["apiId"], context["stage"]) == (ACCOUNT, deployed.api_id, "api")
    assert (context["resourcePath"], context["path"]) == ("/v1/items/{id}", "/v1/items/a%20b")
    assert context["identity"]["sourceIp"] == "127.0.0.1"
    assert context["identity"]["apiKey"] == deployed.key
    assert context["requestId"] == answer.headers["x-amzn-RequestId"]


def test_a_request_has_the_id_that_its_caller_gave_it(deployed: Deployed) -> None:
    answer = deployed.post({}, **{"x-amzn-RequestId": "chosen-by-the-caller"})

    context = answer.json()["requestContext"]
    assert context["requestId"] == answer.headers["x-amzn-RequestId"] == "chosen-by-the-caller"
    assert context["extendedRequestId"] == answer.headers["x-amz-apigw-id"]


def test_the_functions_headers_come_back(deployed: Deployed) -> None:
    answer = deployed.post({})

    assert answer.headers["X-Mine"] == "1"
    assert answer.headers["X-Flag"] == "true"
    assert answer.headers.get_all("Set-Cookie") == ["a=1", "b=2"]
    assert answer.headers["x-amzn-Remapped-Date"] == "then"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["x-amz-apigw-id"]


def test_the_api_is_also_served_by_its_path_and_by_its_host(deployed: Deployed) -> None:
    by_path = http("OPTIONS", f"{deployed.url}/_aws/execute-api/{deployed.api_id}/api/v1/items/7")
    host = f"{deployed.api_id}.execute-api.{REGION}.amazonaws.com"
    by_host = http("OPTIONS", f"{deployed.url}/api/v1/items/7", headers={"Host": host})
    absent = http("GET", f"{deployed.url}/_aws/execute-api/absent/api/")

    assert by_path.status == by_host.status == 200
    assert by_path.json()["path"] == by_host.json()["path"] == "/v1/items/7"
    assert absent.status == 404
    assert absent.json()["message"] == "no API 'absent' is deployed to a stage 'api'"


def test_everything_under_a_proxy_resource_reaches_the_function(deployed: Deployed) -> None:
    answer = deployed.post({"steps": 1}, path="/proxied/a/b%20c?q=1")

    event = answer.json()
    assert answer.status == 200
    assert (event["resource"], event["path"]) == ("/proxied/{proxy+}", "/proxied/a/b%20c")
    assert event["pathParameters"] == {"proxy": "a/b c"}
    assert event["requestContext"]["resourcePath"] == "/proxied/{proxy+}"
    assert event["requestContext"]["httpMethod"] == "POST"


def test_a_preflight_reaches_the_function_without_a_key(deployed: Deployed) -> None:
    answer = http("OPTIONS", f"{deployed.url}/proxied/a", headers={"Origin": "https://a.example"})

    assert answer.status == 200
    assert answer.json()["httpMethod"] == "OPTIONS"
    assert http("GET", f"{deployed.url}/proxied/a").headers["x-amzn-ErrorType"] == "ForbiddenException"


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/absent"), ("GET", "/v1/items/7"), ("HEAD", "/v1/items"), ("GET", "/")]
)
def test_an_unknown_route_lacks_an_authentication_token(deployed: Deployed, method: str, path: str) -> None:
    answer = http(method, deployed.url + path)

    assert answer.status == 403
    assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
    if method != "HEAD":
        assert answer.json() == {"type": "MISSING_AUTHENTICATION_TOKEN", "stage": "blue"}


@pytest.mark.parametrize("key", ["", "wrong"])
def test_a_missing_or_wrong_key_is_forbidden(deployed: Deployed, key: str) -> None:
    answer = deployed.post({}, x_api_key=key)

    assert answer.status == 422
    assert answer.json()["name"] == "bad"


def test_an_error_of_the_gateway_is_worded_by_its_gateway_response(deployed: Deployed) -> None:
    answer = deployed.post({}, x_api_key="wrong", Origin="https://a.example")

    assert answer.status == 422
    assert answer.json()["message"] == "Forbidden"
    assert answer.json()["id"] == answer.headers["x-amzn-RequestId"]
    assert answer.headers["x-request"] == answer.headers["x-amzn-RequestId"]
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["x-origin"] == "https://a.example"
    assert answer.headers["x-amzn-ErrorType"] == "ForbiddenException"


def test_a_body_over_ten_megabytes_is_too_large_for_the_gateway(deployed: Deployed) -> None:
    answer = deployed.post(b"x" * (10 * 1024 * 1024 + 1), Content_Type="text/plain")

    assert answer.status == 413
    # API Gateway's own words, whatever the API's gateway responses say.
    assert answer.json() == {"message": "HTTP content length exceeded 10485760 bytes."}


def test_a_body_over_six_megabytes_is_too_large_for_the_function(deployed: Deployed) -> None:
    answer = deployed.post(b"x" * (7 * 1024 * 1024), Content_Type="text/plain")

    assert answer.status == 413
    assert answer.json()["type"] == "REQUEST_TOO_LARGE"


def test_the_plans_throttle_limits(deployed: Deployed, plan: Any) -> None:
    deployed.clock.now += 100_000
    plan.throttle = {"rateLimit": 1, "burstLimit": 2}
    plan.id, before = "throttled-plan", plan.id
    backend = apigateway_backends[ACCOUNT][REGION]
    backend.usage_plan_keys[plan.id] = backend.usage_plan_keys[before]
    try:
        statuses = [deployed.post({}).status for _ in range(3)]
        deployed.clock.now += 1
        statuses.append(deployed.post({}).status)
    finally:
        plan.id = before

    assert statuses == [200, 200, 429, 200]


def test_the_plans_quota_limits_and_starts_again_the_next_day(deployed: Deployed, plan: Any) -> None:
    deployed.clock.now += 100_000
    plan.quota = {"limit": 1, "period": "DAY"}

    first, second = deployed.post({}), deployed.post({})
    deployed.clock.now += 86_400

    assert (first.status, second.status, deployed.post({}).status) == (200, 429, 200)
    assert second.json()["type"] == "QUOTA_EXCEEDED"
    assert second.headers["x-amzn-ErrorType"] == "LimitExceededException"


def test_a_function_that_is_too_slow_is_a_gateway_timeout(deployed: Deployed) -> None:
    answer = http("POST", f"{deployed.url}/impatient", b'{"answer": "sleep"}')

    assert answer.status == 504
    assert answer.json() == {"message": "Endpoint request timed out"}


def test_the_stages_own_throttle_of_a_method_limits(deployed: Deployed) -> None:
    assert [http("POST", f"{deployed.url}/limited", b"{}").status for _ in range(3)] == [200, 200, 429]


@pytest.mark.parametrize(
    "answer",
    [
        "crash",
        "raise",
        "a text",
        5,
        [],
        {"statusCode": "x"},
        {"statusCode": 99},
        {"statusCode": 200, "body": {"a": 1}},
        {"statusCode": 200, "headers": []},
        {"statusCode": 200, "unknown": 1},
    ],
)
def test_what_is_no_proxy_response_is_a_bad_gateway_that_tells_nothing(deployed: Deployed, answer: Any) -> None:
    response = deployed.post({"answer": answer})

    assert response.status == 502
    assert response.json() == {"message": "Internal server error"}
    assert response.headers["x-amzn-ErrorType"] == "InternalServerErrorException"


def test_binary_goes_in_and_out_by_media_type(deployed: Deployed) -> None:
    image = struct.pack("256B", *range(256))

    sent = deployed.post(image, Content_Type="image/png").json()
    fetched = deployed.post({"answer": "image"}, Accept="image/png,*/*")
    as_text = deployed.post({"answer": "image"}, Accept="application/json")

    assert sent["isBase64Encoded"] is True
    assert base64.b64decode(sent["body"]) == image
    assert (fetched.body, fetched.headers["Content-Type"]) == (image, "image/png")
    assert base64.b64decode(as_text.body) == image


def test_what_is_not_emulated_says_so(deployed: Deployed) -> None:
    away = http("GET", f"{deployed.url}/away")

    assert (away.status, away.json()["message"]) == (500, "not emulated: integration type HTTP_PROXY")


def test_a_method_whose_authorizer_does_not_exist_is_an_internal_error(deployed: Deployed) -> None:
    guarded = http("GET", f"{deployed.url}/guarded")

    assert (guarded.status, guarded.json()["message"]) == (500, "Internal server error")
    assert guarded.headers["x-amzn-ErrorType"] == "AuthorizerConfigurationException"


def test_every_request_leaves_an_access_log_line(deployed: Deployed, client: Clients) -> None:
    answer = deployed.post({}, x_api_key="wrong")

    events = client("logs").filter_log_events(logGroupName="access", filterPattern="")["events"]
    line = f"{answer.headers['x-amzn-RequestId']} POST /v1/items/{{id}} 422 -"
    assert line in [event["message"] for event in events]


def test_changes_are_served_only_when_they_are_deployed(deployed: Deployed, client: Clients) -> None:
    api = client("apigateway")
    items = next(r for r in api.get_resources(restApiId=deployed.api_id)["items"] if r["path"] == "/v1/items")
    where = {"restApiId": deployed.api_id, "resourceId": items["id"], "httpMethod": "DELETE"}
    api.put_method(**where, authorizationType="NONE")

    assert http("DELETE", f"{deployed.url}/v1/items").status == 403


def test_without_an_api_the_root_says_what_to_do(deployed: Deployed, client: Clients) -> None:
    api = client("apigateway")
    other = api.create_rest_api(name="other")["id"]
    root = api.get_resources(restApiId=other)["items"][0]["id"]
    where = {"restApiId": other, "resourceId": root, "httpMethod": "GET"}
    api.put_method(**where, authorizationType="NONE")
    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/absent/invocations"
    api.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=uri)
    api.create_deployment(restApiId=other, stageName="api")
    try:
        answer = http("GET", f"{deployed.url}/v1/items?page=1")
    finally:
        api.delete_rest_api(restApiId=other)

    assert answer.status == 404
    assert "2 APIs are deployed" in answer.json()["message"]
