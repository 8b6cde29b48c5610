"""Lambda's Runtime API (2018-06-01) for one worker: hands events out and takes results in."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Protocol

from emulator.functions.outcome import MAX_RESPONSE_BYTES

_PREFIX = "/2018-06-01/runtime/"


@dataclass(frozen=True)
class Event:
    """One invocation as the runtime client gets it."""

    request_id: str
    payload: bytes
    deadline_ms: int
    invoked_function_arn: str
    trace_id: str
    client_context: str | None = None


class Listener(Protocol):
    """Whoever owns the worker."""

    def next_event(self) -> Event | None:
        """Block until there is an event; None when the worker is to end."""

    def on_result(self, request_id: str, payload: bytes, *, failed: bool, too_large: bool) -> None:
        """The function answered, or the runtime client reported its error."""

    def on_init_error(self, payload: bytes) -> None:
        """The runtime client could not load or restore the handler."""


class RuntimeApi(ThreadingHTTPServer):
    """The API on a free port of the loopback interface."""

    daemon_threads = True

    def __init__(self, listener: Listener) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.listener = listener
        threading.Thread(target=self.serve_forever, name="runtime-api", daemon=True).start()

    @property
    def address(self) -> str:
        """Host and port, as in AWS_LAMBDA_RUNTIME_API."""
        return f"127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        """Stop listening, without waiting for it."""

        def close() -> None:
            self.shutdown()
            self.server_close()

        threading.Thread(target=close, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    server: RuntimeApi
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        path = self.path.removeprefix(_PREFIX)
        if path == "invocation/next":
            self._next()
        elif path == "restore/next":
            self._reply(200)
        else:
            self._reply(404, b'{"errorMessage":"no such path","errorType":"NotFound"}')

    def do_POST(self) -> None:
        body, length = self._body()
        listener = self.server.listener
        match self.path.removeprefix(_PREFIX).split("/"):
            case ["invocation", request_id, "response"]:
                too_large = length > MAX_RESPONSE_BYTES
                listener.on_result(request_id, body, failed=False, too_large=too_large)
                if too_large:
                    self._reply(413, b'{"errorMessage":"payload too large","errorType":"RequestEntityTooLarge"}')
                    return
            case ["invocation", request_id, "error"]:
                listener.on_result(request_id, body, failed=True, too_large=False)
            case ["init" | "restore", "error"]:
                listener.on_init_error(body)
            case _:
                self._reply(404, b'{"errorMessage":"no such path","errorType":"NotFound"}')
                return
        self._reply(202, b'{"status":"OK"}')

    def _next(self) -> None:
        event = self.server.listener.next_event()
        if event is None:
            self.close_connection = True
            return
        headers = {
            "Lambda-Runtime-Aws-Request-Id": event.request_id,
            "Lambda-Runtime-Deadline-Ms": str(event.deadline_ms),
            "Lambda-Runtime-Invoked-Function-Arn": event.invoked_function_arn,
            "Lambda-Runtime-Trace-Id": event.trace_id,
        }
        if event.client_context:
            headers["Lambda-Runtime-Client-Context"] = event.client_context
        self._reply(200, event.payload, headers)

    def _body(self) -> tuple[bytes, int]:
        if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
            length = int(self.headers.get("Content-Length") or 0)
            return self.rfile.read(length), length
        chunks = []
        while size := int(self.rfile.readline().strip() or b"0", 16):
            chunks.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        body = b"".join(chunks)
        return body, len(body)

    def _reply(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.send_response_only(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        """Say nothing: the function's own log is what counts."""
