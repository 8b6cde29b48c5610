"""HTTP as the dialects see it: a request out of a proxy event, a reply, and the two negotiations of media types."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from image_api.errors import InvalidRequestError, NotAcceptableError, UnsupportedMediaTypeError

JSON = "application/json"
PNG = "image/png"
FORM = "multipart/form-data"
HTML = "text/html"
EVENT_STREAM = "text/event-stream"
# What API Gateway is told to decode from base64 (`stacks/constructs/rest_api.py`), among what is answered with here.
_BINARY = frozenset({PNG})


class HttpRequest(msgspec.Struct, frozen=True):
    """A request: header names in lower case, the body as it was sent, the parameters of the path, URL and id."""

    headers: Mapping[str, str]
    body: bytes
    path_parameters: Mapping[str, str] = {}
    url: str = ""
    id: str = ""


class HttpReply(msgspec.Struct, frozen=True):
    """A reply. `body` is text, or base64 of a binary body where `is_base64` says so."""

    status: int
    content_type: str
    body: str
    headers: dict[str, str] = {}
    is_base64: bool = False


def http_request(event: Mapping[str, Any], path_parameters: Mapping[str, str], request_id: str) -> HttpRequest:
    """The request of a REST proxy event.

    Raises:
        InvalidRequestError: the body is marked as base64 and is not.
    """
    headers = {str(name).lower(): str(value) for name, value in (event.get("headers") or {}).items()}
    # `headers` has the last of several Accept headers, and the gateway goes by the first.
    for name, values in (event.get("multiValueHeaders") or {}).items():
        if str(name).lower() == "accept" and values:
            headers["accept"] = ", ".join(map(str, values))
    return HttpRequest(
        headers=headers,
        body=_body(event),
        path_parameters=path_parameters,
        url=_request_url(event, headers),
        id=request_id,
    )


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


def preferences(request: HttpRequest) -> frozenset[str]:
    """The preferences that the header `Prefer` names (RFC 7240), in lower case and without their parameters."""
    parts = request.headers.get("prefer", "").split(",")
    return frozenset(part.partition(";")[0].strip().lower() for part in parts)


def choose_media_type(request: HttpRequest, offered: Sequence[str]) -> str:
    """The offered media type that `Accept` prefers (RFC 9110, 12.5.1); the first offered where it has no preference.

    A binary one only where `Accept` names it first: the gateway decodes an answer from base64 if the first media type
    of `Accept` is one that it knows as binary, and looks at no other (API Gateway developer guide, "Binary media types
    for REST APIs"). Everywhere else the caller would get base64 under the name of an image.

    Raises:
        NotAcceptableError: `Accept` does not name one of them.
    """
    accept = request.headers.get("accept", "").strip() or "*/*"
    ranges = [_parse_range(part) for part in accept.split(",") if part.strip()]
    first = ranges[0][0] if ranges else ""
    best, best_quality = "", 0.0
    for media_type in offered:
        quality = 0.0 if media_type in _BINARY and media_type != first else _quality(media_type, ranges)
        if quality > best_quality:
            best, best_quality = media_type, quality
    if not best:
        words = " or ".join(f"{name} as the first" if name in _BINARY else name for name in offered)
        raise NotAcceptableError(f"Accept is {accept[:100]!r}, allowed is {words}. Accept one of them.")
    return best


def _body(event: Mapping[str, Any]) -> bytes:
    body = event.get("body") or ""
    if event.get("isBase64Encoded"):
        try:
            # As strict as the standard library's decoder and seven times as fast: 2 ms for an image of 4 MB.
            return msgspec.convert(body, bytes)
        except (msgspec.ValidationError, UnicodeEncodeError) as exc:
            raise InvalidRequestError("The body is marked as base64 and is not. Send it as it is.") from exc
    # Half of a surrogate pair, which a proxy event can hold, becomes bytes that the parser then refuses.
    return bytes(body.encode(errors="surrogatepass"))


def _request_url(event: Mapping[str, Any], headers: Mapping[str, str]) -> str:
    """The URL as the caller wrote it, without its query; empty where the event names no domain.

    API Gateway gives the host without its port as `domainName`, and the path with its stage in `requestContext`.
    """
    context = event.get("requestContext") or {}
    domain, path = context.get("domainName"), context.get("path")
    if not domain or not path:
        return ""
    host = headers.get("host", "")
    # The caller writes this header: it adds the port, and no other name than the gateway's own.
    if host.rpartition(":")[0] != domain or not host.rpartition(":")[2].isdecimal():
        host = domain
    scheme = "http" if headers.get("x-forwarded-proto") == "http" else "https"
    return f"{scheme}://{host}{path}"


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
