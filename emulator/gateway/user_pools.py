"""Cognito authorizers: tokens of the emulator's user pools, checked by their keys as any other party would."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from functools import cache
from typing import Any

import jwt
from moto.cognitoidp.models import cognitoidp_backends
from moto.cognitoidp.responses import CognitoIdpJsonWebKeyResponse

from emulator.gateway import errors
from emulator.gateway.context import RequestContext
from emulator.gateway.deployed import Authorizer, Method

ALGORITHM = "RS256"
REQUIRED = ["exp", "iat", "iss", "token_use"]

_POOL = re.compile(r"arn:[^:]+:cognito-idp:(?P<region>[^:]+):(?P<account>\d{12}):userpool/(?P<id>.+)")


class TokenError(ValueError):
    """A token that is not accepted."""


def check_user_pool_token(context: RequestContext, method: Method, authorizer: Authorizer, *, now: float) -> None:
    """Note the token's claims; raises GatewayError UNAUTHORIZED where it is not a valid one of the authorizer's pools.

    A method with scopes takes access tokens that have one of them; a method without takes ID tokens only.
    """
    source = authorizer.identity_sources[0] if authorizer.identity_sources else "method.request.header.Authorization"
    value = context.request.headers.get(source.rpartition(".")[2], "")
    token = value.removeprefix("Bearer ").strip()
    if not token:
        raise errors.unauthorized()
    try:
        claims = _claims(token, authorizer.provider_arns, context)
        _check_audience(claims, authorizer)
        _check_use(claims, method.authorization_scopes)
    except TokenError as exc:
        context.authorizer_error = str(exc)
        raise errors.unauthorized() from exc
    if claims["exp"] <= now:
        raise errors.unauthorized("The incoming token has expired")
    context.authorizer = {"claims": {name: _text(name, value) for name, value in claims.items()}}


def _claims(token: str, provider_arns: tuple[str, ...], context: RequestContext) -> dict[str, Any]:
    issuers = {_issuer(arn): arn for arn in provider_arns if _pool_exists(arn)}
    if not issuers:
        context.authorizer_error = f"none of the authorizer's user pools exists: {list(provider_arns)}"
        raise errors.authorizer_configuration_error()
    try:
        key = _keys()[jwt.get_unverified_header(token).get("kid", "")]
        # Expiry differs from other faults, and follows the gateway's own clock.
        options = {"require": REQUIRED, "verify_aud": False, "verify_exp": False, "verify_iat": False}
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=[ALGORITHM],
            issuer=list(issuers),
            options=options,  # type: ignore[arg-type]
        )
    except KeyError as exc:
        raise TokenError(f"the token's key {exc} is not one of the user pool's") from exc
    except jwt.InvalidTokenError as exc:
        raise TokenError(f"the token is not valid: {exc}") from exc
    return claims


def _check_audience(claims: dict[str, Any], authorizer: Authorizer) -> None:
    client = str(claims.get("aud") or claims.get("client_id"))
    if authorizer.identity_validation and not re.fullmatch(authorizer.identity_validation, client):
        raise TokenError(f"the token's audience {client!r} does not match {authorizer.identity_validation!r}")


def _check_use(claims: dict[str, Any], scopes: tuple[str, ...]) -> None:
    wanted = "access" if scopes else "id"
    if claims["token_use"] != wanted:
        raise TokenError(f"the method takes {wanted} tokens, not token_use {claims['token_use']!r}")
    granted = set(str(claims.get("scope", "")).split())
    if scopes and not granted & set(scopes):
        raise TokenError(f"the token has none of the method's scopes {list(scopes)}: {sorted(granted)}")


def _pool_exists(arn: str) -> bool:
    pool = _POOL.fullmatch(arn)
    return pool is not None and pool["id"] in cognitoidp_backends[pool["account"]][pool["region"]].user_pools


def _issuer(arn: str) -> str:
    pool = _POOL.fullmatch(arn)
    return f"https://cognito-idp.{pool['region']}.amazonaws.com/{pool['id']}" if pool else ""


@cache
def _keys() -> dict[str, jwt.PyJWK]:
    """Moto's public keys, which all of its pools share."""
    published = jwt.PyJWKSet.from_dict(json.loads(CognitoIdpJsonWebKeyResponse.json_web_key))
    return {key.key_id or "": key for key in published.keys}


def _text(name: str, value: Any) -> str:
    """A claim as the event has it: times as Java prints dates, lists with commas."""
    if name in {"exp", "iat"}:
        return datetime.fromtimestamp(value, UTC).strftime("%a %b %d %H:%M:%S UTC %Y")
    if isinstance(value, list):
        return ",".join(str(item) for item in value)
    return value if isinstance(value, str) else json.dumps(value)
