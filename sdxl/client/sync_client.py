"""The client: carries conversations out over blocking HTTP."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx2

from sdxl.client.conversations import TIMEOUT_SECONDS, Call, Conversation, Conversations, Outcome, Wait, timeouts
from sdxl.client.requests import GenerationRequest, ImageSource, MaskSource, Options, request_from
from sdxl.client.results import Engine, GenerationResult, Health, Presets
from sdxl.client.retries import Retries, Retry

T = TypeVar("T")


class Client:
    """Calls the image API at `base_url` with an API key. Safe to share between threads.

    `timeout` is in seconds and for each attempt. A deployment without API keys takes `auth`, any authentication of
    httpx2 (a Cognito token, AWS signatures), and `api_key` None. Tests give `transport`, `sleep`, `clock` and `draw`.
    Every method raises what `sdxl.errors` draws.
    """

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float = TIMEOUT_SECONDS,
        retries: Retries | None = None,
        on_retry: Callable[[Retry], None] = lambda _: None,
        auth: httpx2.Auth | None = None,
        transport: httpx2.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        """Keep the address and key; nothing is called yet."""
        self.base_url = base_url.rstrip("/")
        self._conversations = Conversations(
            base_url=self.base_url,
            api_key=api_key,
            retries=retries or Retries(),
            on_retry=on_retry,
            clock=clock,
            draw=draw,
        )
        self._timeout = timeout
        self._auth = auth
        self._transport = transport
        self._sleep = sleep
        self._http = self._open()

    def __enter__(self) -> Self:
        """Return the client itself; leaving closes its connections."""
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections. Images behind links can still be fetched."""
        self._http.close()

    def generate(self, request: GenerationRequest, *, idempotency_key: str | None = None) -> GenerationResult:
        """Generate images: from text, from an image, or within a mask, by what the request holds.

        All attempts of a call share an idempotency key, made for each call unless given: with one of your own, a call
        that is repeated after a crash brings the image of the first.
        """
        return self._run(self._conversations.generate(request, idempotency_key, self._fetch))

    def text_to_image(self, prompt: str, **options: Unpack[Options]) -> GenerationResult:
        """Make an image from text: `client.text_to_image("puppy", style="photographic", size="widescreen")`."""
        request, key = request_from(prompt, options)
        return self.generate(request, idempotency_key=key)

    def image_to_image(
        self, init_image: ImageSource, prompt: str, *, strength: float | None = None, **options: Unpack[Options]
    ) -> GenerationResult:
        """Change an image. `strength`, 0 to 1, is how much of it stays; 0.35 if left out."""
        request, key = request_from(prompt, options, init_image=init_image, image_strength=strength)
        return self.generate(request, idempotency_key=key)

    def inpaint(
        self,
        init_image: ImageSource,
        prompt: str,
        *,
        mask: ImageSource | None = None,
        mask_source: MaskSource | None = None,
        **options: Unpack[Options],
    ) -> GenerationResult:
        """Repaint a part of an image: where `mask` is white, or as `mask_source` says."""
        request, key = request_from(
            prompt, options, init_image=init_image, mask=mask, mask_source=mask_source or "MASK_IMAGE_WHITE"
        )
        return self.generate(request, idempotency_key=key)

    def presets(self) -> Presets:
        """Return the sizes, styles and samplers that can be chosen, and every parameter's bounds."""
        return self._run(self._conversations.presets())

    def engines(self) -> tuple[Engine, ...]:
        """Return the models that are deployed."""
        return self._run(self._conversations.engines())

    def health(self) -> Health:
        """Return whether images can be made now. Asks once, and needs no key."""
        return self._run(self._conversations.health())

    def _open(self) -> httpx2.Client:
        return httpx2.Client(timeout=timeouts(self._timeout), transport=self._transport)

    def _fetch(self, link: str) -> bytes:
        return self._run(self._conversations.fetch(link))

    def _run(self, conversation: Conversation[T]) -> T:
        if self._http.is_closed:
            with self._open() as http:
                return self._carry_out(conversation, http)
        return self._carry_out(conversation, self._http)

    def _carry_out(self, conversation: Conversation[T], http: httpx2.Client) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Wait):
                self._sleep(step.seconds)
                outcome = None
            else:
                outcome = self._make(step, http)

    def _make(self, call: Call, http: httpx2.Client) -> Outcome:
        try:
            auth = self._auth if call.is_to_api else None
            return http.send(call.build(http), auth=auth, follow_redirects=not call.is_to_api)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            return exc
