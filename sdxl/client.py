"""The image API over HTTP: a typed request in, typed images out, and errors that say what to do."""

from __future__ import annotations

import base64
import binascii
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from sdxl import __version__
from sdxl.errors import RequestRefusedError, SdxlError, UnavailableError

ENGINE_ID = "stable-diffusion-xl-1024-v1-0"

# Both are answered before a model has drawn the image, so that sending the request again does not pay for it twice.
# (Of several samples, those that other instances drew meanwhile are drawn again.)
RETRIED_STATUSES = frozenset({429, 503})
RETRY_FOR_SECONDS = 120.0
LONGEST_BACKOFF_SECONDS = 20.0

# The gateway itself ends a request after its integration timeout, which quota increases take past the default 29 s.
TIMEOUT = httpx.Timeout(180.0, connect=10.0)

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True, kw_only=True)
class TextPrompt:
    """One weighted prompt. A negative weight says what to keep out of the image."""

    text: str
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """A text-to-image request. What is None is left to the API's defaults."""

    prompts: tuple[TextPrompt, ...]
    width: int | None = None
    height: int | None = None
    seed: int | None = None
    steps: int | None = None
    samples: int | None = None
    cfg_scale: float | None = None
    sampler: str | None = None

    def body(self) -> dict[str, Any]:
        """Return the JSON body, as Stability's REST v1 API takes it."""
        fields: dict[str, Any] = {
            "text_prompts": [{"text": prompt.text, "weight": prompt.weight} for prompt in self.prompts],
            "width": self.width,
            "height": self.height,
            "seed": self.seed,
            "steps": self.steps,
            "samples": self.samples,
            "cfg_scale": self.cfg_scale,
            "sampler": self.sampler,
        }
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class GeneratedImage:
    """One PNG, with the seed that makes it again. `finish_reason` is SUCCESS or CONTENT_FILTERED."""

    data: bytes
    seed: int
    finish_reason: str

    @property
    def size(self) -> tuple[int, int]:
        """Width and height in pixels, as the PNG's own header has them."""
        return int.from_bytes(self.data[16:20]), int.from_bytes(self.data[20:24])

    def save(self, path: Path, *, overwrite: bool = False) -> Path:
        """Write the PNG, making its folder. Raises FileExistsError for a file that is there, unless `overwrite`."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("wb" if overwrite else "xb") as file:
            file.write(self.data)
        return path


@dataclass(frozen=True, kw_only=True)
class GenerationResult:
    """What one call brought: the images, and the seconds that it took, waiting included."""

    images: tuple[GeneratedImage, ...]
    seconds: float


@dataclass(frozen=True, kw_only=True)
class Retry:
    """A call that was turned away before any work was done, and is sent again after `wait_seconds`."""

    status: int
    message: str
    wait_seconds: float


class Client:
    """Calls the image API at `base_url` with an API key."""

    def __init__(
        self,
        base_url: str,
        api_key: str,
        *,
        retry_for_seconds: float = RETRY_FOR_SECONDS,
        on_retry: Callable[[Retry], None] = lambda _: None,
        transport: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Keep the address and key. A busy API is asked again for `retry_for_seconds`; 0 asks once."""
        self.base_url = base_url.rstrip("/")
        self._key_header = {"x-api-key": api_key}
        self._retry_for_seconds = retry_for_seconds
        self._on_retry = on_retry
        self._sleep = sleep
        self._clock = clock
        self._http = httpx.Client(
            timeout=TIMEOUT,
            transport=transport,
            headers={"user-agent": f"sdxl/{__version__}", "accept": "application/json"},
        )

    def __enter__(self) -> Self:
        """Return the client itself; leaving closes its connections."""
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Close the connections."""
        self._http.close()

    def generate(self, request: GenerationRequest) -> GenerationResult:
        """Generate images. Raises RequestRefusedError or UnavailableError."""
        started = self._clock()
        answer = self._post(f"/v1/generation/{ENGINE_ID}/text-to-image", request.body())
        artifacts = _artifacts(answer)
        images = tuple(self._image(artifact) for artifact in artifacts)
        return GenerationResult(images=images, seconds=self._clock() - started)

    def answers(self) -> bool:
        """Whether an image API is at this address, be its model ready or not."""
        try:
            answer = self._http.get(f"{self.base_url}/health", timeout=10.0)
            return "status" in answer.json()
        except (httpx.HTTPError, ValueError, TypeError):
            return False

    def _post(self, path: str, body: dict[str, Any]) -> httpx.Response:
        give_up_at = self._clock() + self._retry_for_seconds
        attempt = 0
        while True:
            answer = self._send("POST", f"{self.base_url}{path}", headers=self._key_header, json=body)
            if answer.is_success:
                return answer
            error = _error(answer)
            if answer.status_code not in RETRIED_STATUSES or _is_quota(answer):
                raise error
            wait = _retry_after(answer.headers)
            if wait is None:
                wait = min(2.0**attempt, LONGEST_BACKOFF_SECONDS)
            if self._clock() + wait > give_up_at:
                raise error
            self._on_retry(Retry(status=answer.status_code, message=_message(answer), wait_seconds=wait))
            self._sleep(wait)
            attempt += 1

    def _send(self, method: str, url: str, **arguments: Any) -> httpx.Response:
        try:
            return self._http.request(method, url, **arguments)
        except httpx.TimeoutException as exc:
            raise UnavailableError(f"{_host(url)} did not answer in time ({exc or type(exc).__name__}).") from exc
        except (httpx.UnsupportedProtocol, httpx.InvalidURL) as exc:
            raise SdxlError(f"{url!r} is not an address that can be called: {exc}") from exc
        except httpx.HTTPError as exc:
            raise UnavailableError(f"{_host(url)} cannot be reached: {exc or type(exc).__name__}.") from exc

    def _image(self, artifact: Mapping[str, Any]) -> GeneratedImage:
        reason = str(artifact.get("finishReason", "SUCCESS"))
        if reason == "ERROR":
            raise UnavailableError("The model failed on this image (finish reason ERROR). Try another seed.")
        try:
            if "url" in artifact:
                data = self._download(str(artifact["url"]))
            else:
                data = base64.b64decode(artifact["base64"], validate=True)
            seed = int(artifact["seed"])
        except (KeyError, TypeError, ValueError, binascii.Error) as exc:
            raise UnavailableError(f"The API's answer is not an image that this client knows: {exc!r}.") from exc
        if not data.startswith(_PNG_SIGNATURE):
            raise UnavailableError(f"The API's answer is not a PNG: it starts with {data[:8]!r}.")
        return GeneratedImage(data=data, seed=seed, finish_reason=reason)

    def _download(self, link: str) -> bytes:
        # Without the API key: the link is signed, and leads to the bucket.
        answer = self._send("GET", link, headers={"accept": "image/png"}, follow_redirects=True)
        if not answer.is_success:
            raise UnavailableError(
                f"The image was generated, but its link at {_host(link)} answered {answer.status_code}."
            )
        return answer.content


def _artifacts(answer: httpx.Response) -> list[Mapping[str, Any]]:
    try:
        artifacts = answer.json()["artifacts"]
    except (ValueError, KeyError, TypeError) as exc:
        raise UnavailableError(
            f"{_host(str(answer.url))} answered {answer.status_code} with something that is not the image API's: "
            f"{answer.text[:80]!r}. Is this the right address?"
        ) from exc
    if not isinstance(artifacts, list) or not all(isinstance(artifact, dict) for artifact in artifacts):
        raise UnavailableError("The API's answer has no list of artifacts.")
    return artifacts


def _error(answer: httpx.Response) -> SdxlError:
    """Turn an error answer into the exception that tells who can do something about it."""
    body = _error_body(answer)
    name, request_id = body.get("name"), body.get("id") or answer.headers.get("x-amzn-requestid")
    status = f"{answer.status_code} {name}" if name else str(answer.status_code)
    text = f"{_message(answer)} ({status}"
    text += f", request {request_id})" if request_id else ")"
    if answer.status_code == httpx.codes.FORBIDDEN:
        text += " Is this API key the one of this deployment?"
    if answer.status_code in RETRIED_STATUSES or answer.is_server_error:
        return UnavailableError(f"The API could not do it: {text}")
    return RequestRefusedError(f"The API refused: {text}")


def _message(answer: httpx.Response) -> str:
    message = str(_error_body(answer).get("message") or answer.reason_phrase or "no message")
    detail = _without_middle(answer.headers.get("x-validation-error", ""))
    return f"{message.rstrip('.')}: {detail}" if detail and detail not in message else message


def _without_middle(text: str, longest: int = 400) -> str:
    """Return a text that may quote the whole request, short enough to be read; its reason stands at the end."""
    return text if len(text) <= longest else f"{text[: longest // 2]} ... {text[-longest // 2 :]}"


def _error_body(answer: httpx.Response) -> Mapping[str, Any]:
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _is_quota(answer: httpx.Response) -> bool:
    """Whether the key's quota is used up: unlike a throttle, that does not pass within seconds."""
    body = _error_body(answer)
    return "quota" in str(body.get("name", "")).lower() or body.get("message") == "Limit Exceeded"


def _retry_after(headers: httpx.Headers) -> float | None:
    """Return the seconds that Retry-After asks for: a number, or the time until a date."""
    value = headers.get("retry-after", "").strip()
    if not value:
        return None
    if value.isdigit():
        return float(value)
    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _host(url: str) -> str:
    return httpx.URL(url).netloc.decode() or url
