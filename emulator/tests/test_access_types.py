"""The resource types of tables, sign-in and authorizers: what they carry arrives, what AWS refuses is refused."""

from __future__ import annotations

from typing import Any

import jwt
import pytest
from access_stack import Stack, resource
from botocore.exceptions import ClientError
from werkzeug.test import Client as HttpClient

from emulator.tokens import create_tokens_app

TABLE = {
    "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
    "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
    "BillingMode": "PAY_PER_REQUEST",
}


def test_a_table_has_expiry_recovery_and_encryption_and_loses_them(stack: Stack, own: Any) -> None:
    settings = {
        "TimeToLiveSpecification": {"AttributeName": "expiration", "Enabled": "true"},
        "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
        "SSESpecification": {"SSEEnabled": True, "SSEType": "KMS", "KMSMasterKeyId": "alias/mine"},
    }
    table = stack.deploy({"T": resource("AWS::DynamoDB::Table", **TABLE, **settings)})["T"]
    dynamodb = own("dynamodb")

    def state() -> tuple[str, str, bool]:
        expiry = dynamodb.describe_time_to_live(TableName=table)["TimeToLiveDescription"]["TimeToLiveStatus"]
        backups = dynamodb.describe_continuous_backups(TableName=table)["ContinuousBackupsDescription"]
        recovery = backups["PointInTimeRecoveryDescription"]["PointInTimeRecoveryStatus"]
        return expiry, recovery, "SSEDescription" in dynamodb.describe_table(TableName=table)["Table"]

    assert state() == ("ENABLED", "ENABLED", True)
    assert stack.deploy({"T": resource("AWS::DynamoDB::Table", **TABLE)})["T"] == table
    assert state() == ("DISABLED", "DISABLED", False)


