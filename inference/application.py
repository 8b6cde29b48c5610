"""The server's HTTP: SageMaker's container contract, `GET /ping` and `POST /invocations`.

Source: Amazon SageMaker AI developer guide, "Use Your Own Inference Code with Hosting Services". Of an answer's headers
InvokeEndpoint hands on `X-Amzn-SageMaker-Custom-Attributes` alone: the figures of a request are there, and in the log.
"""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from inference.batching import Batcher, BusyError, Drawn
from inference.bodies import MAX_BODY_BYTES, read_body
from inference.engine import Engine, OutOfMemoryError, Sample
from inference.pictures import write_picture
from inference.requests import ImageRequest, InvalidRequestError, parse
from inference.settings import Settings

_log = logging.getLogger(__name__)
_FIGURES_HEADER = "X-Amzn-SageMaker-Custom-Attributes"
# By the subtype of an `Accept` such as "application/json;png", which is how Stability AI's container is asked.
_KINDS = {"png": "PNG", "jpeg": "JPEG", "jpg": "JPEG", "webp": "WEBP"}
_RETRY_SECONDS = "5"

Load = Callable[[], Engine]


class Server:
    """The state of the server: not ready until the engine has drawn its first image.

    Args:
        load: Verifies, loads and warms. It runs in the thread that draws.
        settings: How requests are batched.
    """

    def __init__(self, load: Load, settings: Settings) -> None:
        self._load_engine, self._settings = load, settings
        self._engine: Engine | None = None
        self._batcher: Batcher | None = None
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="device")
        self.state = "loading"
        self._drawing: asyncio.Task[None] | None = None

    def application(self) -> Starlette:
        """Return the ASGI application; loading begins as it starts."""
        return Starlette(
            routes=[
                Route("/ping", self.ping, methods=["GET"]),
                Route("/invocations", self.invoke, methods=["POST"]),
            ],
            lifespan=self._lifespan,
        )

    @asynccontextmanager
    async def _lifespan(self, _: Starlette) -> AsyncIterator[None]:
        loading = asyncio.create_task(self.load())
        try:
            yield
        finally:
            self.state = "stopping"
            for task in (loading, self._drawing):
                if task is not None:
                    task.cancel()
            # What it draws now has no one left to answer to: the HTTP server waited for those who had.
            self._executor.shutdown(wait=False, cancel_futures=True)

    async def load(self) -> None:
        """Load the engine and begin to draw; afterwards the state is "ready" or "failed"."""
        try:
            self._engine = await asyncio.get_running_loop().run_in_executor(self._executor, self._load_engine)
        except Exception:  # noqa: BLE001 - whatever it is, the log has it and /ping stays 503
            self.state = "failed"
            # Alive and never ready: the log has the reason, and SageMaker gives the endpoint up.
            _log.exception("the model cannot be loaded")
            return
        self._batcher = Batcher(
            self._engine.draw,
            self._executor,
            max_samples=self._settings.max_batch_samples,
            wait_seconds=self._settings.batch_wait_seconds,
            max_waiting=self._settings.max_waiting_samples,
        )
        self._drawing = asyncio.create_task(self._batcher.run())
        self.state = "ready"

    async def ping(self, _: Request) -> Response:
        """200 once an image can be drawn, 503 before and after."""
        return JSONResponse({"state": self.state}, 200 if self.state == "ready" else 503)

    async def invoke(self, request: Request) -> Response:
        """Answer a request over HTTP."""
        if (body := await read_body(request)) is None:
            return _error(413, "payload_too_large", f"The body has more than {MAX_BODY_BYTES} bytes.")
        return await self.answer(body, request.headers.get("accept", ""))

    async def answer(self, body: bytes, accept: str) -> Response:
        """Draw the images of a request in Stability AI's convention."""
        if self._engine is None or self._batcher is None or self.state != "ready":
            return _error(503, "not_ready", "The model is not loaded yet. Try again later.")
        if (kind := _picture_kind(accept)) is None:
            return _error(406, "not_acceptable", "Accept must be application/json;png, ;jpeg or ;webp.")
        try:
            return await _draw(body, kind, self._engine, self._batcher)
        except Exception as exc:  # noqa: BLE001 - the entry point of a request
            return _failure(exc)


