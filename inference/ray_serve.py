"""Starts the server under Ray Serve, as AWS's image for it does: two applications by `ray_config.yaml`.

AWS's image has Ray Serve on a port of its own, and an adapter before it that speaks SageMaker's contract. The adapter's
/ping is 200 as soon as Ray has an application at `/`, and Ray has that before the application's model is loaded. So the
model is an application without a route, and the one at `/` is built only when the model's runs.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

from ray import serve
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from inference import logs
from inference.bodies import MAX_BODY_BYTES, read_body
from inference.settings import Settings

MODEL = "model"
_POLL_SECONDS = 0.5
# Requests that wait are the server's to count: `SDXL_MAX_WAITING_SAMPLES`.
_DEPLOYMENT = partial(serve.deployment, num_replicas=1, max_ongoing_requests=1000)
_FAILED = frozenset({"DEPLOY_FAILED", "UNHEALTHY", "DELETING"})


class ModelNotRunningError(RuntimeError):
    """The model's application failed; Ray's status says why."""


class Model:
    """The model, in a process with the GPU that `ray_config.yaml` gives it."""

    async def __init__(self) -> None:  # type: ignore[misc]  # Ray awaits it
        """Return when the model is loaded, or fail, so that Ray's status is truthful."""
        # Seconds and 300 MB of PyTorch, which the other application's process does without.
        from inference.application import Server  # noqa: PLC0415 - see above
        from inference.loading import load  # noqa: PLC0415 - see above

        logs.configure()
        settings = Settings.from_environment()
        self._server = Server(partial(load, settings), settings)
        await self._server.load()
        if self._server.state != "ready":
            raise ModelNotRunningError("the model cannot be loaded: the log of this replica says why")

    async def answer(self, body: bytes, accept: str) -> tuple[bytes, int, dict[str, str]]:
        """Content, status and headers of an answer."""
        response = await self._server.answer(body, accept)
        return bytes(response.body), response.status_code, dict(response.headers)


class Http:
    """What has a route: it hands requests on to the model."""

    def __init__(self) -> None:
        self._model = serve.get_app_handle(MODEL)

    async def __call__(self, request: Request) -> Response:
        """Answer any path: the adapter's calls come to `/`."""
        if request.method != "POST":
            return JSONResponse({"state": "ready"})
        if (body := await read_body(request)) is None:
            return JSONResponse({"message": f"The body has more than {MAX_BODY_BYTES} bytes."}, 413)
        content, status, headers = await self._model.answer.remote(body, request.headers.get("accept", ""))
        return Response(content, status, headers)


def build_model(_: dict[str, str]) -> Any:
    """Build the application without a route."""
    return _DEPLOYMENT(name="Model")(Model).bind()


def build_http(_: dict[str, str]) -> Any:
    """Build the application at `/`, once the model's runs.

    Raises:
        ModelNotRunningError: it fails.
    """
    while True:
        application = serve.status().applications.get(MODEL)
        status = "" if application is None else str(getattr(application.status, "value", application.status))
        if status == "RUNNING":
            return _DEPLOYMENT(name="Http")(Http).bind()
        if status in _FAILED:
            raise ModelNotRunningError(f"the application {MODEL} is {status}: {application.message}")
        time.sleep(_POLL_SECONDS)
