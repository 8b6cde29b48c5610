"""Fixtures of the command's tests: an API that answers in memory, an AWS session that answers from a script."""

import base64
import json
import struct
import zlib
from collections.abc import Callable

import boto3
import httpx2
import pytest
from botocore.stub import Stubber
from preflight_fakes import FakeAws

from sdxl import AsyncClient, Client


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
        self.requests: list[httpx2.Request] = []
        self.answers: list[httpx2.Response | Exception] = []
        self.finish_reason = "SUCCESS"

    def handle(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path == "/health":
            return httpx2.Response(200, json={"status": "ok"})
        self.requests.append(request)
        if self.answers:
            answer = self.answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer
        body = json.loads(request.content)
        if "init_image" in body:
            return self._changed(body)
        first = body.get("seed") or 1234
        image = base64.b64encode(make_png(body.get("width", 1024) // 16, body.get("height", 1024) // 16)).decode()
        artifacts = [
            {"base64": image, "seed": first + number, "finishReason": self.finish_reason}
            for number in range(body.get("samples", 1))
        ]
        return httpx2.Response(200, json={"artifacts": artifacts})

    def _changed(self, body: dict) -> httpx2.Response:
        artifact = {"base64": body["init_image"], "seed": body.get("seed") or 1234, "finishReason": self.finish_reason}
        return httpx2.Response(200, json={"artifacts": [artifact]})

    @property
    def transport(self) -> httpx2.MockTransport:
        return httpx2.MockTransport(self.handle)

    def bodies(self) -> list[dict]:
        return [json.loads(request.content) for request in self.requests]


@pytest.fixture
def api() -> FakeApi:
    return FakeApi()


def api_error(status: int, name: str, message: str, **headers: str) -> httpx2.Response:
    return httpx2.Response(status, json={"id": "req-1", "name": name, "message": message}, headers=headers)


@pytest.fixture
def error() -> Callable[..., httpx2.Response]:
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


@pytest.fixture
def aws() -> FakeAws:
    """A clean account, for `sdxl preflight`."""
    return FakeAws()


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds

    async def sleep_async(self, seconds: float) -> None:
        self.sleep(seconds)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _finish(coroutine):
    """Run a coroutine that never has to wait for anything outside this process: no event loop, no sockets."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("it waits for an event loop")


class AwaitedClient:
    """An AsyncClient whose methods are called as Client's: every test of calls holds for both."""

    def __init__(self, client: AsyncClient) -> None:
        self._client = client

    def __enter__(self):
        return self

    def __exit__(self, *_):
        _finish(self._client.close())

    def __getattr__(self, name: str):
        method = getattr(self._client, name)
        return lambda *arguments, **options: _finish(method(*arguments, **options))


@pytest.fixture(params=["Client", "AsyncClient"])
def connect(request, clock):
    """Opens a client, either kind, to `handle`, with time standing still and no randomness."""

    def connect(handle, api_key="key-1", base_url="https://api.example/api/", **options):
        def answer(request: httpx2.Request) -> httpx2.Response:
            scripted = handle(request)
            # A response belongs to one kind of client once it is read; tests give the same to both.
            return httpx2.Response(scripted.status_code, headers=scripted.headers.raw, content=scripted.content)

        transport = httpx2.MockTransport(answer)
        options = {"transport": transport, "clock": lambda: clock.now, "draw": lambda: 0.0, **options}
        if request.param == "Client":
            return Client(base_url, api_key, sleep=clock.sleep, **options)
        return AwaitedClient(AsyncClient(base_url, api_key, sleep=clock.sleep_async, **options))

    return connect
