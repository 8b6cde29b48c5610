"""Tokens as a user pool's sign-in page would hand them out: `POST /_emulator/tokens`.

For callers that have no browser for the sign-in pages (`emulator/sign_in.py`). Moto's own calls give access tokens
without a client's scopes.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from moto.cognitoidp.models import cognitoidp_backends
from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FIELDS = ("user_pool_id", "client_id", "username")


class TokenRequestError(ValueError):
    """No tokens can be given for a request; the message says why."""


def create_tokens_app() -> WSGIApplication:
    """The WSGI application: user_pool_id, client_id and username in, access_token and id_token out."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(Request(environ))(environ, start_response)

    return application


def _answer(request: Request) -> Response:
    if request.method != "POST":
        return _json(405, {"message": f"{request.method} is not allowed: use POST"})
    try:
        return _json(200, pool_tokens(*_read(request.get_data()).values()))
    except TokenRequestError as exc:
        return _json(400, {"message": str(exc)})


def _read(body: bytes) -> dict[str, str]:
    try:
        fields = json.loads(body)
    except ValueError as exc:
        raise TokenRequestError(f"the body is not JSON: {exc}") from exc
    texts = isinstance(fields, dict) and all(isinstance(value, str) for value in fields.values())
    if not texts or set(fields) != set(FIELDS):
        raise TokenRequestError(f"the body must be an object of the texts {list(FIELDS)}, not {fields!r}")
    return {name: fields[name] for name in FIELDS}


def pool_tokens(pool_id: str, client_id: str, username: str, *, scope: str | None = None) -> dict[str, Any]:
    """The tokens that a user pool gives a person; `scope` None means every scope of the client.

    Raises:
        TokenRequestError: there is no such pool, client or person.
    """
    pools = [regional.user_pools.get(pool_id) for all_ in cognitoidp_backends.values() for regional in all_.values()]
    pool = next((found for found in pools if found), None)
    if pool is None:
        raise TokenRequestError(f"there is no user pool {pool_id!r}")
    client = pool.clients.get(client_id)
    if client is None:
        raise TokenRequestError(f"user pool {pool_id} has no client {client_id!r}: it has {sorted(pool.clients)}")
    if pool._get_user(username) is None:
        raise TokenRequestError(f"user pool {pool_id} has no user {username!r}: make it with AdminCreateUser")
    if scope is None:
        scope = " ".join(client.extended_config.get("AllowedOAuthScopes") or [])
    access_token, seconds = pool.create_jwt(client_id, username, "access", extra_data={"scope": scope})
    id_token, _ = pool.create_jwt(client_id, username, "id")
    return {"access_token": access_token, "id_token": id_token, "expires_in": seconds, "token_type": "Bearer"}


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")
