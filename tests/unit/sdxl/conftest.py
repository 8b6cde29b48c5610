"""Fixtures of the command's tests: an API that answers in memory, an AWS session that answers from a script."""

import base64
import json
import struct
import zlib
from collections.abc import Callable

import boto3
import httpx
import pytest
from botocore.stub import Stubber


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled):
    """Nothing here may leave the process."""


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch, tmp_path):
    for name in ("SDXL_API_URL", "SDXL_API_KEY", "SDXL_LOCAL_PORT", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)


def make_png(width: int = 64, height: int = 64) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = b"".join(b"\0" + b"\0" * 3 * width for _ in range(height))
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.fixture
def png() -> bytes:
    return make_png()


class FakeApi:
    """An image API in memory. `answers` are given in turn, then every call succeeds."""

    def __init__(self) -> None:
        self.requests: list[httpx.Request] = []
        self.answers: list[httpx.Response | Exception] = []
        self.finish_reason = "SUCCESS"

    def handle(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/health":
            return httpx.Response(200, json={"status": "ok"})
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        body = json.loads(request.content)
        first = body.get("seed") or 1234
        image = base64.b64encode(make_png(body.get("width", 1024) // 16, body.get("height", 1024) // 16)).decode()
        artifacts = [
            {"base64": image, "seed": first + number, "finishReason": self.finish_reason}
            for number in range(body.get("samples", 1))
        ]
        return httpx.Response(200, json={"artifacts": artifacts})

    @property
    def transport(self) -> httpx.MockTransport:
        return httpx.MockTransport(self.handle)

    def bodies(self) -> list[dict]:
        return [json.loads(request.content) for request in self.requests]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def api_error(status: int, name: str, message: str, **headers: str) -> httpx.Response:
    return httpx.Response(status, json={"id": "req-1", "name": name, "message": message}, headers=headers)


@pytest.fixture
def error() -> Callable[..., httpx.Response]:
    return api_error


class ScriptedSession:
    """Stands in for a boto3 session: real clients whose answers are scripted with botocore's Stubber."""

    def __init__(self) -> None:
        self._clients = {
            name: boto3.client(name, region_name="us-east-1", aws_access_key_id="test", aws_secret_access_key="test")
            for name in ("sts", "cloudformation", "apigateway")
        }
        self.stubs = {name: Stubber(client) for name, client in self._clients.items()}
        for stub in self.stubs.values():
            stub.activate()

    def client(self, name: str):
        return self._clients[name]


@pytest.fixture
def session() -> ScriptedSession:
    return ScriptedSession()
