"""The URL that a request came to, as its caller wrote it: with the gateway's stage, or its custom domain."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def request_url(event: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The URL without its query; empty where the event names no domain, which one past the gateway need not.

    API Gateway gives the host without its port as `domainName`, and the path with its stage in `requestContext`.

    Args:
        event: A REST proxy event.
        headers: Its headers, with names in lower case.
    """
    context = event.get("requestContext") or {}
    domain, path = context.get("domainName"), context.get("path")
    if not domain or not path:
        return ""
    host = headers.get("host", "")
    # A header is the caller's word: it adds the port, and no other name than the gateway's own.
    if host.rpartition(":")[0] != domain or not host.rpartition(":")[2].isdecimal():
        host = domain
    scheme = "http" if headers.get("x-forwarded-proto") == "http" else "https"
    return f"{scheme}://{host}{path}"
