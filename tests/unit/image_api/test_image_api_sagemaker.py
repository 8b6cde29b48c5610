"""Every way a call of the endpoint can fail, and the honest status it becomes."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    NoCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from image_api.backends.sagemaker import create_runtime_client
from image_api.deadline import Deadline, answer_deadline
from image_api_fakes import (
    ApplicationUnderTest,
    FakeClock,
    FakeContext,
    FakeRuntime,
    client_error,
    container_error,
    draw,
)

Make = Callable[..., ApplicationUnderTest]
_URL = "https://runtime.sagemaker.us-east-1.amazonaws.com/endpoints/sdxl-dev/invocations"
_TIMED_OUT = "Your invocation timed out while waiting for a response from container primary."


@pytest.mark.parametrize(
    ("error", "status", "name", "retry_after"),
    [
        # The service's own
        (client_error("ThrottlingException", "Rate exceeded"), 429, "rate_limit_exceeded", "5"),
        (client_error("TooManyRequestsException"), 429, "rate_limit_exceeded", "5"),
        (client_error("ModelNotReadyException", status=429), 503, "model_not_ready", "30"),
        (client_error("ServiceUnavailable", status=503), 503, "model_not_ready", "30"),
        (
            client_error("ValidationError", "Endpoint sdxl-dev of account 111111111111 not found."),
            503,
            "model_not_ready",
            "30",
        ),
        (
            client_error("ValidationError", "Endpoint sdxl-dev is in status Creating, it must be InService."),
            503,
            "model_not_ready",
            "30",
        ),
        (
            client_error(
                "ValidationError",
                "Inference Component has no capacity to process this request. ApplicationAutoScaling may ...",
            ),
            503,
            "model_not_ready",
            "60",
        ),
        (client_error("ValidationError", "1 validation error detected"), 500, "internal_error", None),
        (client_error("InternalFailure", status=500), 502, "model_error", None),
        (client_error("InternalDependencyException", status=530), 502, "model_error", None),
        (client_error("AccessDeniedException", "User arn:aws:sts::1:x is not", 403), 500, "internal_error", None),
        (client_error("ExpiredTokenException", status=403), 500, "internal_error", None),
        (client_error("SomethingNew", status=400), 500, "internal_error", None),
        (client_error("503", "<html>busy</html>", 503), 503, "model_not_ready", "30"),
        (client_error("429", "", 429), 429, "rate_limit_exceeded", "5"),
        (client_error("502", "<html>bad gateway</html>", 502), 502, "model_error", None),
        # The container's
        (container_error(400, "steps too high"), 400, "bad_request", None),
        (container_error(422, "steps too high"), 400, "bad_request", None),
        (container_error(413, "Request entity too large"), 413, "request_too_large", None),
        (container_error(429, "slow down"), 429, "rate_limit_exceeded", "5"),
        (container_error(404, "no such path"), 502, "model_error", None),
        (container_error(403, "no"), 502, "model_error", None),
        (container_error(500, "CUDA out of memory"), 502, "model_error", None),
        (container_error(500, _TIMED_OUT), 504, "model_timeout", None),
        (container_error(502, "bad gateway"), 502, "model_error", None),
        (container_error(503, "no worker"), 503, "model_not_ready", "30"),
        (container_error(504, "gateway timeout"), 504, "model_timeout", None),
        (container_error(0, _TIMED_OUT), 504, "model_timeout", None),
        (container_error(408, "timeout"), 504, "model_timeout", None),
        (client_error("ModelError", "Received server error", 424), 502, "model_error", None),
        # The network's
        (ReadTimeoutError(endpoint_url=_URL), 504, "model_timeout", None),
        (ConnectTimeoutError(endpoint_url=_URL), 503, "model_unreachable", "30"),
        (EndpointConnectionError(endpoint_url=_URL), 503, "model_unreachable", "30"),
        (ConnectionClosedError(endpoint_url=_URL), 502, "model_error", None),
        (ResponseStreamingError(error="reset"), 502, "model_error", None),
        (IncompleteReadError(actual_bytes=1, expected_bytes=2), 502, "model_error", None),
        (NoCredentialsError(), 500, "internal_error", None),
        (ZeroDivisionError("in our own code"), 500, "internal_error", None),
    ],
    ids=lambda value: str(value)[:60] if isinstance(value, Exception) else None,
)
@pytest.mark.parametrize("source", ["optimized", "open"])
def test_failure_becomes_an_honest_status(  # noqa: PLR0917 -- a table's columns
    make_api: Make,
    runtime: FakeRuntime,
    source: str,
    error: Exception,
    status: int,
    name: str,
    retry_after: str | None,
) -> None:
    runtime.fails(error)

    reply = make_api(model_source=source).generate(accept="image/png")

    assert reply.error == (status, name)
    assert reply.headers.get("retry-after") == retry_after
    for internal in ("amazonaws", "111111111111", "arn:", "sdxl-dev", "CUDA", "own code", "Traceback"):
        assert internal not in reply.text


@pytest.mark.parametrize(
    ("original", "name", "message"),
    [
        ("steps too high", "bad_request", "The model refused the request: steps too high"),
        ("", "bad_request", "The model refused the request: it gave no reason."),
        (
            json.dumps({"id": "x", "name": "invalid_prompts", "message": "no prompts"}),
            "invalid_prompts",
            "The model refused the request: no prompts",
        ),
        (
            json.dumps({"result": "error", "error": {"name": "invalid_samples", "message": "too many"}}),
            "invalid_samples",
            "The model refused the request: too many",
        ),
        (
            json.dumps({"code": 400, "type": "BadRequestException", "message": "bad sampler"}),
            "bad_request",
            "The model refused the request: bad sampler",
        ),
        (json.dumps({"name": "mystery", "message": "hm"}), "bad_request", "The model refused the request: hm"),
        ('{"error":"boom"}', "bad_request", 'The model refused the request: {"error":"boom"}'),
        ("it timed out in the prompt", "bad_request", "The model refused the request: it timed out in the prompt"),
        ("a\n  b\t c", "bad_request", "The model refused the request: a b c"),
        ("x" * 600, "bad_request", f"The model refused the request: {'x' * 500}..."),
    ],
)
def test_models_own_words_are_passed_on(
    api: ApplicationUnderTest, runtime: FakeRuntime, original: str, name: str, message: str
) -> None:
    runtime.fails(container_error(400, original))

    reply = api.generate()

    assert reply.error == (400, name)
    assert reply.json["message"] == message


def test_timeout_points_to_what_to_change(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    runtime.fails(ReadTimeoutError(endpoint_url=_URL))

    reply = api.generate(steps=120, samples=4)

    assert reply.error == (504, "model_timeout")
    assert reply.json["message"] == (
        "The model did not answer within the 27 seconds it has. Ask for fewer steps (now 120), fewer images (now 4) "
        "or a smaller size (now 1024x1024); or have the environment's api.integration_timeout_seconds raised or its "
        "endpoint given more capacity."
    )


def test_one_failed_sample_fails_the_request(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    def answer(payload: dict[str, Any]) -> bytes:
        if payload["seed"] == 3:
            raise client_error("ThrottlingException")
        return draw(payload)

    runtime.answer = answer

    assert api.generate(samples=4, seed=1).error == (429, "rate_limit_exceeded")


def test_answers_at_the_deadline_though_the_model_hangs(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    hang = threading.Event()

    def answer(payload: dict[str, Any]) -> bytes:
        assert hang.wait(30)
        return draw(payload)

    runtime.answer = answer
    try:
        reply = api.generate(samples=3, context=FakeContext(remaining_milliseconds=2_010))
        assert reply.error == (504, "model_timeout")
        assert "within the 0 seconds" in reply.json["message"]

        runtime.answer = draw
        assert api.generate(samples=10).status == 200, "calls given up must not hold back the next request"
    finally:
        hang.set()


def test_no_time_left_is_a_timeout(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    runtime.fails(ReadTimeoutError(endpoint_url=_URL))

    assert api.generate(context=FakeContext(remaining_milliseconds=0)).error == (504, "model_timeout")


@pytest.mark.parametrize(
    ("timeout_seconds", "remaining_milliseconds", "seconds"),
    [(29, 30_000, 28.25), (29, 10_000, 9.25), (60, 900_000, 59.25), (29, 100, 0)],
)
def test_deadline_is_before_both_timeouts(timeout_seconds: int, remaining_milliseconds: int, seconds: float) -> None:
    assert answer_deadline(timeout_seconds, remaining_milliseconds).seconds == seconds


def test_deadline_counts_down_and_never_below_zero() -> None:
    clock = FakeClock()
    deadline = Deadline(10, clock=clock)
    clock.seconds += 4
    assert deadline.remaining_seconds() == 6
    assert deadline.earlier_by(2).remaining_seconds() == 4
    clock.seconds += 40
    assert deadline.remaining_seconds() == 0
    assert deadline.earlier_by(2).remaining_seconds() == 0


def test_client_gives_up_before_the_gateway_and_never_retries() -> None:
    config = create_runtime_client(29).meta.config

    assert config.read_timeout == 27
    assert config.connect_timeout == 2
    assert config.retries["total_max_attempts"] == 1
    assert config.max_pool_connections == 10


def test_an_inference_component_is_called_by_its_name(make_api: Make, runtime: FakeRuntime) -> None:
    make_api(model_source="open", inference_component="sdxl-dev").generate()

    (call,) = runtime.calls
    assert call["InferenceComponentName"] == "sdxl-dev"
    assert "TargetVariant" not in call


def test_an_endpoint_without_a_component_is_called_without_one(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    api.generate()

    assert all("InferenceComponentName" not in call for call in runtime.calls)
