"""What is sent to the API and in which order, without doing any input or output.

A conversation is a generator: it yields a `Call` to be made or a `Wait`, is sent what came of it, and returns the
typed result. Both clients carry out the same conversations, so that nothing is decided twice.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TypeAlias, TypeVar

import httpx2

from sdxl._version import __version__
from sdxl.client import answers
from sdxl.client.requests import GenerationRequest, Operation
from sdxl.client.results import Engine, GenerationResult, Health, Image, Presets
from sdxl.client.retries import BUSY_STATUSES, FAILED_STATUSES, Attempts, Retries, Retry
from sdxl.errors import ApiConnectionError, ImageNotAvailableError, InvalidRequestError, SdxlError

ENGINE_ID = "stable-diffusion-xl-1024-v1-0"

# The gateway itself ends a request after its integration timeout, which quota increases take past the default 29 s.
TIMEOUT_SECONDS = 180.0
CONNECT_SECONDS = 10.0
# Asking for the health or the choices asks no model.
SHORT_TIMEOUT_SECONDS = 10.0

_PATHS: Mapping[Operation, str] = {
    "text-to-image": "text-to-image",
    "image-to-image": "image-to-image",
    "masking": "image-to-image/masking",
}

T = TypeVar("T")


def timeouts(seconds: float) -> httpx2.Timeout:
    """Return how long an attempt may take; an address where nothing listens is found out sooner."""
    return httpx2.Timeout(seconds, connect=min(CONNECT_SECONDS, seconds))


@dataclass(frozen=True, kw_only=True)
class Call:
    """One HTTP request to make. Credentials go with those to the API only: a link is signed, and leads elsewhere."""

    method: str
    url: str
    headers: Mapping[str, str]
    content: bytes | None = None
    timeout_seconds: float | None = None
    is_to_api: bool = True

    def build(self, http: httpx2.Client | httpx2.AsyncClient) -> httpx2.Request:
        """Return the request as httpx2 sends it; without a timeout it gets the client's."""
        timeout = http.timeout if self.timeout_seconds is None else httpx2.Timeout(self.timeout_seconds)
        return http.build_request(self.method, self.url, headers=self.headers, content=self.content, timeout=timeout)


@dataclass(frozen=True, kw_only=True)
class Wait:
    """Let this time pass."""

    seconds: float


# What came of a step: an answer, why there is none, or nothing after a wait.
Outcome: TypeAlias = httpx2.Response | httpx2.HTTPError | httpx2.InvalidURL | None
Conversation: TypeAlias = Generator[Call | Wait, Outcome, T]


