"""The async client: carries the same conversations out with `await`."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar, Unpack

import httpx2

from sdxl.client.conversations import TIMEOUT_SECONDS, Call, Conversation, Conversations, Outcome, Wait, timeouts
from sdxl.client.requests import GenerationRequest, ImageSource, MaskSource, Options, request_from
from sdxl.client.results import Engine, GenerationResult, Health, Presets
from sdxl.client.retries import Retries, Retry

T = TypeVar("T")


class AsyncClient:
    """`Client` with `await`: the same arguments, methods, results and errors. For use within one event loop.

    Images behind links are fetched before a call returns.
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
        transport: httpx2.AsyncBaseTransport | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
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
        self._auth = auth
        self._sleep = sleep
        self._http = httpx2.AsyncClient(timeout=timeouts(timeout), transport=transport)

    async def __aenter__(self) -> Self:
        """Return the client itself; leaving closes its connections."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None
    ) -> None:
        """Close the connections."""
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def generate(self, request: GenerationRequest, *, idempotency_key: str | None = None) -> GenerationResult:
        """Generate images: from text, from an image, or within a mask, by what the request holds.

        All attempts of a call share an idempotency key, made for each call unless given: with one of your own, a call
        that is repeated after a crash brings the image of the first.
        """
        return await self._run(self._conversations.generate(request, idempotency_key, None))

    async def text_to_image(self, prompt: str, **options: Unpack[Options]) -> GenerationResult:
        """Make an image from text: `await client.text_to_image("puppy", style="photographic", size="widescreen")`."""
        request, key = request_from(prompt, options)
        return await self.generate(request, idempotency_key=key)

    async def image_to_image(
        self, init_image: ImageSource, prompt: str, *, strength: float | None = None, **options: Unpack[Options]
    ) -> GenerationResult:
        """Change an image. `strength`, 0 to 1, is how much of it stays; 0.35 if left out."""
        request, key = request_from(prompt, options, init_image=init_image, image_strength=strength)
        return await self.generate(request, idempotency_key=key)

    async def inpaint(
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
        return await self.generate(request, idempotency_key=key)

    async def presets(self) -> Presets:
        """Return the sizes, styles and samplers that can be chosen, and every parameter's bounds."""
        return await self._run(self._conversations.presets())

    async def engines(self) -> tuple[Engine, ...]:
        """Return the models that are deployed."""
        return await self._run(self._conversations.engines())

    async def health(self) -> Health:
        """Return whether images can be made now. Asks once, and needs no key."""
        return await self._run(self._conversations.health())

    async def _run(self, conversation: Conversation[T]) -> T:
        outcome: Outcome = None
        while True:
            try:
                step = conversation.send(outcome)
            except StopIteration as done:
                result: T = done.value
                return result
            if isinstance(step, Wait):
                await self._sleep(step.seconds)
                outcome = None
            else:
                outcome = await self._make(step)

    async def _make(self, call: Call) -> Outcome:
        try:
            auth = self._auth if call.is_to_api else None
            return await self._http.send(call.build(self._http), auth=auth, follow_redirects=not call.is_to_api)
        except (httpx2.HTTPError, httpx2.InvalidURL) as exc:
            return exc
