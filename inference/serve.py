"""Starts the server under uvicorn: `python -m inference.serve`."""

from __future__ import annotations

import os
import signal
import sys
from functools import partial

import uvicorn

from inference import logs
from inference.application import Server
from inference.loading import load
from inference.settings import InvalidSettingsError, Settings

# SageMaker kills a container 30 s after SIGTERM.
_GRACE_SECONDS = 25


def main() -> int:
    """Serve until SIGTERM or SIGINT; requests that are being drawn are answered before."""
    try:
        settings = Settings.from_environment()
    except InvalidSettingsError as exc:
        sys.stderr.write(f"error: {exc}\n")
        return 2
    logs.configure()
    # uvicorn ends by itself at a signal, and sends it again afterwards: to this, so that the exit status is 0.
    for ending in (signal.SIGTERM, signal.SIGINT):
        signal.signal(ending, lambda *_: None)
    server = uvicorn.Server(
        uvicorn.Config(
            Server(partial(load, settings), settings).application(),
            host="0.0.0.0",  # noqa: S104 - a container's only way in
            port=settings.port,
            access_log=False,
            log_config=None,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
    )
    server.run()
    return 0 if server.started else 1


if __name__ == "__main__":
    status = main()
    # Not `sys.exit`, which waits for the thread that loads or draws: minutes, and no one is left whom it could answer.
    sys.stdout.flush()
    os._exit(status)
