"""The REST API that the gateway's tests deploy, and the function behind it."""

from __future__ import annotations

from typing import Any

from emulator_support import ACCOUNT, REGION, Clients
from moto.apigateway.models import apigateway_backends

HANDLER = """
import base64, json, os, time

def handler(event, context):
    body = json.loads(event["body"]) if event["body"] and not event["isBase64Encoded"] else {}
    answer = body.get("answer")
    if answer == "crash":
        os._exit(1)
    if answer == "raise":
        raise ValueError("internal detail")
    if answer == "sleep":
        time.sleep(2)
    if answer == "image":
        data = base64.b64encode(bytes(range(256))).decode()
        return {"statusCode": 200, "headers": {"Content-Type": "image/png"}, "body": data, "isBase64Encoded": True}
    if answer is not None:
        return answer
    return {"statusCode": 200, "body": json.dumps(event), "headers": {"X-Mine": "1", "Date": "then", "X-Flag": True},
            "multiValueHeaders": {"Set-Cookie": ["a=1", "b=2"]}}
"""
ACCESS_LOG = "$context.requestId $context.httpMethod $context.resourcePath $context.status $context.absent"


def build_api(client: Clients, function_arn: str) -> tuple[str, str]:
    api = client("apigateway")
    api_id = api.create_rest_api(name="tested")["id"]
    apigateway_backends[ACCOUNT][REGION].apis[api_id].binaryMediaTypes = ["image/png"]
    root = api.get_resources(restApiId=api_id)["items"][0]["id"]

    def resource(parent: str, part: str) -> str:
        return str(api.create_resource(restApiId=api_id, parentId=parent, pathPart=part)["id"])

    def method(resource_id: str, http_method: str, integration: dict[str, Any], **more: Any) -> None:
        where = {"restApiId": api_id, "resourceId": resource_id, "httpMethod": http_method}
        api.put_method(**where, authorizationType="NONE", **more)
        api.put_integration(**where, **integration)

    uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function_arn}/invocations"
    proxy = {"type": "AWS_PROXY", "integrationHttpMethod": "POST", "uri": uri}
    items = resource(resource(root, "v1"), "items")
    item = resource(items, "{id}")
    method(item, "POST", {**proxy}, apiKeyRequired=True)
    method(item, "OPTIONS", {**proxy})
    method(items, "GET", {**proxy})
    rest = resource(resource(root, "proxied"), "{proxy+}")
    method(rest, "ANY", {**proxy}, apiKeyRequired=True)
    method(rest, "OPTIONS", {**proxy})
    method(resource(root, "impatient"), "POST", {**proxy, "timeoutInMillis": 300})
    method(resource(root, "limited"), "POST", {**proxy})
    method(resource(root, "away"), "GET", {"type": "HTTP_PROXY", "integrationHttpMethod": "GET", "uri": "http://a.b"})
    method(resource(root, "guarded"), "GET", {**proxy})
    resources = apigateway_backends[ACCOUNT][REGION].apis[api_id].resources
    guarded = next(r for r in resources.values() if r.path_part == "guarded")
    guarded.resource_methods["GET"].authorization_type = "CUSTOM"
    api.put_gateway_response(
        restApiId=api_id,
        responseType="INVALID_API_KEY",
        statusCode="422",
        responseParameters={
            "gatewayresponse.header.x-request": "context.requestId",
            "gatewayresponse.header.Access-Control-Allow-Origin": "'*'",
            "gatewayresponse.header.x-origin": "method.request.header.Origin",
        },
        responseTemplates={
            "application/json": '{"id":"$context.requestId","name":"bad","message":$context.error.messageString}'
        },
    )
    api.put_gateway_response(
        restApiId=api_id,
        responseType="DEFAULT_4XX",
        responseTemplates={
            "application/json": '{"type":"$context.error.responseType","stage":"$stageVariables.color"}'
        },
    )
    deployment = api.create_deployment(restApiId=api_id)["id"]
    api.create_stage(restApiId=api_id, stageName="api", deploymentId=deployment, variables={"color": "blue"})
    record = apigateway_backends[ACCOUNT][REGION].apis[api_id].stages["api"]
    record.access_log_settings = {
        "destinationArn": f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:access",
        "format": ACCESS_LOG,
    }
    record.method_settings = {"~1limited/POST": {"throttlingRateLimit": 0.001, "throttlingBurstLimit": 2}}
    plan = api.create_usage_plan(
        name="plan",
        apiStages=[{"apiId": api_id, "stage": "api"}],
        throttle={"rateLimit": 1000, "burstLimit": 1000},
        quota={"limit": 1000, "period": "DAY"},
    )["id"]
    key = api.create_api_key(name="key", enabled=True)
    api.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return api_id, key["value"]
