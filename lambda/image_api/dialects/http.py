"""HTTP as the dialects see it: a request, a reply, and the two negotiations of media types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec

from image_api.errors import NotAcceptableError, UnsupportedMediaTypeError

JSON = "application/json"
PNG = "image/png"


class HttpRequest(msgspec.Struct, frozen=True):
    """A request: header names in lower case, the body as it was sent, the parameters of the path, and the URL."""

    headers: Mapping[str, str]
    body: bytes
    path_parameters: Mapping[str, str] = {}
    url: str = ""


class HttpReply(msgspec.Struct, frozen=True):
    """A reply. `body` is text, or base64 of a binary body where `is_base64` says so."""

    status: int
    content_type: str
    body: str
    headers: dict[str, str] = {}
    is_base64: bool = False


def json_reply(status: int, value: object, headers: Mapping[str, str] | None = None) -> HttpReply:
    """Answer with a small JSON value."""
    return HttpReply(
        status=status, content_type=JSON, body=msgspec.json.encode(value).decode(), headers=dict(headers or {})
    )


def check_json_content_type(request: HttpRequest) -> None:
    """Raise `UnsupportedMediaTypeError` unless the body claims to be JSON in UTF-8, or claims nothing."""
    value = request.headers.get("content-type", JSON)
    media_type, *parameters = (part.strip().lower() for part in value.split(";"))
    charset = next((part.removeprefix("charset=").strip('"') for part in parameters if part.startswith("charset=")), "")
    if media_type != JSON or charset not in ("", "utf-8", "utf8", "us-ascii"):
        raise UnsupportedMediaTypeError(
            f"Content-Type is {value[:100]!r}, allowed is {JSON} in UTF-8. Send the request as JSON."
        )


def choose_media_type(request: HttpRequest, offered: Sequence[str]) -> str:
    """The offered media type that `Accept` prefers (RFC 9110, 12.5.1); the first offered where it has no preference.

    Raises:
        NotAcceptableError: `Accept` names none of them.
    """
    accept = request.headers.get("accept", "").strip() or "*/*"
    ranges = [_parse_range(part) for part in accept.split(",") if part.strip()]
    best, best_quality = "", 0.0
    for media_type in offered:
        quality = _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    if not best:
        raise NotAcceptableError(f"Accept is {accept[:100]!r}, allowed is {' or '.join(offered)}. Accept one of them.")
    return best


def _parse_range(text: str) -> tuple[str, float]:
    media_range, *parameters = (part.strip().lower() for part in text.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return media_range, min(1.0, max(0.0, float(parameter.removeprefix("q="))))
            except ValueError:
                return media_range, 0.0
    return media_range, 1.0


def _quality(media_type: str, ranges: Sequence[tuple[str, float]]) -> float:
    """The quality of the most specific range that covers the media type; 0 if none does."""
    for candidate in (media_type, f"{media_type.partition('/')[0]}/*", "*/*"):
        qualities = [quality for media_range, quality in ranges if media_range == candidate]
        if qualities:
            return max(qualities)
    return 0.0
