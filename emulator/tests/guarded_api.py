"""The REST API whose methods have every kind of authorization, and the functions behind it."""

from __future__ import annotations

from typing import Any

from emulator_support import ACCOUNT, REGION, Clients, zipped
from moto.apigateway.models import apigateway_backends

ECHO = """
import json

def handler(event, context):
    return {"statusCode": 200, "body": json.dumps(event)}
"""
AUTHORIZER = """
import json

calls = 0

def handler(event, context):
    global calls
    calls += 1
    word = (event.get("headers") or {}).get("X-Word") or event.get("authorizationToken", "")
    if word == "unauthorized":
        raise Exception("Unauthorized")
    if word == "crash":
        raise ValueError("internal detail")
    if word == "nonsense":
        return {"principalId": "somebody"}
    if word == "nested":
        return {"principalId": "p", "policyDocument": policy("Allow", "*"), "context": {"a": [1]}}
    answer = {
        "principalId": "somebody",
        "policyDocument": policy("Deny" if word == "deny" else "Allow", event["methodArn"]),
        "context": {"calls": calls, "trusted": True, "event": json.dumps(event)},
    }
    if word == "elsewhere":
        answer["policyDocument"] = policy("Allow", event["methodArn"] + "/other")
    if word.startswith("key:"):
        answer["usageIdentifierKey"] = word.removeprefix("key:")
    return answer

def policy(effect, resource):
    statement = {"Effect": effect, "Action": "execute-api:Invoke", "Resource": resource}
    return {"Version": "2012-10-17", "Statement": [statement]}
"""


def make_function(client: Clients, role_arn: str, name: str, code: str) -> str:
    created = client("lambda").create_function(
        FunctionName=name,
        Runtime="python3.13",
        Role=role_arn,
        Handler="app.handler",
        Timeout=10,
        Code={"ZipFile": zipped({"app.py": code})},
    )
    return str(created["FunctionArn"])


def uri(function_arn: str) -> str:
    return f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


def build_guarded_api(client: Clients, role_arn: str, pool_arn: str) -> tuple[str, str]:
    """The API's id and the value of its key."""
    api = client("apigateway")
    echo = uri(make_function(client, role_arn, "behind-the-guard", ECHO))
    guard = uri(make_function(client, role_arn, "guard", AUTHORIZER))
    api_id = api.create_rest_api(name="guarded", apiKeySource="AUTHORIZER")["id"]
    apigateway_backends[ACCOUNT][REGION].apis[api_id].binaryMediaTypes = ["image/png", "multipart/form-data"]
    root = api.get_resources(restApiId=api_id)["items"][0]["id"]

    def authorizer(name: str, kind: str, **more: Any) -> str:
        return str(api.create_authorizer(restApiId=api_id, name=name, type=kind, **more)["id"])

    def method(path: str, kind: str, **more: Any) -> None:
        resource = api.create_resource(restApiId=api_id, parentId=root, pathPart=path)["id"]
        where = {"restApiId": api_id, "resourceId": resource, "httpMethod": "POST"}
        api.put_method(**where, authorizationType=kind, **more)
        api.put_integration(**where, type="AWS_PROXY", integrationHttpMethod="POST", uri=echo)

    word = "method.request.header.X-Word"
    plain = authorizer("plain", "REQUEST", authorizerUri=guard, authorizerResultTtlInSeconds=0)
    cached = authorizer("cached", "REQUEST", authorizerUri=guard, identitySource=word, authorizerResultTtlInSeconds=60)
    token = authorizer(
        "token", "TOKEN", authorizerUri=guard, identitySource=word, identityValidationExpression="[a-z]+"
    )
    pool = authorizer(
        "pool", "COGNITO_USER_POOLS", providerARNs=[pool_arn], identitySource="method.request.header.Authorization"
    )
    method("open", "NONE")
    method("plain", "CUSTOM", authorizerId=plain)
    method("keyed", "CUSTOM", authorizerId=plain, apiKeyRequired=True)
    method("cached", "CUSTOM", authorizerId=cached)
    method("token", "CUSTOM", authorizerId=token)
    method("signed", "AWS_IAM")
    method("people", "COGNITO_USER_POOLS", authorizerId=pool)
    method("scoped", "COGNITO_USER_POOLS", authorizerId=pool, authorizationScopes=["sdxl/generate"])
    template = '{"type":"$context.error.responseType","message":$context.error.messageString}'
    for response_type in ("DEFAULT_4XX", "DEFAULT_5XX"):
        api.put_gateway_response(
            restApiId=api_id, responseType=response_type, responseTemplates={"application/json": template}
        )
    api.create_deployment(restApiId=api_id, stageName="api")
    plan = api.create_usage_plan(name="guarded", apiStages=[{"apiId": api_id, "stage": "api"}])["id"]
    key = api.create_api_key(name="guarded", enabled=True)
    api.create_usage_plan_key(usagePlanId=plan, keyId=key["id"], keyType="API_KEY")
    return str(api_id), str(key["value"])
