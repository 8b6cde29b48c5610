"""One emulator: its ports, its servers, and how they start and stop."""

from __future__ import annotations

import errno
import logging
import os
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emulator import state_file
from emulator.account.facts import AwsFacts
from emulator.state_file import RunningEmulator

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

HOST = "127.0.0.1"
DEFAULT_PORT = 4580
PORT_VARIABLE = "SDXL_LOCAL_PORT"
BACKLOG = 128

log = logging.getLogger(__name__)


class PortInUseError(RuntimeError):
    """Another process listens where the emulator should."""

    def __init__(self, port: int, purpose: str) -> None:
        super().__init__(
            f"port {port}, for {purpose}, is in use: stop what listens there, or choose another port P with "
            f"{PORT_VARIABLE}=P or --port P (P and P+1 must be free)"
        )


@dataclass(frozen=True)
class Settings:
    """What an emulator is started with. Port 0 takes any two free ports."""

    account: str
    port: int = DEFAULT_PORT
    facts: AwsFacts = field(default_factory=AwsFacts)
    state_path: Path = state_file.DEFAULT_PATH


class Emulator:
    """A running emulator."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        # Both before anything slow: a port in use is said at once.
        gateway = _listen(settings.port, "the gateway")
        try:
            aws = _listen(settings.port + 1 if settings.port else 0, "the AWS endpoint")
        except PortInUseError:
            gateway.close()
            raise
        self._sockets = (gateway, aws)
        self.gateway_url = f"http://{HOST}:{gateway.getsockname()[1]}"
        self.aws_endpoint_url = f"http://{HOST}:{aws.getsockname()[1]}"
        self._servers: list[Any] = []

    def start(self) -> None:
        """Serve, and write the state file once every server answers."""
        # Imported here: moto takes a second, and the ports are checked before it.
        from emulator import functions, sign_in  # noqa: PLC0415
        from emulator.aws import AwsApplication  # noqa: PLC0415
        from emulator.gateway import create_gateway_app, is_api_host  # noqa: PLC0415
        from emulator.local_requests import LocalRequests  # noqa: PLC0415
        from emulator.scaling.ticker import TICKER  # noqa: PLC0415

        functions.install(self.aws_endpoint_url)
        gateway, aws = self._sockets
        application = LocalRequests(
            AwsApplication(self._settings.account, self._settings.facts), is_own_host=sign_in.is_host, signed=True
        )
        apis = LocalRequests(create_gateway_app(), is_own_host=is_api_host, pages_allowed=True)
        self._servers = [_serve(aws, application), _serve(gateway, apis)]
        running = RunningEmulator(os.getpid(), self.gateway_url, self.aws_endpoint_url, self._settings.account)
        TICKER.start()
        state_file.write(self._settings.state_path, running)
        log.info("gateway %s, AWS endpoint %s, account %s", self.gateway_url, self.aws_endpoint_url, running.account)

    def stop(self) -> None:
        """Stop the servers, the model servers and the functions' workers."""
        from emulator import functions  # noqa: PLC0415
        from emulator.containers import CONTAINERS  # noqa: PLC0415
        from emulator.scaling.ticker import TICKER  # noqa: PLC0415

        state_file.remove(self._settings.state_path)
        TICKER.stop()
        for server in self._servers:
            server.shutdown()
        functions.stop_all()
        CONTAINERS.stop_all()
        for listening in self._sockets:
            listening.close()


def _listen(port: int, purpose: str) -> socket.socket:
    try:
        return socket.create_server((HOST, port), backlog=BACKLOG)
    except OSError as exc:
        if exc.errno == errno.EADDRINUSE:
            raise PortInUseError(port, purpose) from exc
        raise


def _serve(listening: socket.socket, application: WSGIApplication) -> Any:
    from moto.moto_server.werkzeug_app import MotoRequestHandler  # noqa: PLC0415
    from werkzeug.serving import make_server  # noqa: PLC0415

    class Handler(MotoRequestHandler):  # type: ignore[misc]
        """Keeps connections open and sends small answers at once."""

        disable_nagle_algorithm = True

        def log_request(self, *_: object) -> None:
            """Log nothing: what matters is logged where it happens."""

    host, port = listening.getsockname()
    server = make_server(host, port, application, threaded=True, request_handler=Handler, fd=listening.fileno())
    run: Callable[[], None] = lambda: server.serve_forever(poll_interval=0.05)  # noqa: E731
    threading.Thread(target=run, name=f"port {port}", daemon=True).start()
    return server
