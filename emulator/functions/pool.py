"""The execution environments of one version of a function: reused one after another, several side by side."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from emulator.functions.outcome import ThrottledError
from emulator.functions.worker import Worker


class Pool:
    """Workers of one version. Beyond `size` an invocation waits; beyond the reserved concurrency it is throttled."""

    def __init__(self, digest: str, *, size: int, reserved_concurrency: int | None) -> None:
        self.digest = digest
        self._size = size if reserved_concurrency is None else min(size, reserved_concurrency)
        self._throttles = reserved_concurrency is not None
        self._changed = threading.Condition()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._starting = 0
        self._retired = False

    def acquire(self, start: Callable[[], Worker]) -> Worker:
        """An idle worker, or a new one made by `start`; raises what `start` raises, or ThrottledError."""
        with self._changed:
            while True:
                worker = self._take_idle()
                if worker:
                    return worker
                if len(self._busy) + self._starting < self._size:
                    self._starting += 1
                    break
                if self._throttles:
                    raise ThrottledError(f"the reserved concurrency of {self._size} is used up")
                self._changed.wait()
        try:
            worker = start()
        except BaseException:
            with self._changed:
                self._starting -= 1
                self._changed.notify()
            raise
        with self._changed:
            self._starting -= 1
            self._busy.add(worker)
        return worker

    def release(self, worker: Worker) -> None:
        """Give a worker back; one that died or whose version was replaced is stopped."""
        with self._changed:
            self._busy.discard(worker)
            reusable = worker.alive and not self._retired
            if reusable:
                self._idle.append(worker)
            self._changed.notify()
        if not reusable:
            worker.stop()

    def retire(self) -> None:
        """Stop idle workers now and busy ones when their event is done."""
        with self._changed:
            self._retired = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.stop()

    def stop(self) -> None:
        """Stop every worker now."""
        self.retire()
        with self._changed:
            busy = list(self._busy)
        for worker in busy:
            worker.stop()

    def stop_idle_since(self, seconds: float) -> None:
        """Stop workers that have been idle for longer, as Lambda reclaims them."""
        limit = time.monotonic() - seconds
        with self._changed:
            old = [worker for worker in self._idle if worker.last_used < limit]
            self._idle = [worker for worker in self._idle if worker not in old]
        for worker in old:
            worker.stop()

    def _take_idle(self) -> Worker | None:
        while self._idle:
            worker = self._idle.pop()
            if worker.alive:
                self._busy.add(worker)
                return worker
            worker.stop()
        return None
