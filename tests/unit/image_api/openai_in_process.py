"""The real `openai` clients on the application, without a socket: HTTP requests become proxy events, and back."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest
import pytest_socket
from image_api_fakes import ApplicationUnderTest, proxy_event
from openai import AsyncOpenAI, OpenAI

BASE_URL = "https://abc.execute-api.us-east-1.amazonaws.com/api/v1"


@pytest.fixture
def event_loop(socket_disabled: None) -> Iterator[asyncio.Runner]:
    """Runs coroutines. An event loop wakes itself by a pair of sockets, which are the only ones that it gets."""
    pytest_socket.enable_socket()
    with asyncio.Runner() as runner:
        runner.get_loop()
        pytest_socket.disable_socket()
        yield runner


class InProcess:
    """Answers HTTP requests with the application. `replies` has what it answered, headers and all."""

    def __init__(self, api: ApplicationUnderTest) -> None:
        self.api = api
        self.replies: list[httpx2.Response] = []

    @property
    def warning(self) -> str:
        """The warnings of the last reply."""
        return str(self.replies[-1].headers.get("x-sdxl-warning", ""))

    def client(self, **options: Any) -> OpenAI:
        transport = httpx2.MockTransport(self.answer)
        return OpenAI(
            base_url=BASE_URL,
            api_key="a-key",
            max_retries=0,
            http_client=httpx2.Client(transport=transport),
            **options,
        )

    def async_client(self) -> AsyncOpenAI:
        transport = httpx2.MockTransport(self.answer)
        return AsyncOpenAI(
            base_url=BASE_URL, api_key="a-key", max_retries=0, http_client=httpx2.AsyncClient(transport=transport)
        )

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        reply = self.api.handle(event_of(request))
        body = base64.b64decode(reply.text) if reply.is_base64 else reply.text.encode()
        self.replies.append(httpx2.Response(reply.status, headers=reply.headers, content=body))
        return self.replies[-1]


def event_of(request: httpx2.Request) -> dict[str, Any]:
    """The event that API Gateway makes of a request: binary media in base64, everything else as text."""
    body = request.content
    is_form = request.headers.get("content-type", "").startswith("multipart/form-data")
    event = proxy_event(
        base64.b64encode(body).decode() if is_form else body.decode(),
        method=request.method,
        path=unquote(request.url.path).removeprefix("/api"),
        headers=dict(request.headers),
        is_base64=is_form,
    )
    event["requestContext"]["domainName"] = request.url.host
    return event


def payload(api: ApplicationUnderTest) -> dict[str, Any]:
    """What the model was sent by the only call of it."""
    (call,) = api.runtime.calls
    body: dict[str, Any] = json.loads(call["Body"])
    return body