def test_a_table_takes_the_conditional_writes_of_idempotency(stack: Stack, own: Any) -> None:
    table = stack.deploy({"T": resource("AWS::DynamoDB::Table", **TABLE)})["T"]
    dynamodb = own("dynamodb")

    def claim(now: int) -> None:
        dynamodb.put_item(
            TableName=table,
            Item={"id": {"S": "key"}, "status": {"S": "INPROGRESS"}, "expiration": {"N": str(now + 60)}},
            ConditionExpression=(
                "attribute_not_exists(#id) OR #expiry < :now OR (#status = :inprogress AND "
                "attribute_exists(#in_progress_expiry) AND #in_progress_expiry < :now_in_millis)"
            ),
            ExpressionAttributeNames={
                "#id": "id",
                "#expiry": "expiration",
                "#status": "status",
                "#in_progress_expiry": "in_progress_expiration",
            },
            ExpressionAttributeValues={
                ":now": {"N": str(now)},
                ":now_in_millis": {"N": str(now * 1000)},
                ":inprogress": {"S": "INPROGRESS"},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    claim(1000)
    with pytest.raises(ClientError) as caught:
        claim(1001)
    claim(1061)

    assert caught.value.response["Error"]["Code"] == "ConditionalCheckFailedException"
    assert caught.value.response["Item"]["status"] == {"S": "INPROGRESS"}


def people(**client: Any) -> dict[str, Any]:
    return {
        "Pool": resource(
            "AWS::Cognito::UserPool",
            UserPoolName="people",
            UsernameAttributes=["email"],
            MfaConfiguration="ON",
            EnabledMfas=["SOFTWARE_TOKEN_MFA"],
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": "true"},
            UserPoolTier="ESSENTIALS",
        ),
        "Server": resource(
            "AWS::Cognito::UserPoolResourceServer",
            Identifier="sdxl",
            Name="sdxl",
            Scopes=[{"ScopeName": "generate", "ScopeDescription": "make images"}],
            UserPoolId={"Ref": "Pool"},
        ),
        "Client": {
            **resource(
                "AWS::Cognito::UserPoolClient",
                UserPoolId={"Ref": "Pool"},
                AllowedOAuthFlows=["code"],
                AllowedOAuthFlowsUserPoolClient=True,
                AllowedOAuthScopes=["openid", "sdxl/generate"],
                CallbackURLs=["https://a.example"],
                **client,
            ),
            "DependsOn": "Server",
        },
        "Domain": resource("AWS::Cognito::UserPoolDomain", Domain="sdxl-people", UserPoolId={"Ref": "Pool"}),
    }


def test_a_pool_its_client_scopes_and_domain_arrive_and_change(stack: Stack, own: Any) -> None:
    made = stack.deploy(people(AccessTokenValidity="30"))
    changed = stack.deploy(people(AccessTokenValidity=60))
    cognito = own("cognito-idp")
    pool = cognito.describe_user_pool(UserPoolId=made["Pool"])["UserPool"]
    client = cognito.describe_user_pool_client(UserPoolId=made["Pool"], ClientId=made["Client"])["UserPoolClient"]

    assert made == changed
    assert (pool["Name"], pool["MfaConfiguration"], pool["UsernameAttributes"]) == ("people", "ON", ["email"])
    assert pool["Domain"] == "sdxl-people"
    assert (client["AccessTokenValidity"], client["AllowedOAuthScopes"]) == (60, ["openid", "sdxl/generate"])
    assert "DELETE_COMPLETE" in stack.delete() or not cognito.list_user_pools(MaxResults=5)["UserPools"]


def test_tokens_of_a_pool_have_its_clients_scopes(stack: Stack, own: Any) -> None:
    made = stack.deploy(people())
    own("cognito-idp").admin_create_user(UserPoolId=made["Pool"], Username="ada@example.com")
    http = HttpClient(create_tokens_app())
    asked = {"user_pool_id": made["Pool"], "client_id": made["Client"], "username": "ada@example.com"}

    given = http.post("/", json=asked).json
    claims = jwt.decode(given["access_token"], options={"verify_signature": False})

    assert (claims["scope"], claims["client_id"]) == ("openid sdxl/generate", made["Client"])
    for wrong in ("user_pool_id", "client_id", "username"):
        answer = http.post("/", json={**asked, wrong: "absent"})
        assert (answer.status_code, "'absent'" in answer.json["message"]) == (400, True)
    assert http.post("/", json={}).status_code == 400
    assert http.get("/").status_code == 405


def test_a_clients_scopes_must_exist(stack: Stack) -> None:
    resources = people()
    del resources["Client"]["DependsOn"], resources["Server"]

    assert "Invalid scope requested: sdxl/generate" in stack.failure(resources)


def test_a_protected_pool_is_not_deleted(stack: Stack, own: Any) -> None:
    pool = stack.deploy({"P": resource("AWS::Cognito::UserPool", DeletionProtection="ACTIVE")})["P"]

    assert "deletion protection is activated" in stack.delete()
    assert own("cognito-idp").describe_user_pool(UserPoolId=pool)


def authorized(**authorizer: Any) -> dict[str, Any]:
    return {
        "Api": resource("AWS::ApiGateway::RestApi", Name="api", ApiKeySourceType="AUTHORIZER"),
        "Guard": resource("AWS::ApiGateway::Authorizer", Name="guard", RestApiId={"Ref": "Api"}, **authorizer),
    }


def test_an_authorizer_arrives_and_changes_under_its_id(stack: Stack, own: Any) -> None:
    uri = "arn:aws:apigateway:r:lambda:path/2015-03-31/functions/f/invocations"
    made = stack.deploy(authorized(Type="REQUEST", AuthorizerUri=uri, AuthorizerResultTtlInSeconds="0"))
    again = stack.deploy(
        authorized(
            Type="REQUEST",
            AuthorizerUri=uri,
            AuthorizerResultTtlInSeconds=60,
            IdentitySource="method.request.header.Authorization",
        )
    )
    listed = own("apigateway").get_authorizers(restApiId=made["Api"])["items"]

    assert made == again
    assert [(item["id"], item["authorizerResultTtlInSeconds"]) for item in listed] == [(made["Guard"], 60)]


@pytest.mark.parametrize(
    ("authorizer", "message"),
    [
        ({"Type": "REQUEST", "AuthorizerUri": "u"}, "IdentitySource is missing"),
        ({"Type": "COGNITO_USER_POOLS"}, "ProviderARNs is missing"),
        ({"Type": "TOKEN", "AuthorizerResultTtlInSeconds": 3601}, "must be from 0 to 3600, not 3601"),
    ],
)
def test_an_authorizer_that_cannot_work_is_refused(stack: Stack, authorizer: dict[str, Any], message: str) -> None:
    assert message in stack.failure(authorized(**authorizer))


def test_a_property_that_is_not_carried_is_refused(stack: Stack) -> None:
    table = {**TABLE, "StreamSpecification": {"StreamViewType": "KEYS_ONLY"}}

    assert "StreamSpecification" in stack.failure({"T": resource("AWS::DynamoDB::Table", **table)})
