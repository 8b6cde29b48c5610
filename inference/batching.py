"""Requests that can be drawn together, are: a queue before the one thread that uses the device."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Hashable, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field

from inference.engine import Drawing, Sample


class BusyError(RuntimeError):
    """More samples wait than may."""


@dataclass(frozen=True)
class Drawn:
    """One sample's image, as `Drawing` has it, with the batch that it was in and how long it waited for that."""

    index: int
    batch: Drawing
    waited_seconds: float


@dataclass
class _Waiting:
    key: Hashable
    sample: Sample
    answer: asyncio.Future[Drawn]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """Draws samples in the order in which they came, those of an equal key together.

    Args:
        draw: Draws samples of one key.
        executor: One thread: the device draws one batch at a time.
        max_samples: The most samples of a batch.
        wait_seconds: How long the first of a batch waits for others. Nobody waits while the batch is full, and time
            that was spent behind another batch counts.
        max_waiting: The most samples that wait.
    """

    def __init__(
        self,
        draw: Callable[[Sequence[Sample]], Drawing],
        executor: Executor,
        *,
        max_samples: int,
        wait_seconds: float,
        max_waiting: int,
    ) -> None:
        self._draw, self._executor = draw, executor
        self._max_samples, self._wait_seconds, self._max_waiting = max_samples, wait_seconds, max_waiting
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()

    async def submit(self, key: Hashable, samples: Sequence[Sample]) -> list[Drawn]:
        """Have samples drawn; if the caller is cancelled, those that still wait are not.

        Raises:
            BusyError: too many wait already.
            Exception: what `draw` raised.
        """
        if len(self._waiting) + len(samples) > self._max_waiting:
            raise BusyError(f"{len(self._waiting)} images wait to be drawn")
        loop = asyncio.get_running_loop()
        waiting = [_Waiting(key, sample, loop.create_future()) for sample in samples]
        self._waiting += waiting
        self._arrived.set()
        try:
            return list(await asyncio.gather(*(one.answer for one in waiting)))
        finally:
            for one in waiting:
                # Those of a caller that left, or whose other samples failed.
                if not one.answer.cancel() and not one.answer.cancelled():
                    one.answer.exception()

    async def run(self) -> None:
        """Draw batch after batch, until cancelled."""
        while True:
            batch = await self._next_batch()
            loop, started = asyncio.get_running_loop(), time.monotonic()
            try:
                drawing = await loop.run_in_executor(self._executor, self._draw, [one.sample for one in batch])
            except Exception as exc:  # noqa: BLE001 - whatever it is, those who wait for this batch get it
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(exc)
                continue
            for index, one in enumerate(batch):
                if not one.answer.done():
                    one.answer.set_result(Drawn(index, drawing, started - one.since))

    async def _next_batch(self) -> list[_Waiting]:
        while True:
            self._waiting = [one for one in self._waiting if not one.answer.done()]
            self._arrived.clear()
            if not self._waiting:
                await self._arrived.wait()
                continue
            first = self._waiting[0]
            batch = [one for one in self._waiting if one.key == first.key][: self._max_samples]
            left = first.since + self._wait_seconds - time.monotonic()
            if len(batch) == self._max_samples or left <= 0:
                taken = {id(one) for one in batch}
                self._waiting = [one for one in self._waiting if id(one) not in taken]
                return batch
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), left)
