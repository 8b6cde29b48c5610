"""Every way in which a model fails, as the real `openai` client sees it: its exception types, and nothing internal."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import openai
import pytest
from botocore.exceptions import ClientError, ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from image_api.image_store import LAMBDA_RESPONSE_BYTES
from image_api_fakes import (
    ApplicationUnderTest,
    FakeRuntime,
    base64_of_length,
    client_error,
    container_error,
    open_answer,
    optimized_answer,
    png_base64,
)
from openai_in_process import InProcess, event_loop
from openai_pictures_support import picture

__all__ = ["event_loop"]
# The client calls variations deprecated, because OpenAI's own models have none any more.
pytestmark = pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")

Make = Callable[..., ApplicationUnderTest]
_URL = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/sdxl-dev/invocations"
_SECRETS = ("/opt/ml", "arn:aws", "111111111111", "amazonaws.com", "sdxl-dev", "Traceback", "hunter2")

_Error = type[openai.APIStatusError]
_SERVER, _BAD, _LIMIT = openai.InternalServerError, openai.BadRequestError, openai.RateLimitError

# What the endpoint does, and what a caller gets: exception, status, code.
FAULTS: dict[str, tuple[Exception, _Error, int, str]] = {
    "read timeout": (ReadTimeoutError(endpoint_url=_URL), _SERVER, 504, "model_timeout"),
    "connection reset": (ConnectionClosedError(endpoint_url=_URL), _SERVER, 502, "model_error"),
    "no connection": (EndpointConnectionError(endpoint_url=_URL), _SERVER, 503, "model_unreachable"),
    "throttled": (client_error("ThrottlingException", "Rate exceeded"), _LIMIT, 429, "rate_limit_exceeded"),
    "not ready": (client_error("ModelNotReadyException", "loading", 429), _SERVER, 503, "model_not_ready"),
    "no endpoint": (client_error("ValidationError", "Endpoint sdxl-dev not found"), _SERVER, 503, "model_not_ready"),
    "no permission": (client_error("AccessDeniedException", "arn:aws:iam", 403), _SERVER, 500, "internal_error"),
    "service failure": (client_error("InternalFailure", "", 500), _SERVER, 502, "model_error"),
    "model 0": (container_error(0, "Your invocation timed out"), _SERVER, 504, "model_timeout"),
    "model 400": (container_error(400, "bad weights"), _BAD, 400, "bad_request"),
    "model 408": (container_error(408, "slow"), _SERVER, 504, "model_timeout"),
    "model 413": (container_error(413, "large"), openai.APIStatusError, 413, "request_too_large"),
    "model 415": (container_error(415, "type"), _BAD, 400, "bad_request"),
    "model 422": (container_error(422, "field"), _BAD, 400, "bad_request"),
    "model 429": (container_error(429, "busy"), _LIMIT, 429, "rate_limit_exceeded"),
    "model 500": (container_error(500, "/opt/ml/code/x.py: hunter2"), _SERVER, 502, "model_error"),
    "model 502": (container_error(502, "/opt/ml"), _SERVER, 502, "model_error"),
    "model 503": (container_error(503, "no worker"), _SERVER, 503, "model_not_ready"),
    "model 504": (container_error(504, "slow"), _SERVER, 504, "model_timeout"),
    "our own": (RuntimeError("password=hunter2"), _SERVER, 500, "internal_error"),
}
_REFUSAL = json.dumps({"id": "1", "name": "invalid_prompts", "message": "Invalid prompts detected"}).encode()
ANSWERS: dict[str, tuple[bytes, _Error, int, str]] = {
    "empty": (b"", _SERVER, 502, "model_error"),
    "garbage": (b"\xff\xfe<html>", _SERVER, 502, "model_error"),
    "another JSON": (b'{"predictions": []}', _SERVER, 502, "model_error"),
    "refused prompt": (_REFUSAL, _BAD, 400, "content_policy_violation"),
}
_IMAGE_ANSWERS = {"optimized": optimized_answer, "open": open_answer}


def _calls(client: Any) -> list[Callable[[], Any]]:
    """Every call that the model draws for; both model sources can draw these."""
    return [
        lambda: client.images.generate(prompt="a puppy"),
        lambda: client.images.edit(image=picture((320, 320)), prompt="a puppy"),
        lambda: client.images.create_variation(image=picture((320, 320)), response_format="b64_json"),
    ]


def _check(openai_api: InProcess, error: openai.APIStatusError, expected: tuple[_Error, int, str]) -> None:
    kind, status, code = expected
    assert type(error) is kind
    assert (error.status_code, error.code) == (status, code)
    reply = openai_api.replies[-1]
    assert reply.json()["error"].keys() == {"message", "type", "param", "code"}
    assert ("retry-after" in reply.headers) == (status in (429, 503))
    assert [secret for secret in _SECRETS if secret in reply.text] == []


@pytest.mark.parametrize("source", ["optimized", "open"])
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_raises_the_clients_own_exception(make_api: Make, runtime: FakeRuntime, source: str, fault: str) -> None:
    cause, *expected = FAULTS[fault]
    runtime.fails(cause)
    openai_api = InProcess(make_api(model_source=source))

    for call in _calls(openai_api.client()):
        with pytest.raises(openai.APIStatusError) as caught:
            call()
        _check(openai_api, caught.value, (expected[0], expected[1], expected[2]))


@pytest.mark.parametrize("source", ["optimized", "open"])
@pytest.mark.parametrize("kind", ANSWERS)
def test_unusable_answer_raises_the_clients_own_exception(
    make_api: Make, runtime: FakeRuntime, source: str, kind: str
) -> None:
    body, *expected = ANSWERS[kind]
    runtime.answers(body)
    openai_api = InProcess(make_api(model_source=source))

    for call in _calls(openai_api.client()):
        with pytest.raises(openai.APIStatusError) as caught:
            call()
        _check(openai_api, caught.value, (expected[0], expected[1], expected[2]))


@pytest.mark.parametrize("source", ["optimized", "open"])
@pytest.mark.parametrize("image", ["", "not base64!", png_base64()[:-1], png_base64()[:40]])
def test_unusable_image_raises_the_clients_own_exception(
    make_api: Make, runtime: FakeRuntime, source: str, image: str
) -> None:
    runtime.answers(_IMAGE_ANSWERS[source](image))
    openai_api = InProcess(make_api(model_source=source))

    for call in _calls(openai_api.client()):
        with pytest.raises(openai.InternalServerError) as caught:
            call()
        _check(openai_api, caught.value, (_SERVER, 502, "model_error"))


def test_filter_raises_the_clients_own_exception(make_api: Make, runtime: FakeRuntime) -> None:
    runtime.answers(optimized_answer(png_base64(), 1, "CONTENT_FILTERED"))
    openai_api = InProcess(make_api())

    for call in _calls(openai_api.client()):
        with pytest.raises(openai.BadRequestError) as caught:
            call()
        _check(openai_api, caught.value, (_BAD, 400, "content_policy_violation"))


@pytest.mark.parametrize("fault", FAULTS)
def test_fault_raises_the_async_clients_own_exception(
    make_api: Make, runtime: FakeRuntime, event_loop: asyncio.Runner, fault: str
) -> None:
    cause, *expected = FAULTS[fault]
    runtime.fails(cause)
    openai_api = InProcess(make_api())
    client = openai_api.async_client()

    for call in _calls(client):

        async def run(call: Callable[[], Any] = call) -> None:
            await call()

        with pytest.raises(openai.APIStatusError) as caught:
            event_loop.run(run())
        _check(openai_api, caught.value, (expected[0], expected[1], expected[2]))


def test_image_that_cannot_be_stored_is_a_server_error_where_it_does_not_fit(
    make_api: Make, runtime: FakeRuntime
) -> None:
    api = make_api()
    too_large = base64_of_length(LAMBDA_RESPONSE_BYTES // 4 * 4)
    runtime.answer = lambda payload: optimized_answer(too_large, payload["seed"])
    api.s3.error = ClientError({"Error": {"Code": "AccessDenied", "Message": "arn:aws:s3"}}, "PutObject")
    openai_api = InProcess(api)

    with pytest.raises(openai.InternalServerError) as caught:
        openai_api.client().images.generate(prompt="a puppy", response_format="url")

    _check(openai_api, caught.value, (_SERVER, 502, "storage_error"))


def test_image_that_cannot_be_stored_comes_in_the_answer_where_it_fits(make_api: Make, runtime: FakeRuntime) -> None:
    api = make_api()
    api.s3.error = ClientError({"Error": {"Code": "SlowDown", "Message": "arn:aws:s3"}}, "PutObject")

    response = InProcess(api).client().images.with_raw_response.generate(prompt="a puppy", response_format="url")

    (image,) = response.parse().data or ()
    assert image.url is None
    assert image.b64_json
    assert "could not be stored" in response.headers["x-sdxl-warning"]
    assert len(runtime.calls) == 1
