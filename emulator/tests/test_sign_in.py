"""Sign-in pages of user pools: a code for a person, tokens for a code, and what is refused."""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import boto3
import jwt
import pytest
from moto import mock_aws
from werkzeug.test import Client

from emulator import sign_in

HOST = "people.auth.us-east-1.amazoncognito.com"
PAGE = "https://abc.execute-api.us-east-1.amazonaws.com/api/"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("=")
PERSON = "creator@example.com"


class Pool:
    """A user pool with one client and one person, and its pages."""

    def __init__(self) -> None:
        cognito = boto3.client("cognito-idp", "us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
        self.id = cognito.create_user_pool(PoolName="people", UsernameAttributes=["email"])["UserPool"]["Id"]
        self.client_id = cognito.create_user_pool_client(
            UserPoolId=self.id,
            ClientName="page",
            CallbackURLs=[PAGE],
            LogoutURLs=[PAGE],
            AllowedOAuthScopes=["openid", "sdxl/generate"],
        )["UserPoolClient"]["ClientId"]
        cognito.create_user_pool_domain(UserPoolId=self.id, Domain="people")
        cognito.admin_create_user(UserPoolId=self.id, Username=PERSON)
        self.http = Client(sign_in.create_sign_in_app())
        self.parameters = {
            "response_type": "code",
            "client_id": self.client_id,
            "redirect_uri": PAGE,
            "scope": "openid sdxl/generate",
            "state": "a&b",
            "code_challenge_method": "S256",
            "code_challenge": CHALLENGE,
        }

    def authorize(self, **changes: str):  # type: ignore[no-untyped-def]
        return self.http.get("/oauth2/authorize", query_string=self.parameters | changes, headers={"Host": HOST})

    def log_in(self, username: str = PERSON):  # type: ignore[no-untyped-def]
        action = re.search(r'action="([^"]+)"', self.authorize().text)
        assert action is not None
        return self.http.post(html.unescape(action[1]), data={"username": username}, headers={"Host": HOST})

    def code(self) -> str:
        return parse_qs(urlsplit(self.log_in().headers["Location"]).query)["code"][0]

    def tokens(self, code: str, **changes: str):  # type: ignore[no-untyped-def]
        form = {
            "grant_type": "authorization_code",
            "client_id": self.client_id,
            "redirect_uri": PAGE,
            "code": code,
            "code_verifier": VERIFIER,
        }
        return self.http.post("/oauth2/token", data=form | changes, headers={"Host": HOST})


@pytest.fixture
def pool() -> Iterator[Pool]:
    with mock_aws():
        yield Pool()


def test_a_person_gets_a_code_and_the_code_gets_tokens(pool: Pool) -> None:
    answer = pool.log_in()
    address = urlsplit(answer.headers["Location"])
    assert (answer.status_code, f"{address.scheme}://{address.netloc}{address.path}") == (302, PAGE)
    query = parse_qs(address.query)
    assert query["state"] == ["a&b"]

    tokens = pool.tokens(query["code"][0])

    assert tokens.status_code == 200
    assert tokens.headers["Access-Control-Allow-Origin"] == "*"
    claims = jwt.decode(tokens.json["access_token"], options={"verify_signature": False})
    assert (claims["token_use"], claims["scope"]) == ("access", "openid sdxl/generate")


def test_a_code_is_good_for_one_request(pool: Pool) -> None:
    code = pool.code()

    assert pool.tokens(code).status_code == 200
    assert pool.tokens(code).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"redirect_uri": "https://other.example/"}, "invalid_grant"),
        ({"client_id": "other"}, "invalid_grant"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_a_code_for_somebody_else_is_refused_and_spent(pool: Pool, changes: dict[str, str], error: str) -> None:
    code = pool.code()

    assert pool.tokens(code, **changes).json["error"] == error
    assert pool.tokens(code).json["error"] == "invalid_grant"


def test_a_code_expires(pool: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    code = pool.code()
    later = sign_in.time.monotonic() + 301
    monkeypatch.setattr(sign_in.time, "monotonic", lambda: later)

    assert pool.tokens(code).json["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"client_id": "other"}, "invalid_client"),
        ({"redirect_uri": "https://other.example/"}, "redirect_mismatch"),
        ({"redirect_uri": "http://127.0.0.1:4580/_aws/execute-api/other/api/"}, "redirect_mismatch"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": ""}, "invalid_request"),
        ({"scope": "openid admin"}, "invalid_scope"),
    ],
)
def test_what_the_client_may_not_do_is_refused(pool: Pool, changes: dict[str, str], error: str) -> None:
    answer = pool.authorize(**changes)

    assert (answer.status_code, answer.json["error"]) == (400, error)


@pytest.mark.parametrize("address", ["http://127.0.0.1:4580/_aws/execute-api/abc/api/", "http://localhost:4580/"])
def test_the_gateways_own_address_stands_for_the_deployed_one(pool: Pool, address: str) -> None:
    assert pool.authorize(redirect_uri=address).status_code == 200


def test_a_stranger_is_not_signed_in(pool: Pool) -> None:
    assert "no user" in pool.log_in("stranger@example.com").json["error_description"]


def test_signing_out_leads_back(pool: Pool) -> None:
    query = {"client_id": pool.client_id, "logout_uri": PAGE}
    answer = pool.http.get("/logout", query_string=query, headers={"Host": HOST})

    assert (answer.status_code, answer.headers["Location"]) == (302, PAGE)
    refused = pool.http.get(
        "/logout", query_string=query | {"logout_uri": "https://x.example/"}, headers={"Host": HOST}
    )
    assert refused.json["error"] == "redirect_mismatch"


def test_only_domains_of_user_pools_are_served(pool: Pool) -> None:
    assert sign_in.serves({"HTTP_HOST": HOST})
    assert not sign_in.serves({"HTTP_HOST": "127.0.0.1:4581"})
    answer = pool.http.get("/oauth2/authorize", headers={"Host": HOST.replace("people", "others")})
    assert "has the domain 'others'" in answer.json["error_description"]
