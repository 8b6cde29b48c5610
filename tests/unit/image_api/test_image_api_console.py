"""The creators' page as it is served: files, caching, security headers, sign-in, and no page where it is turned off."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable

import pytest
from image_api.dialects.console import FOLDER, PATHS
from image_api.settings import ConsoleSettings, load_settings
from image_api_fakes import ApplicationUnderTest, proxy_event

Make = Callable[..., ApplicationUnderTest]
FILES = sorted(path.name for path in FOLDER.iterdir() if path.suffix != ".html")
COGNITO = ConsoleSettings(
    mode="cognito",
    login_url="https://sdxl.auth.us-east-1.amazoncognito.com",
    client_id="client",
    scope="openid sdxl/generate",
)


def policy(headers: dict[str, str]) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


def test_page_names_files_that_are_there(api: ApplicationUnderTest) -> None:
    page = api.get("/")

    assert (page.status, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert page.headers["cache-control"] == "no-cache"
    named = re.findall(r'(?:src|href)="console/([^"]+)"', page.text)
    assert sorted(named) == FILES
    assert sorted(path.rpartition(".")[2] for path in FILES) == ["css", "js"]


def test_page_has_no_script_or_style_of_its_own(api: ApplicationUnderTest) -> None:
    page = api.get("/").text

    assert not re.search(r"<script(?![^>]*\ssrc=)|<style|\sstyle=|\son\w+=|https?:", page)


@pytest.mark.parametrize("name", FILES)
def test_file_is_kept_forever_under_its_name(api: ApplicationUnderTest, name: str) -> None:
    reply = api.get(f"/console/{name}")

    assert reply.status == 200
    assert reply.text.encode() == (FOLDER / name).read_bytes()
    assert reply.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert (
        reply.headers["content-type"]
        == {
            "js": "text/javascript; charset=utf-8",
            "css": "text/css; charset=utf-8",
        }[name.rpartition(".")[2]]
    )
    # The name is made of the content, so that another content never has a name that a browser keeps.
    assert hashlib.sha256(reply.text.encode()).hexdigest()[:16] in name


@pytest.mark.parametrize("path", ["/", *(f"/console/{name}" for name in FILES)])
def test_known_content_is_not_sent_again(api: ApplicationUnderTest, path: str) -> None:
    etag = api.get(path).headers["etag"]

    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        reply = api.get(path, headers={"If-None-Match": known})
        assert (reply.status, reply.text, reply.headers["etag"]) == (304, "", etag)
    assert api.get(path, headers={"If-None-Match": '"other"'}).status == 200


@pytest.mark.parametrize("path", ["/", "/console/access.json", f"/console/{FILES[0]}"])
def test_browser_may_do_nothing_but_what_the_page_needs(api: ApplicationUnderTest, path: str) -> None:
    headers = api.get(path).headers

    assert policy(headers) == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "blob: data:",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"


@pytest.mark.parametrize("name", ["nothing.js", "index.html", "..", "%2e%2e", "api.py", "x" * 500])
def test_other_files_are_not_found(api: ApplicationUnderTest, name: str) -> None:
    reply = api.get(f"/console/{name}")

    assert reply.error == (404, "not_found")
    assert len(reply.json["message"]) < 300


def test_address_without_a_slash_is_led_to_the_page(api: ApplicationUnderTest) -> None:
    event = proxy_event(method="GET", path="/")
    event["requestContext"] |= {"domainName": "abc.execute-api.us-east-1.amazonaws.com", "path": "/api"}

    reply = api.handle(event)

    # Relative, so that it holds for every name of the API.
    assert (reply.status, reply.headers["location"]) == (308, "api/")
    event["requestContext"]["path"] = "/api/"
    assert api.handle(event).status == 200


def test_visitors_with_a_key_sign_in_nowhere(api: ApplicationUnderTest) -> None:
    assert api.get("/console/access.json").json == {"mode": "api_key"}


def test_people_sign_in_at_their_user_pool(make_api: Make) -> None:
    reply = make_api(console=COGNITO).get("/console/access.json")

    assert reply.json == {
        "mode": "cognito",
        "authorize_url": f"{COGNITO.login_url}/oauth2/authorize",
        "token_url": f"{COGNITO.login_url}/oauth2/token",
        "logout_url": f"{COGNITO.login_url}/logout",
        "client_id": "client",
        "scope": "openid sdxl/generate",
    }
    assert reply.headers["cache-control"] == "no-cache"
    assert policy(reply.headers)["connect-src"] == f"'self' {COGNITO.login_url}"


def test_no_page_where_it_is_turned_off(make_api: Make) -> None:
    api = make_api(console=None)

    for path in ("/", "/console/access.json", f"/console/{FILES[0]}"):
        assert api.get(path).error == (404, "not_found")
    assert not set(PATHS) & api.get("/openapi.json").json["paths"].keys()
    assert set(PATHS) <= make_api().get("/openapi.json").json["paths"].keys()


def test_settings_of_the_page_are_read_from_the_environment() -> None:
    variables = {
        "SDXL_ENVIRONMENT": "dev",
        "SDXL_MODEL_SOURCE": "open",
        "SDXL_ENDPOINT_NAME": "sdxl-dev",
        "SDXL_IMAGES_BUCKET": "images",
        "SDXL_IMAGE_LINK_TTL_SECONDS": "3600",
        "SDXL_TIMEOUT_SECONDS": "29",
    }

    assert load_settings(variables).console is None
    assert load_settings({**variables, "SDXL_CONSOLE": '{"mode":"api_key"}'}).console == ConsoleSettings(mode="api_key")
