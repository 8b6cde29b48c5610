"""The entry point of the authorizer's function: finds the API key of a request in its headers.

Clients of Stability AI's and of the OpenAI API send their key as `Authorization: Bearer KEY`, some of the former as
`Authorization: KEY`, and API Gateway's own as `x-api-key: KEY`. What is returned here as `usageIdentifierKey` is what
API Gateway looks up, throttles and counts; a key that it does not know is refused there. So this function knows no key,
calls nothing, and imports nothing that takes time: it stands before every request.

Source: Amazon API Gateway developer guide, "Use API Gateway Lambda authorizers" and "Choose an API key source".
"""

from __future__ import annotations

import hashlib
import re
from typing import Any

# API Gateway, CreateApiKey: values have 20 to 128 characters. The alphabet is wider than that of generated ones.
_KEY = re.compile(r"[A-Za-z0-9._~+/=-]{20,128}")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Answer one authorizer event (type REQUEST).

    Raises:
        Exception: "Unauthorized", the word by which API Gateway answers 401: no header holds what could be a key.
    """
    key = _key_of(event.get("headers") or {})
    if key is None:
        # Exactly this text, in any class: API Gateway takes another text for a fault, and answers 500.
        raise Exception("Unauthorized")  # noqa: TRY002
    return {
        # Names the caller in logs without giving the key away.
        "principalId": f"key-{hashlib.sha256(key.encode()).hexdigest()[:16]}",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": event["methodArn"]}],
        },
        "usageIdentifierKey": key,
    }


def _key_of(headers: dict[str, str]) -> str | None:
    """The key; `x-api-key` counts where both headers are there, because nothing else is ever sent in it."""
    by_name = {name.lower(): value for name, value in headers.items()}
    key = (by_name.get("x-api-key") or "").strip()
    if not key:
        value = (by_name.get("authorization") or "").strip()
        scheme, _, token = value.partition(" ")
        # Stability AI's specification has the key alone in this header, and its generated clients send it so.
        key = token.strip() if scheme.lower() == "bearer" else value
    return key if _KEY.fullmatch(key) else None
