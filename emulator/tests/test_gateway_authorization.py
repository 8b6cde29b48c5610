"""Who may call a deployed API: function authorizers, signatures and user pools."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from emulator_support import ACCOUNT, LAMBDA_TRUST, REGION, Answer, Clients, http, serve
from guarded_api import build_guarded_api
from moto.cognitoidp.models import cognitoidp_backends

from emulator.client import DUMMY_SECRET, access_key_id
from emulator.gateway import create_gateway_app
from emulator.iam.sessions import SESSIONS

pytestmark = pytest.mark.allow_loopback


class Clock:
    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@dataclass
class Guarded:
    """The API under test."""

    url: str
    api_id: str
    key: str
    clock: Clock
    pool: Any

    def post(self, path: str, body: bytes = b"{}", **headers: str) -> Answer:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return http("POST", f"{self.url}/{path}", body, {"Content-Type": "application/json", **names})


@pytest.fixture(scope="module")
def guarded(client: Clients, role_arn: str) -> Iterator[Guarded]:
    clock = Clock()
    pool_id = client("cognito-idp").create_user_pool(PoolName="people")["UserPool"]["Id"]
    pool = cognitoidp_backends[ACCOUNT][REGION].user_pools[pool_id]
    client("cognito-idp").admin_create_user(UserPoolId=pool_id, Username="ada", TemporaryPassword="Secret-123")
    api_id, key = build_guarded_api(client, role_arn, pool.arn)
    server = serve(create_gateway_app(clock))
    url = f"http://127.0.0.1:{server.server_port}/_aws/execute-api/{api_id}/api"
    yield Guarded(url, api_id, key, clock, pool)
    server.shutdown()
    server.server_close()
    client("apigateway").delete_rest_api(restApiId=api_id)


@pytest.fixture(autouse=True)
def present(guarded: Guarded) -> None:
    guarded.clock.ahead = 0


def refusal(answer: Answer) -> tuple[int, str, str]:
    body = answer.json()
    return answer.status, body["type"], body["message"]


def test_an_authorizer_gets_the_request_and_its_context_reaches_the_function(guarded: Guarded) -> None:
    answer = guarded.post("plain?q=1&q=2", X_Word="yes")

    assert answer.status == 200, answer.body
    passed = answer.json()["requestContext"]["authorizer"]
    event = json.loads(passed["event"])
    assert (passed["principalId"], passed["trusted"]) == ("somebody", "true")
    assert event["type"] == "REQUEST"
    assert event["methodArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT}:{guarded.api_id}/api/POST/plain"
    assert (event["resource"], event["path"], event["httpMethod"]) == ("/plain", "/plain", "POST")
    assert event["headers"]["X-Word"] == "yes"
    assert event["multiValueQueryStringParameters"] == {"q": ["1", "2"]}
    assert (event["pathParameters"], event["stageVariables"]) == ({}, {})
    assert event["requestContext"]["requestId"] == answer.headers["x-amzn-RequestId"]
    assert "body" not in event


@pytest.mark.parametrize(
    ("word", "status", "response_type", "message"),
    [
        ("deny", 403, "ACCESS_DENIED", "User is not authorized to access this resource with an explicit deny"),
        ("elsewhere", 403, "ACCESS_DENIED", "User is not authorized to access this resource"),
        ("unauthorized", 401, "UNAUTHORIZED", "Unauthorized"),
        ("crash", 500, "AUTHORIZER_FAILURE", "Internal server error"),
        ("nonsense", 500, "AUTHORIZER_CONFIGURATION_ERROR", "Internal server error"),
        ("nested", 500, "AUTHORIZER_CONFIGURATION_ERROR", "Internal server error"),
    ],
)
def test_what_an_authorizer_does_not_allow(
    guarded: Guarded, word: str, status: int, response_type: str, message: str
) -> None:
    assert refusal(guarded.post("plain", X_Word=word)) == (status, response_type, message)


def test_the_authorizers_key_is_the_usage_plans(guarded: Guarded) -> None:
    answer = guarded.post("keyed", X_Word=f"key:{guarded.key}")

    assert answer.status == 200
    assert answer.json()["requestContext"]["identity"]["apiKey"] == guarded.key


@pytest.mark.parametrize("headers", [{"X_Word": "key:wrong"}, {"X_Word": "none"}])
def test_a_key_that_the_authorizer_does_not_give_is_forbidden(guarded: Guarded, headers: dict[str, str]) -> None:
    answer = guarded.post("keyed", x_api_key=guarded.key, **headers)

    assert refusal(answer) == (403, "INVALID_API_KEY", "Forbidden")


def test_a_missing_identity_source_is_unauthorized_without_a_call(guarded: Guarded) -> None:
    assert refusal(guarded.post("cached")) == (401, "UNAUTHORIZED", "Unauthorized")


def test_an_answer_is_remembered_for_its_identity_until_its_time_is_over(guarded: Guarded) -> None:
    def calls(word: str) -> str:
        return str(guarded.post("cached", X_Word=word).json()["requestContext"]["authorizer"]["calls"])

    first, again, other = calls("one"), calls("one"), calls("two")
    guarded.clock.ahead = 61
    later = calls("one")

    assert first == again
    assert len({first, other, later}) == 3


def test_a_token_authorizer_gets_the_token_if_it_looks_like_one(guarded: Guarded) -> None:
    good, odd = guarded.post("token", X_Word="yes"), guarded.post("token", X_Word="123")

    event = json.loads(good.json()["requestContext"]["authorizer"]["event"])
    assert event == {"type": "TOKEN", "methodArn": event["methodArn"], "authorizationToken": "yes"}
    assert refusal(odd)[:2] == (401, "UNAUTHORIZED")


def signed(
    guarded: Guarded,
    *,
    key: str = access_key_id(ACCOUNT),
    secret: str = DUMMY_SECRET,
    region: str = REGION,
    service: str = "execute-api",
    token: str | None = None,
    sent: bytes = b'{"a": 1}',
) -> Answer:
    url = f"{guarded.url}/signed?b=2&a=%2F1"
    request = AWSRequest("POST", url, {"Content-Type": "application/json", "X-Own": "  a   b "}, b'{"a": 1}')
    SigV4Auth(Credentials(key, secret, token), service, region).add_auth(request)
    return http("POST", url, sent, dict(request.headers.items()))


def test_a_signed_request_is_known_by_its_key(guarded: Guarded) -> None:
    answer = signed(guarded)

    assert answer.status == 200, answer.body
    identity = answer.json()["requestContext"]["identity"]
    assert identity["accessKey"] == access_key_id(ACCOUNT)
    assert (identity["accountId"], identity["userArn"]) == (ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")


def test_an_unsigned_request_lacks_an_authentication_token(guarded: Guarded) -> None:
    assert refusal(guarded.post("signed")) == (403, "MISSING_AUTHENTICATION_TOKEN", "Missing Authentication Token")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"secret": "wrong"}, "The request signature we calculated does not match"),
        ({"sent": b'{"a": 2}'}, "The request signature we calculated does not match"),
        ({"region": "eu-west-1"}, "scoped to a valid region"),
        ({"service": "s3"}, "scoped to correct service: 'execute-api'"),
        ({"key": "AKIAUNKNOWNUNKNOWN00"}, "The security token included in the request is invalid."),
    ],
)
def test_a_signature_that_is_not_right_is_invalid(guarded: Guarded, how: dict[str, Any], message: str) -> None:
    status, response_type, text = refusal(signed(guarded, **how))

    assert (status, response_type) == (403, "INVALID_SIGNATURE")
    assert message in text


def test_an_old_signature_has_expired(guarded: Guarded) -> None:
    guarded.clock.ahead = 301

    assert refusal(signed(guarded))[2].startswith("Signature expired: ")


def test_what_is_no_signature_is_incomplete(guarded: Guarded) -> None:
    answer = guarded.post("signed", Authorization="Bearer token")

    assert refusal(answer)[:2] == (403, "INVALID_SIGNATURE")
    assert answer.headers["x-amzn-ErrorType"] == "IncompleteSignatureException"


@pytest.mark.parametrize(("effect", "status"), [("Allow", 200), ("Deny", 403)])
def test_an_iam_user_calls_what_its_policies_allow(guarded: Guarded, client: Clients, effect: str, status: int) -> None:
    iam, name = client("iam"), f"caller-{effect}"
    iam.create_user(UserName=name)
    statement = {"Effect": effect, "Action": "execute-api:*", "Resource": f"arn:aws:execute-api:*:*:{guarded.api_id}/*"}
    iam.put_user_policy(
        UserName=name, PolicyName="p", PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statement})
    )
    key = iam.create_access_key(UserName=name)["AccessKey"]

    answer = signed(guarded, key=key["AccessKeyId"], secret=key["SecretAccessKey"])

    assert answer.status == status, answer.body
    if status == 200:
        assert answer.json()["requestContext"]["identity"]["userArn"] == f"arn:aws:iam::{ACCOUNT}:user/{name}"
    else:
        assert refusal(answer)[1] == "ACCESS_DENIED"


def test_a_role_calls_with_its_session(guarded: Guarded, client: Clients) -> None:
    iam = client("iam")
    role = iam.create_role(RoleName="caller", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    policy = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    iam.put_role_policy(RoleName="caller", PolicyName="p", PolicyDocument=json.dumps(policy))
    given = client("sts").assume_role(RoleArn=role, RoleSessionName="session")["Credentials"]
    key = {"key": given["AccessKeyId"], "secret": given["SecretAccessKey"]}

    answer = signed(guarded, **key, token=given["SessionToken"])

    assert answer.status == 200, answer.body
    assert answer.json()["requestContext"]["identity"]["userArn"].endswith("assumed-role/caller/session")
    assert refusal(signed(guarded, **key, token="other"))[1] == "INVALID_SIGNATURE"


def test_a_function_calls_within_the_boundary_of_its_role(guarded: Guarded, client: Clients) -> None:
    iam = client("iam")

    def document(action: str) -> str:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return json.dumps({"Version": "2012-10-17", "Statement": statement})

    role = iam.create_role(RoleName="invoking", AssumeRolePolicyDocument=LAMBDA_TRUST)["Role"]["Arn"]
    iam.put_role_policy(RoleName="invoking", PolicyName="p", PolicyDocument=document("execute-api:Invoke"))
    function = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:invoking"
    session = SESSIONS.open(role_arn=role, function_arn=function, in_vpc=False)
    key = {"key": session.access_key_id, "secret": session.secret_access_key, "token": session.session_token}
    allowed = signed(guarded, **key)
    boundary = iam.create_policy(PolicyName="no-api", PolicyDocument=document("s3:*"))["Policy"]["Arn"]
    iam.put_role_permissions_boundary(RoleName="invoking", PermissionsBoundary=boundary)
    refused = signed(guarded, **key)

    assert allowed.status == 200, allowed.body
    assert refusal(refused)[:2] == (403, "ACCESS_DENIED")
    assert refusal(refused)[2].endswith("because no permissions boundary allows the execute-api:Invoke action")


def jwt_of(guarded: Guarded, use: str = "id", **claims: Any) -> str:
    return str(guarded.pool.create_jwt("client", "ada", use, extra_data=claims)[0])


def test_an_id_token_of_the_pool_is_let_in_with_its_claims(guarded: Guarded) -> None:
    token = jwt_of(guarded, **{"cognito:groups": ["a", "b"]})
    answers = [guarded.post("people", Authorization=text) for text in (token, f"Bearer {token}")]

    assert [answer.status for answer in answers] == [200, 200]
    claims = answers[0].json()["requestContext"]["authorizer"]["claims"]
    assert (claims["cognito:username"], claims["cognito:groups"], claims["aud"]) == ("ada", "a,b", "client")
    assert claims["exp"].endswith(f"UTC {time.gmtime(time.time() + 3600).tm_year}")


def test_a_method_with_scopes_takes_access_tokens_that_have_one(guarded: Guarded) -> None:
    allowed = jwt_of(guarded, "access", scope="openid sdxl/generate")
    others = [jwt_of(guarded, "access", scope="openid"), jwt_of(guarded, "id", scope="sdxl/generate")]

    assert guarded.post("scoped", Authorization=allowed).status == 200
    assert [refusal(guarded.post("scoped", Authorization=token))[1] for token in others] == ["UNAUTHORIZED"] * 2
    assert refusal(guarded.post("people", Authorization=allowed))[1] == "UNAUTHORIZED"


def test_tokens_that_are_not_the_pools_are_unauthorized(guarded: Guarded) -> None:
    header, payload, signature = jwt_of(guarded).split(".")
    flipped = ("A" if signature[5] != "A" else "B").join((signature[:5], signature[6:]))
    foreign = jwt_of(guarded, iss=f"https://cognito-idp.{REGION}.amazonaws.com/{REGION}_other")
    for text in ("", "word", f"{header}.{payload}.{flipped}", f"{header}.{payload}.", foreign):
        answer = guarded.post("people", **({"Authorization": text} if text else {}))
        assert refusal(answer) == (401, "UNAUTHORIZED", "Unauthorized"), text


def test_an_expired_token_says_so(guarded: Guarded) -> None:
    token = jwt_of(guarded)
    guarded.clock.ahead = 3601

    answer = guarded.post("people", Authorization=token)

    assert refusal(answer) == (401, "UNAUTHORIZED", "The incoming token has expired")


def test_a_form_reaches_the_function_base64_encoded(guarded: Guarded) -> None:
    form = b'--x\r\nContent-Disposition: form-data; name="init_image"\r\n\r\n\xff\x00\r\n--x--\r\n'

    event = guarded.post("open", form, Content_Type='Multipart/Form-Data; boundary="x"').json()

    assert event["isBase64Encoded"] is True
    assert base64.b64decode(event["body"]) == form
    assert event["headers"]["Content-Type"] == 'Multipart/Form-Data; boundary="x"'
