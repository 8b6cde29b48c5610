"""boto3 clients whose requests go straight into the emulator's own AWS application, without a socket.

CloudFormation acts on other services through their public API, as on AWS, so that moto's own checks apply.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING, Any

import boto3
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.compat import HTTPHeaders
from botocore.config import Config
from werkzeug.test import EnvironBuilder, run_wsgi_app

from emulator.client import DUMMY_SECRET, access_key_id

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

_client_creation = threading.Lock()


class Clients:
    """In-process clients of every account and region, over one WSGI application."""

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application
        # One session: it keeps the services' models, which take most of a client's creation.
        self._session = boto3.session.Session()
        self.client = functools.cache(self._create)

    def _create(self, service: str, account: str, region: str) -> Any:
        # A session is not safe to create clients from in several threads at once.
        with _client_creation:
            client = self._session.client(
                service,
                endpoint_url="http://localhost",
                region_name=region,
                aws_access_key_id=access_key_id(account),
                aws_secret_access_key=DUMMY_SECRET,
                config=Config(retries={"max_attempts": 0}, s3={"addressing_style": "path"}),
            )
        client.meta.events.register("before-send", self._send)
        return client

    def _send(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        body = request.body
        data = body.read() if hasattr(body, "read") else body or b""
        builder = EnvironBuilder(
            path=request.url.removeprefix("http://localhost"),
            base_url="http://localhost",
            method=request.method,
            headers=[(name, _text(value)) for name, value in request.headers.items()],
            data=data.encode() if isinstance(data, str) else data,
        )
        environ = builder.get_environ()
        # A request without a body says so, as it would on the wire.
        environ["CONTENT_LENGTH"] = environ.get("CONTENT_LENGTH") or "0"
        chunks, status, headers = run_wsgi_app(self._application, environ)
        answered = HTTPHeaders()
        for name, value in headers.items():
            answered[name] = value
        return AWSResponse(request.url, int(status.split()[0]), answered, _Raw(b"".join(chunks)))


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


class _Raw:
    """The part of a urllib3 response that botocore reads."""

    def __init__(self, body: bytes) -> None:
        self._body = body

    def read(self, amt: int | None = None) -> bytes:
        piece, self._body = (self._body, b"") if amt is None else (self._body[:amt], self._body[amt:])
        return piece

    def stream(self, *_: object, **__: object) -> Any:
        yield self.read()
