"""Browsers' cross-origin access (CORS): preflight answers, and the headers of the gateway's own errors.

The function adds the headers to its own answers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# The X-Amz headers are what signed requests carry.
ALLOW_HEADERS = (
    "Accept,Authorization,Content-Type,Idempotency-Key,X-Api-Key,X-Amz-Content-Sha256,X-Amz-Date,X-Amz-Security-Token"
)
EXPOSE_HEADERS = "Finish-Reason,Retry-After,Seed,x-amzn-RequestId,x-validation-error"
MAX_AGE_SECONDS = 3600

_ALLOW_ORIGIN = "Access-Control-Allow-Origin"


def error_headers(origins: Sequence[str]) -> dict[str, str]:
    """Header mappings that let pages of `origins` read the gateway's own errors.

    A gateway response cannot choose among origins: with several, it repeats the caller's. What it says is no secret,
    and no cookie is ever accepted with it.
    """
    if not origins:
        return {}
    origin = f"'{origins[0]}'" if len(origins) == 1 else "method.request.header.Origin"
    return {_ALLOW_ORIGIN: origin, "Access-Control-Expose-Headers": f"'{EXPOSE_HEADERS}'", "Vary": "'Origin'"}


def preflight_integration(origins: Sequence[str], methods: Sequence[str]) -> dict[str, Any]:
    """Mock integration that answers a preflight (OPTIONS) request with 204, without the function.

    By the names of the CDK's properties, for a token that the paths share.
    """
    headers = {
        "Access-Control-Allow-Headers": ALLOW_HEADERS,
        "Access-Control-Allow-Methods": ",".join([*methods, "OPTIONS"]),
        "Access-Control-Max-Age": str(MAX_AGE_SECONDS),
        "Vary": "Origin",
    }
    if len(origins) == 1:
        headers[_ALLOW_ORIGIN] = origins[0]
    response: dict[str, Any] = {
        "statusCode": "204",
        "responseParameters": {f"method.response.header.{name}": f"'{value}'" for name, value in headers.items()},
    }
    if len(origins) > 1:
        response["responseTemplates"] = {"application/json": _choose_origin(origins)}
    return {
        "type": "MOCK",
        "requestTemplates": {"application/json": '{"statusCode":204}'},
        "integrationResponses": [response],
    }


def preflight_response() -> dict[str, Any]:
    """Declaration of the headers that the preflight answer may carry, by the names of the CDK's properties."""
    names = [
        "Access-Control-Allow-Headers",
        "Access-Control-Allow-Methods",
        _ALLOW_ORIGIN,
        "Access-Control-Max-Age",
        "Vary",
    ]
    return {"statusCode": "204", "responseParameters": {f"method.response.header.{name}": True for name in names}}


def _choose_origin(origins: Sequence[str]) -> str:
    """Template that repeats the caller's origin if it is allowed: the header takes one origin, not a list."""
    allowed = " || ".join(f'$origin == "{origin}"' for origin in origins)
    return "\n".join(
        [
            '#set($origin = $input.params().header.get("Origin"))',
            '#if($origin == "")',
            '#set($origin = $input.params().header.get("origin"))',
            "#end",
            f"#if({allowed})",
            f"#set($context.responseOverride.header.{_ALLOW_ORIGIN} = $origin)",
            "#end",
        ]
    )
