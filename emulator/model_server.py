"""The container behind an endpoint: SageMaker's contract (GET /ping, POST /invocations, SIGTERM) around a variant.

`python -m emulator.model_server --port 8080 --variant NAME`
"""

from __future__ import annotations

import argparse
import signal
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import FrameType

from emulator import lifeline
from emulator.stand_in.variant import Reply, Variant
from emulator.stand_in.variants import VARIANTS

IDLE_CONNECTION_SECONDS = 60


class ModelServer(ThreadingHTTPServer):
    """One variant on a port of the loopback interface."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, variant: Variant) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.variant = variant


class _Handler(BaseHTTPRequestHandler):
    server: ModelServer
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    timeout = IDLE_CONNECTION_SECONDS

    def do_GET(self) -> None:
        """GET /ping."""
        variant = self.server.variant
        self._send(variant.ping() if self.path == "/ping" else variant.failure(404, f"no such path: {self.path}"))

    def do_POST(self) -> None:
        """POST /invocations."""
        variant = self.server.variant
        if self.path != "/invocations":
            self.close_connection = True
            self._send(variant.failure(404, f"no such path: {self.path}"))
            return
        length = int(self.headers.get("Content-Length") or 0)
        longest = variant.max_body_bytes
        if length > longest:
            self.close_connection = True
            self._send(variant.failure(413, f"the body of {length} bytes is larger than {longest} bytes"))
            return
        body = self.rfile.read(length)
        content_type = self.headers.get("Content-Type", "application/json").split(";")[0].strip()
        if content_type != "application/json":
            self._send(variant.failure(415, f"Content-Type {content_type!r} is not supported: use application/json"))
            return
        reply = variant.invoke(body, self.headers.get("Accept", "*/*"))
        self._send(reply)
        self.log_message("POST /invocations %d: %d bytes in, %d bytes out", reply.status, length, len(reply.body))

    def _send(self, reply: Reply) -> None:
        self.send_response_only(reply.status)
        self.send_header("Content-Type", reply.content_type)
        self.send_header("Content-Length", str(len(reply.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(reply.body)


def main(arguments: list[str] | None = None) -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="port on 127.0.0.1; 0 takes a free one and prints it")
    parser.add_argument("--variant", choices=sorted(VARIANTS), required=True)
    parser.add_argument("--name", default="model", help="what the process list shows; the endpoint's name")
    parser.add_argument("--end-with-stdin", action="store_true", help="end when standard input is closed")
    options = parser.parse_args(arguments)
    if options.end_with_stdin:
        lifeline.end_with_parent()
    with ModelServer(options.port, VARIANTS[options.variant]) as server:

        def stop(_signal: int, _frame: FrameType | None) -> None:
            threading.Thread(target=server.shutdown).start()

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, stop)
        sys.stdout.write(f"serving {options.variant} on 127.0.0.1:{server.server_port}\n")
        sys.stdout.flush()
        server.serve_forever(poll_interval=0.1)


if __name__ == "__main__":
    main()
