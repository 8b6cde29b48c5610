"""Which media types API Gateway takes for binary."""

from __future__ import annotations

from collections.abc import Iterable


def is_binary(header: str | None, binary_media_types: Iterable[str]) -> bool:
    """Whether the first media type of a Content-Type or Accept header is among the API's binary media types."""
    kind, slash, subtype = (header or "").split(",")[0].split(";")[0].strip().lower().partition("/")
    if not slash:
        return False
    for binary in binary_media_types:
        binary_kind, _, binary_subtype = binary.split(";")[0].strip().lower().partition("/")
        if binary_kind == "*" or (binary_kind == kind and binary_subtype in {"*", subtype}):
            return True
    return False
