"""The bodies of requests over HTTP, apart from what draws: the process that Ray gives a route to needs no PyTorch."""

from __future__ import annotations

from starlette.requests import Request

# Asynchronous inference lets 1 GB through; two images of 16 million pixels have less than this.
MAX_BODY_BYTES = 256 * 1024 * 1024


async def read_body(request: Request) -> bytes | None:
    """Read the body of a request; None where it is too long."""
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
        parts.append(part)
    return b"".join(parts)
