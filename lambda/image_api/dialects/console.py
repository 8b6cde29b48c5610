"""The creators' page: its files, which `console/` is built into, and how its visitors identify themselves.

Anyone may load it: it holds nothing but code, and every call that it makes needs a key or a token. The files are named
by their content, so that browsers keep them; only the page itself, which names them, is revalidated.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, UnsetType

from image_api.dialects.http import HTML, JSON, HttpReply, HttpRequest, json_reply
from image_api.dialects.route import BINARY, Convention, Deployment, PlainRoute
from image_api.dialects.stability_v1 import StabilityErrorBody, error_reply
from image_api.errors import UnknownRouteError
from image_api.settings import ConsoleSettings, Settings

FOLDER = Path(__file__).resolve().parents[1] / "console"
INDEX = "index.html"
PATHS = ("/", "/console/access.json", "/console/{file}")
SCRIPT, STYLES = "text/javascript", "text/css"

_FOREVER = "public, max-age=31536000, immutable"
_MEDIA_TYPES = {".html": HTML, ".js": SCRIPT, ".css": STYLES}


class AccessBody(msgspec.Struct, kw_only=True, omit_defaults=True):
    """How visitors of the page identify themselves; with `cognito`, where they sign in (OAuth 2.0, code and PKCE)."""

    mode: Literal["api_key", "cognito"]
    authorize_url: str | UnsetType = UNSET
    token_url: str | UnsetType = UNSET
    logout_url: str | UnsetType = UNSET
    client_id: str | UnsetType = UNSET
    scope: str | UnsetType = UNSET


class _File(msgspec.Struct, frozen=True):
    """A file of the page. `etag` is the strong validator of its content."""

    media_type: str
    text: str
    etag: str


def page_reply(http: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /`."""
    _check_enabled(deployment.settings)
    path = urlsplit(http.url).path
    if path and not path.endswith("/"):
        # The page names its files relative to itself. Browsers keep the fragment, which may have the key.
        return HttpReply(
            status=308,
            content_type="text/plain",
            body="",
            headers={"Location": f"{path.rpartition('/')[2]}/", **_security_headers(deployment.settings)},
        )
    return _file_reply(http, _files()[INDEX], "no-cache", deployment.settings)


def file_reply(http: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /console/{file}`."""
    _check_enabled(deployment.settings)
    name = http.path_parameters["file"]
    found = _files().get(name)
    if found is None or name == INDEX:
        raise UnknownRouteError(f"The page has no file {name[:100]!r}. Reload the page: it names its files anew.")
    return _file_reply(http, found, _FOREVER, deployment.settings)


def access_reply(_: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `GET /console/access.json`."""
    console = _check_enabled(deployment.settings)
    body = AccessBody(mode=console.mode)
    if console.mode == "cognito":
        body.authorize_url = f"{console.login_url}/oauth2/authorize"
        body.token_url = f"{console.login_url}/oauth2/token"
        body.logout_url = f"{console.login_url}/logout"
        body.client_id, body.scope = console.client_id, console.scope
    return json_reply(200, body, {"Cache-Control": "no-cache", **_security_headers(deployment.settings)})


def _check_enabled(settings: Settings) -> ConsoleSettings:
    if settings.console is None:
        raise UnknownRouteError(
            "This deployment has no page for creators: its environment has turned it off (console.enabled). "
            "GET /openapi.json describes every route."
        )
    return settings.console


def _file_reply(http: HttpRequest, file: _File, cache_control: str, settings: Settings) -> HttpReply:
    headers = {"ETag": file.etag, "Cache-Control": cache_control, **_security_headers(settings)}
    known = [tag.strip().removeprefix("W/") for tag in http.headers.get("if-none-match", "").split(",")]
    is_known = file.etag in known or "*" in known
    return HttpReply(
        status=304 if is_known else 200,
        content_type=f"{file.media_type}; charset=utf-8",
        body="" if is_known else file.text,
        headers=headers,
    )


def _security_headers(settings: Settings) -> dict[str, str]:
    """What a browser may do with the page: run its own files, call this API, and show images that it holds itself."""
    login = "" if settings.console is None or not settings.console.login_url else f" {settings.console.login_url}"
    policy = {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "blob: data:",
        "connect-src": f"'self'{login}",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "'none'",
    }
    return {
        "Content-Security-Policy": "; ".join(f"{name} {value}" for name, value in policy.items()),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


@cache
def _files() -> dict[str, _File]:
    """The page's files by name."""
    files = {}
    for path in sorted(FOLDER.iterdir()):
        content = path.read_bytes()
        etag = f'"{hashlib.sha256(content).hexdigest()[:32]}"'
        files[path.name] = _File(_MEDIA_TYPES[path.suffix], content.decode(), etag)
    return files


_CONVENTION = Convention(name="Creators' page", error_reply=error_reply, error_body=StabilityErrorBody)

ROUTES: tuple[PlainRoute, ...] = (
    PlainRoute(
        method="GET",
        path="/",
        operation_id="console",
        summary="The page on which creators make images",
        convention=_CONVENTION,
        answers={HTML: BINARY},
        errors=(404,),
        is_open=True,
        answer=page_reply,
    ),
    PlainRoute(
        method="GET",
        path="/console/access.json",
        operation_id="consoleAccess",
        summary="How visitors of the page identify themselves",
        convention=_CONVENTION,
        answers={JSON: AccessBody},
        errors=(404,),
        is_open=True,
        answer=access_reply,
    ),
    PlainRoute(
        method="GET",
        path="/console/{file}",
        operation_id="consoleFile",
        summary="A file of the page, named by its content",
        convention=_CONVENTION,
        parameters={"file": {"description": "Its name, as the page has it.", "schema": {"type": "string"}}},
        answers={SCRIPT: BINARY, STYLES: BINARY},
        errors=(404,),
        is_open=True,
        answer=file_reply,
    ),
)