async def _draw(body: bytes, kind: str, engine: Engine, batcher: Batcher) -> Response:
    # Pictures are decoded and encoded in other threads than the one that answers /ping.
    wanted = await asyncio.to_thread(parse, body, engine.offer)
    key = await asyncio.to_thread(engine.key, wanted)
    drawn = await batcher.submit(key, [Sample(wanted, seed) for seed in wanted.seeds])
    content = await asyncio.to_thread(_artifacts, drawn, wanted.seeds, kind)
    return Response(content, 200, {_FIGURES_HEADER: _figures(wanted, drawn)}, "application/json")


def _failure(error: Exception) -> Response:
    if isinstance(error, InvalidRequestError):
        return _invalid(error)
    if isinstance(error, BusyError):
        return _error(503, "busy", f"The model is busy: {error}. Try again later.")
    _log.error("an image could not be drawn", exc_info=error)
    if isinstance(error, OutOfMemoryError):
        return _error(503, "out_of_memory", "The device has too little memory for this image now. Try again later.")
    return _error(500, "generation_error", "The image could not be drawn. The server's log says why.")


def _picture_kind(accept: str) -> str | None:
    """The format of the images by `Accept`; None for what this server does not have."""
    media, *parameters = [part.strip().lower() for part in accept.split(",", maxsplit=1)[0].split(";")]
    if media not in ("", "*/*", "application/*", "application/json"):
        return None
    named = [parameter for parameter in parameters if "=" not in parameter]
    return _KINDS.get(named[0]) if named else "PNG"


def _artifacts(drawn: Sequence[Drawn], seeds: Sequence[int], kind: str) -> bytes:
    artifacts = []
    for one, seed in zip(drawn, seeds, strict=True):
        image = one.batch.images[one.index]
        file = b"" if image is None else write_picture(image, kind)
        artifacts.append(
            {
                "seed": seed,
                "base64": base64.b64encode(file).decode(),
                # ERROR where the networks' output is not a number: no image, rather than a black one.
                "finishReason": "ERROR" if image is None else "SUCCESS",
            }
        )
    return json.dumps({"result": "success", "artifacts": artifacts}).encode()


def _figures(request: ImageRequest, drawn: Sequence[Drawn]) -> str:
    """The figures of a request for the header, and to the log. Samples that shared a batch have all of its time."""
    batches = list({id(one.batch): one.batch for one in drawn}.values())
    figures = {
        "device_ms": round(sum(batch.seconds for batch in batches) * 1000),
        "wait_ms": round(max(one.waited_seconds for one in drawn) * 1000),
        "batch_samples": max(len(batch.images) for batch in batches),
        "peak_memory_mb": max(batch.peak_bytes for batch in batches) // 1_000_000,
        "sliced": int(any(batch.was_sliced for batch in batches)),
    }
    named = {"steps": request.steps, "sampler": request.sampler, "size": f"{request.width}x{request.height}"}
    _log.info("drawn", extra={"figures": figures | named | {"samples": len(drawn)}})
    return ";".join(f"{name}={value}" for name, value in figures.items())


def _invalid(error: InvalidRequestError) -> Response:
    problems = [{"field": problem.field, "message": problem.message} for problem in error.problems]
    name = "invalid_prompts" if all(one["field"].startswith("text_prompts") for one in problems) else "bad_request"
    return _error(400, name, str(error), field=problems[0]["field"], problems=problems)


def _error(status: int, name: str, message: str, **more: object) -> Response:
    content = {"id": secrets.token_hex(16), "name": name, "message": message, **more}
    headers = {"Retry-After": _RETRY_SECONDS} if status == 503 else {}
    return JSONResponse(content, status, headers)