@dataclass(frozen=True, kw_only=True)
class Conversations:
    """The conversations with one API. `clock` is in seconds, `draw` gives a number from 0 to 1."""

    base_url: str
    api_key: str | None
    retries: Retries = field(default_factory=Retries)
    on_retry: Callable[[Retry], None] = lambda _: None
    clock: Callable[[], float] = time.monotonic
    draw: Callable[[], float] = random.random

    def generate(
        self,
        request: GenerationRequest,
        idempotency_key: str | None,
        fetch_later: Callable[[str], bytes] | None,
    ) -> Conversation[GenerationResult]:
        """Generate images. Those behind links are fetched at once, or by `fetch_later` when they are looked at."""
        started_at = self.clock()
        call = Call(
            method="POST",
            url=f"{self.base_url}/v1/generation/{ENGINE_ID}/{_PATHS[request.operation]}",
            headers=self._headers(
                {
                    "content-type": "application/json",
                    # One key for all attempts: an attempt that follows one that made the image brings that image.
                    "idempotency-key": idempotency_key or str(uuid.uuid4()),
                    # Without it, many images of one answer lose quality to fit into it.
                    "prefer": "image-links",
                }
            ),
            content=json.dumps(request.body()).encode(),
        )
        answer = yield from self._insist(call)
        images = []
        for artifact in answers.artifacts(answer):
            url = artifact.url
            if artifact.data is not None:
                read = partial(bytes, artifact.data)
            elif fetch_later is not None:
                read = partial(fetch_later, url)
            else:
                read = partial(bytes, (yield from self.fetch(url)))
            images.append(Image(seed=artifact.seed, finish_reason=artifact.finish_reason, url=url or None, read=read))
        return GenerationResult(
            images=tuple(images), seconds=self.clock() - started_at, warnings=answers.warnings(answer)
        )

    def fetch(self, link: str) -> Conversation[bytes]:
        """Fetch an image behind a link."""
        call = Call(method="GET", url=link, headers={"accept": "image/png"}, is_to_api=False)
        outcome = yield from self._once(call)
        if isinstance(outcome, SdxlError):
            raise outcome
        if not outcome.is_success:
            raise ImageNotAvailableError(
                f"The image was generated, but its link at {answers.host(link)} answered {outcome.status_code}. Links "
                "expire: fetch images soon after the call. The same request with its seed makes the image again."
            )
        return answers.png(outcome.content)

    def presets(self) -> Conversation[Presets]:
        """Ask what can be chosen from."""
        return answers.presets((yield from self._insist(self._get("/v1/presets"))))

    def engines(self) -> Conversation[tuple[Engine, ...]]:
        """Ask which models can be named."""
        return answers.engines((yield from self._insist(self._get("/v1/engines/list"))))

    def health(self) -> Conversation[Health]:
        """Ask, once, whether images can be made now."""
        outcome = yield from self._once(self._get("/health"))
        if isinstance(outcome, SdxlError):
            raise outcome
        return answers.health(outcome)

    def _get(self, path: str) -> Call:
        return Call(
            method="GET",
            url=f"{self.base_url}{path}",
            headers=self._headers({}),
            timeout_seconds=SHORT_TIMEOUT_SECONDS,
        )

    def _headers(self, others: Mapping[str, str]) -> dict[str, str]:
        headers = {"accept": "application/json", "user-agent": f"sdxl/{__version__}", **others}
        if self.api_key is not None:
            headers["x-api-key"] = self.api_key
        return headers

    def _insist(self, call: Call) -> Conversation[httpx2.Response]:
        """Make a call until it succeeds, is refused, or enough was tried."""
        attempts = Attempts(policy=self.retries, started_at=self.clock(), draw=self.draw)
        while True:
            outcome = yield from self._once(call)
            status: int | None
            error: SdxlError
            if isinstance(outcome, ApiConnectionError):
                status, error, message = None, outcome, str(outcome)
                wait = attempts.wait_after_failure(None)
            elif isinstance(outcome, SdxlError):
                raise outcome
            elif outcome.is_success:
                return outcome
            else:
                status, error, message = outcome.status_code, answers.error(outcome), answers.message(outcome)
                wait = self._wait_after(outcome, attempts)
            if wait is None:
                raise error
            self.on_retry(Retry(status=status, message=message, wait_seconds=wait))
            yield Wait(seconds=wait)

    def _wait_after(self, answer: httpx2.Response, attempts: Attempts) -> float | None:
        retry_after = answers.retry_after_seconds(answer)
        if answer.status_code in FAILED_STATUSES:
            return attempts.wait_after_failure(retry_after)
        if answer.status_code in BUSY_STATUSES and not answers.is_quota(answer):
            return attempts.wait_after_busy(self.clock(), retry_after)
        # An earlier call with the same idempotency key is still at work: ours, of which no answer came, or that of a
        # process before this one.
        if answer.status_code == httpx2.codes.CONFLICT:
            return attempts.wait_after_busy(self.clock(), retry_after)
        return None

    def _once(self, call: Call) -> Conversation[httpx2.Response | SdxlError]:
        """Make a call; return what came, or the error that says why nothing did."""
        outcome = yield call
        if isinstance(outcome, httpx2.Response):
            return outcome
        reason = str(outcome) or type(outcome).__name__
        if isinstance(outcome, httpx2.UnsupportedProtocol | httpx2.InvalidURL):
            return InvalidRequestError(f"{call.url!r} is not an address that can be called: {reason}")
        if isinstance(outcome, httpx2.TimeoutException):
            error = ApiConnectionError(f"{answers.host(call.url)} did not answer in time ({reason}).")
        else:
            error = ApiConnectionError(f"{answers.host(call.url)} cannot be reached: {reason}.")
        error.__cause__ = outcome
        return error
