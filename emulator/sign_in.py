"""The sign-in pages of user pools, at each pool's own domain: authorize, login, token and logout (OAuth 2.0, RFC 6749).

A person types a user name and nothing else: the emulator knows no passwords. What AWS refuses is refused: an unknown
client or address to go back to, a scope that the client lacks, a code that is used twice, a wrong verifier (RFC 7636).

The gateway serves an API at `http://127.0.0.1:PORT/_aws/execute-api/API/STAGE`, or at its root, where a client's
callback address has `https://API.execute-api.REGION.amazonaws.com/STAGE`. Either is taken for the other's path.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import secrets
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urlsplit

from moto.cognitoidp.models import cognitoidp_backends
from werkzeug.wrappers import Request, Response

from emulator.tokens import TokenRequestError, pool_tokens

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_HOST = re.compile(r"(?P<domain>[a-z0-9-]+)\.auth\.(?P<region>[a-z0-9-]+)\.amazoncognito\.com")
_LOCAL_API = re.compile(r"http://(127\.0\.0\.1|localhost):\d+(/_aws/execute-api/(?P<api>[^/]+)/(?P<stage>[^/]+))?/")
# Amazon Cognito Developer Guide, "Token endpoint": a code lives five minutes.
_CODE_SECONDS = 300

_PAGE = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>Sign in</title></head>
<body>
<h1>Sign in</h1>
<p>The emulator's user pool knows no passwords.</p>
<form method="post" action="/login?{query}">
<label>Email <input name="username" type="email" required></label>
<button type="submit">Sign in</button>
</form>
</body>
</html>
"""


class SignInError(ValueError):
    """A request that the sign-in pages refuse. `code` is the error of RFC 6749; the message says why."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True)
class _Code:
    """A code that was given out: for whom, and what the request for tokens must repeat."""

    pool_id: str
    client_id: str
    username: str
    redirect_uri: str
    scope: str
    challenge: str
    expires: float


def serves(environ: WSGIEnvironment) -> bool:
    """Whether a request is for the domain of a user pool."""
    return is_host(environ.get("HTTP_HOST", ""))


def is_host(name: str) -> bool:
    """Whether a name is the domain of a user pool."""
    return _HOST.fullmatch(name) is not None


def create_sign_in_app() -> WSGIApplication:
    """The WSGI application that serves the domains of all user pools."""
    codes: dict[str, _Code] = {}

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            response = _answer(request, codes)
        except (SignInError, TokenRequestError) as exc:
            error = {"error": getattr(exc, "code", "invalid_request"), "error_description": str(exc)}
            response = Response(json.dumps(error), 400, content_type="application/json")
        # The token endpoint answers pages of every origin, as AWS's does.
        response.headers["Access-Control-Allow-Origin"] = "*"
        return response(environ, start_response)

    return application


def _answer(request: Request, codes: dict[str, _Code]) -> Response:
    pool = _pool(request.host)
    match request.method, request.path:
        case "GET", "/oauth2/authorize":
            _checked(pool, request)
            return Response(_PAGE.format(query=html.escape(urlencode(request.args))), content_type="text/html")
        case "POST", "/login":
            return _signed_in(pool, request, codes)
        case "POST", "/oauth2/token":
            return _tokens(request, codes)
        case "GET", "/logout":
            client = _client(pool, request.args.get("client_id", ""))
            return _redirect(_allowed(client, "LogoutURLs", request.args.get("logout_uri", "")))
    raise SignInError("invalid_request", f"{request.method} {request.path} is not served: there are no such pages")


def _pool(host: str) -> Any:
    match = _HOST.fullmatch(host)
    if match is None:
        raise SignInError("invalid_request", f"{host!r} is not the domain of a user pool")
    for regions in cognitoidp_backends.values():
        backend = regions[match["region"]]
        if (domain := backend.user_pool_domains.get(match["domain"])) is not None:
            return backend.user_pools[domain.user_pool_id]
    raise SignInError("invalid_request", f"no user pool of {match['region']} has the domain {match['domain']!r}")


def _client(pool: Any, client_id: str) -> Any:
    client = pool.clients.get(client_id)
    if client is None:
        raise SignInError("invalid_client", f"there is no client {client_id!r}")
    return client


def _allowed(client: Any, setting: str, address: str) -> str:
    """Return `address` if the client's addresses have it."""
    known = client.extended_config.get(setting) or []
    path = urlsplit(address).path
    if address in known:
        return address
    if (local := _LOCAL_API.fullmatch(address)) is not None:
        for one in known:
            parts = urlsplit(one)
            is_api = ".execute-api." in parts.netloc
            wanted = f"{parts.netloc.partition('.')[0]}{parts.path}"
            if is_api and (local["api"] is None or f"{local['api']}/{local['stage']}/" == wanted):
                return address
    raise SignInError("redirect_mismatch", f"{address!r} ({path}) is not among the client's {setting}: {known}")


def _checked(pool: Any, request: Request) -> dict[str, str]:
    """Return the parameters of a request to authorize, checked."""
    parameters = dict(request.args)
    client = _client(pool, parameters.get("client_id", ""))
    _allowed(client, "CallbackURLs", parameters.get("redirect_uri", ""))
    if parameters.get("response_type") != "code":
        raise SignInError("unsupported_response_type", "response_type must be code")
    if parameters.get("code_challenge_method") != "S256" or not parameters.get("code_challenge"):
        raise SignInError("invalid_request", "code_challenge_method must be S256, with a code_challenge")
    scopes = set(client.extended_config.get("AllowedOAuthScopes") or [])
    unknown = set(parameters.get("scope", "").split()) - scopes
    if unknown:
        raise SignInError("invalid_scope", f"the client lacks the scopes {sorted(unknown)}: it has {sorted(scopes)}")
    return parameters


def _signed_in(pool: Any, request: Request, codes: dict[str, _Code]) -> Response:
    parameters = _checked(pool, request)
    username = request.form.get("username", "")
    if pool._get_user(username) is None:
        raise SignInError("invalid_request", f"the user pool has no user {username!r}: make it with AdminCreateUser")
    code = secrets.token_urlsafe()
    codes[code] = _Code(
        pool_id=pool.id,
        client_id=parameters["client_id"],
        username=username,
        redirect_uri=parameters["redirect_uri"],
        scope=parameters.get("scope", ""),
        challenge=parameters["code_challenge"],
        expires=time.monotonic() + _CODE_SECONDS,
    )
    return _redirect(f"{parameters['redirect_uri']}?{urlencode({'code': code, 'state': parameters.get('state', '')})}")


def _tokens(request: Request, codes: dict[str, _Code]) -> Response:
    form = request.form
    # Taken out: a code is good for one request, whatever becomes of it.
    code = codes.pop(form.get("code", ""), None)
    if form.get("grant_type") != "authorization_code":
        raise SignInError("unsupported_grant_type", "grant_type must be authorization_code")
    digest = hashlib.sha256(form.get("code_verifier", "").encode()).digest()
    verifier = base64.urlsafe_b64encode(digest).decode().rstrip("=")
    if (
        code is None
        or code.expires < time.monotonic()
        or (code.client_id, code.redirect_uri) != (form.get("client_id"), form.get("redirect_uri"))
        or code.challenge != verifier
    ):
        raise SignInError("invalid_grant", "the code is unknown, used, expired, of another client, or not verified")
    tokens = pool_tokens(code.pool_id, code.client_id, code.username, scope=code.scope)
    return Response(json.dumps(tokens), content_type="application/json")


def _redirect(address: str) -> Response:
    return Response(status=302, headers={"Location": address})
