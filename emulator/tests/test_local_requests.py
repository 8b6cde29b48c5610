"""What may come from a web page is refused; what AWS clients and developers send is not."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import pytest
from werkzeug.test import Client
from werkzeug.wrappers import Response

from emulator.local_requests import LocalRequests

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

SIGNED = {"Authorization": "AWS4-HMAC-SHA256 Credential=AKIALOCAL111122223333/20261130/us-east-1/sts/aws4_request"}


def served(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
    """An API that any page of https://own.example may read."""
    return Response("served", headers={"Access-Control-Allow-Origin": "https://own.example"})(environ, start_response)


AWS = Client(LocalRequests(served, signed=True))
APIS = Client(LocalRequests(served, is_own_host="images.example.com".__eq__, pages_allowed=True))


def status(client: Client, path: str = "/", method: str = "GET", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    host = named.pop("Host", "127.0.0.1:4581")
    return client.open(path, method=method, headers={"Host": host, **named}).status_code


@pytest.mark.parametrize("host", ["127.0.0.1:4581", "localhost:4581", "localhost", "bucket.localhost:4581", "[::1]:1"])
def test_names_of_this_machine_are_served(host: str) -> None:
    assert status(AWS, Host=host, **SIGNED) == 200


@pytest.mark.parametrize("host", ["evil.example", "evil.example:4581", "127.0.0.1.evil.example", "10.0.0.1", ""])
@pytest.mark.parametrize("path", ["/", "/_emulator/faults"])
def test_other_names_are_refused_on_both_ports(host: str, path: str) -> None:
    assert status(AWS, path, Host=host, **SIGNED) == 403
    assert status(APIS, path, Host=host) == 403


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost.evil.example"])
@pytest.mark.parametrize("path", ["/", "/_emulator/account"])
def test_pages_of_other_origins_are_refused_on_both_ports(origin: str, path: str) -> None:
    for method in ("OPTIONS", "PUT", "POST"):
        assert status(AWS, path, method, Origin=origin, **SIGNED) == 403
        assert status(APIS, path, method, Origin=origin) == 403


def test_a_page_without_an_origin_is_refused_and_a_link_is_followed() -> None:
    page = {"Sec_Fetch_Site": "cross-site"}

    assert status(APIS, "/v1/health", Sec_Fetch_Mode="no-cors", **page) == 403
    assert status(APIS, "/v1/health", Sec_Fetch_Mode="navigate", **page) == 200
    assert status(APIS, "/v1/health", "POST", Sec_Fetch_Mode="navigate", **page) == 403


def test_pages_of_this_machine_are_served() -> None:
    for origin in ("http://localhost:3000", "http://127.0.0.1:4580"):
        assert status(APIS, Origin=origin) == 200
        assert status(AWS, "/_emulator/faults", "PUT", Origin=origin) == 200


def test_an_api_names_the_pages_that_may_read_it() -> None:
    assert status(APIS, "/v1", Origin="https://own.example") == 200
    assert status(APIS, "/_emulator/faults", Origin="https://own.example") == 403
    assert status(AWS, Origin="https://own.example", **SIGNED) == 403


def test_an_api_is_reached_by_its_own_name() -> None:
    assert status(APIS, "/v1", Host="images.example.com") == 200
    assert status(APIS, "/_emulator/faults", Host="images.example.com") == 403


def test_unsigned_requests_of_aws_are_refused() -> None:
    assert status(AWS, "/", "POST") == 403
    assert status(AWS, "/", "POST", Authorization="Bearer token") == 403
    assert status(AWS, "/bucket/key?X-Amz-Signature=abc") == 200
    assert status(AWS, "/", "POST", X_Amz_Target="AWSCognitoIdentityProviderService.InitiateAuth") == 200
    assert status(AWS, "/_emulator/health") == 200


def test_the_domain_of_a_user_pool_is_open_to_browsers_alone_under_its_own_name() -> None:
    domain = "images.auth.us-east-1.amazoncognito.com"
    pools = Client(LocalRequests(served, is_own_host=domain.__eq__, signed=True))
    form = {"Origin": f"https://{domain}", "Sec_Fetch_Site": "same-origin"}

    # The page itself, its form, and a page of a deployed API that asks for tokens.
    assert status(pools, Host=domain) == 200
    assert status(pools, "/login", "POST", Host=domain, **form) == 200
    page = {"Origin": "http://127.0.0.1:4580", "Sec_Fetch_Site": "cross-site"}
    assert status(pools, "/oauth2/token", "POST", Host=domain, **page) == 200
    # Nobody else's, and nothing else without a signature.
    assert status(pools, "/login", "POST", Host=domain, Origin="https://evil.example") == 403
    assert status(pools, "/login", "POST", Host="evil.example", Origin="https://evil.example") == 403
    assert status(pools) == 403
