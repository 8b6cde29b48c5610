"""What the API's answers mean: images, choices, and errors that name who can do something about them."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, TypeVar

import httpx2

from sdxl.client.results import Described, Engine, Health, Presets, SizePreset
from sdxl.errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConflictError,
    ModelNotReadyError,
    ModelTimeoutError,
    RateLimitedError,
    ServerError,
    UnexpectedAnswerError,
)

WARNING_HEADER = "x-sdxl-warning"

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_ERRORS: Mapping[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    409: ConflictError,
    422: ConflictError,
    429: RateLimitedError,
    503: ModelNotReadyError,
    504: ModelTimeoutError,
}

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class AnsweredImage:
    """One artifact: `data` is a PNG, or None where the image is behind `url`."""

    seed: int
    finish_reason: str
    data: bytes | None
    url: str = ""


def artifacts(answer: httpx2.Response) -> tuple[AnsweredImage, ...]:
    """Return the images that a generation route answered with: at least one.

    Raises:
        UnexpectedAnswerError: the answer is not of this API, or a model behind it failed on an image.
    """
    found = _read(answer, lambda body: [_artifact(artifact) for artifact in body["artifacts"]])
    if not found:
        raise UnexpectedAnswerError("The API answered without an image.")
    return tuple(found)


def png(data: bytes) -> bytes:
    """Return a PNG file's bytes, having looked at the first of them."""
    if not data.startswith(_PNG_SIGNATURE):
        raise UnexpectedAnswerError(f"The API's image is not a PNG: it starts with {data[:8]!r}.")
    return data


def warnings(answer: httpx2.Response) -> tuple[str, ...]:
    """Return what the API warns of in an answer that succeeded."""
    return tuple(answer.headers.get_list(WARNING_HEADER))


def presets(answer: httpx2.Response) -> Presets:
    """Return what can be chosen from."""
    return _read(
        answer,
        lambda body: Presets(
            sizes=tuple(
                SizePreset(**{name: size[name] for name in ("name", "label", "ratio", "width", "height")})
                for size in body["sizes"]
            ),
            styles=_described(body["styles"]),
            samplers=_described(body["samplers"]),
            raw=body,
        ),
    )


def engines(answer: httpx2.Response) -> tuple[Engine, ...]:
    """Return the models that can be named in a path."""
    return _read(
        answer,
        lambda body: tuple(
            Engine(id=engine["id"], name=engine["name"], description=engine["description"]) for engine in body
        ),
    )


def health(answer: httpx2.Response) -> Health:
    """Return whether images can be made now. 503 is an answer too."""
    details = _read(answer, lambda body: {"status": body["status"], **body})
    return Health(is_ready=answer.is_success, details=details)


def error(answer: httpx2.Response) -> ApiError:
    """Return the exception for an error answer."""
    body = _error_body(answer)
    name, request_id = str(body.get("name") or ""), body.get("id") or answer.headers.get("x-amzn-requestid")
    status = f"{answer.status_code} {name}".rstrip()
    said = message(answer)
    text = f"{said} ({status}, request {request_id})" if request_id else f"{said} ({status})"
    kind = _ERRORS.get(answer.status_code, ServerError if answer.is_server_error else BadRequestError)
    start = "The API refused" if issubclass(kind, BadRequestError) else "The API could not do it"
    return kind(
        f"{start}: {text}",
        status=answer.status_code,
        name=name,
        message=said,
        request_id=request_id and str(request_id),
        problems=_problems(body),
    )


def message(answer: httpx2.Response) -> str:
    """Return the API's own words."""
    return str(_error_body(answer).get("message") or answer.reason_phrase or "no message")


def is_quota(answer: httpx2.Response) -> bool:
    """Whether the key's quota is used up: unlike a throttle, that does not pass within seconds."""
    body = _error_body(answer)
    return "quota" in str(body.get("name", "")).lower() or body.get("message") == "Limit Exceeded"


def retry_after_seconds(answer: httpx2.Response) -> float | None:
    """Return the seconds that Retry-After asks for: a number, or the time until a date. None without either."""
    value = answer.headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def host(url: str) -> str:
    """Return the host and port of an address."""
    return httpx2.URL(url).netloc.decode() or url


def _artifact(artifact: Mapping[str, Any]) -> AnsweredImage:
    reason = str(artifact.get("finishReason", "SUCCESS"))
    if reason == "ERROR":
        raise UnexpectedAnswerError("The model failed on this image (finish reason ERROR). Try another seed.")
    if "url" in artifact:
        return AnsweredImage(seed=int(artifact["seed"]), finish_reason=reason, data=None, url=str(artifact["url"]))
    data = png(base64.b64decode(artifact["base64"], validate=True))
    return AnsweredImage(seed=int(artifact["seed"]), finish_reason=reason, data=data)


def _described(entries: list[Mapping[str, Any]]) -> tuple[Described, ...]:
    return tuple(
        Described(name=entry["name"], description=entry["description"], is_supported=entry.get("supported", True))
        for entry in entries
    )


def _read(answer: httpx2.Response, read: Callable[[Any], T]) -> T:
    """Read a JSON answer; one that has another shape is not this API's."""
    try:
        return read(answer.json())
    except (KeyError, TypeError, ValueError, AttributeError, binascii.Error) as exc:
        raise UnexpectedAnswerError(
            f"{answer.url} answered {answer.status_code} with something that is not the image API's: "
            f"{answer.text[:80]!r}. Is this the right address?"
        ) from exc


def _error_body(answer: httpx2.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _problems(body: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    problems = body.get("problems")
    return [problem for problem in problems if isinstance(problem, dict)] if isinstance(problems, list) else []
