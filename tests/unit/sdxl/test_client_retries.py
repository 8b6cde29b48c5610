"""When a call is sent again, after how long, and why that never pays twice."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx2
import pytest

from sdxl import (
    ApiConnectionError,
    ApiError,
    BadRequestError,
    ConflictError,
    GenerationRequest,
    ModelNotReadyError,
    RateLimitedError,
    Retries,
    TextPrompt,
)

REQUEST = GenerationRequest(text_prompts=(TextPrompt("a fox"),), seed=5)


@pytest.fixture
def retries():
    return []


@pytest.fixture
def client(connect, api, retries):
    return connect(api.handle, retries=Retries(for_seconds=60), on_retry=retries.append)


def keys(api):
    return [request.headers["idempotency-key"] for request in api.requests]


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_is_asked_again_after_the_time_it_names(client, api, clock, retries, status):
    body = {"name": "model_not_ready", "message": "The model is starting."}
    api.answers = [httpx2.Response(status, json=body, headers={"Retry-After": "7"})]
    assert client.generate(REQUEST).seconds == 7
    assert clock.slept == [7.0]
    assert [(retry.status, retry.message) for retry in retries] == [(status, "The model is starting.")]


def test_without_a_named_time_the_waits_grow_up_to_a_limit(client, api, clock, error):
    api.answers = [error(503, "model_unreachable", "No connection.") for _ in range(20)]
    with pytest.raises(ModelNotReadyError, match="No connection"):
        client.generate(REQUEST)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0]


def test_randomness_shortens_a_backoff_and_lengthens_a_named_wait(connect, api, clock, error):
    api.answers = [error(503, "n", "m"), error(503, "n", "m"), error(503, "n", "m", **{"Retry-After": "7"})]
    connect(api.handle, draw=lambda: 1.0).generate(REQUEST)
    assert clock.slept == [0.5, 1.0, 8.0]


def test_a_date_in_retry_after_is_waited_for(client, api, clock, error):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    api.answers = [error(503, "model_not_ready", "Starting.", **{"Retry-After": until})]
    client.generate(REQUEST)
    assert 15 < clock.slept[0] <= 20


@pytest.mark.parametrize("value", ["", "soon", "-5", "\u00b2"])
def test_a_retry_after_that_says_nothing_is_not_one(client, api, clock, error, value):
    api.answers = [httpx2.Response(503, headers=[(b"retry-after", value.encode())])]
    client.generate(REQUEST)
    assert clock.slept == [1.0]


def test_a_longer_wait_than_allowed_is_not_begun(client, api, clock, error):
    api.answers = [error(503, "model_not_ready", "Starting.", **{"Retry-After": "600"})]
    with pytest.raises(ModelNotReadyError):
        client.generate(REQUEST)
    assert clock.slept == []


def test_a_used_up_quota_is_not_waited_for(client, api, clock, error):
    api.answers = [error(429, "quota_exceeded", "Limit Exceeded")]
    with pytest.raises(RateLimitedError, match="Limit Exceeded"):
        client.generate(REQUEST)
    assert clock.slept == []


@pytest.mark.parametrize(
    "failure",
    [
        httpx2.Response(502),
        httpx2.ConnectError("refused"),
        httpx2.ReadTimeout("slow"),
        httpx2.RemoteProtocolError("cut off"),
    ],
)
def test_what_may_have_made_an_image_is_sent_again_with_the_same_key(client, api, clock, failure):
    api.answers = [failure, failure]
    assert client.generate(REQUEST).images
    assert clock.slept == [1.0, 2.0]
    assert len(keys(api)) == 3
    assert len(set(keys(api))) == 1


@pytest.mark.parametrize(
    ("failure", "kind"), [(httpx2.Response(502), ApiError), (httpx2.ConnectError("x"), ApiConnectionError)]
)
def test_a_call_that_fails_every_time_is_given_up(client, api, failure, kind):
    api.answers = [failure] * 9
    with pytest.raises(kind):
        client.generate(REQUEST)
    assert len(api.requests) == 3


def test_an_attempt_still_at_work_after_a_lost_answer_is_waited_for(client, api, clock, error):
    api.answers = [httpx2.ReadTimeout("slow"), error(409, "n", "in progress"), error(409, "n", "in progress")]
    assert client.generate(REQUEST).images
    assert clock.slept == [1.0, 2.0, 4.0]


def test_a_call_that_another_process_is_still_making_is_waited_for(client, api, clock, error):
    api.answers = [error(409, "n", "in progress"), error(409, "n", "in progress")]
    assert client.generate(REQUEST, idempotency_key="used").images
    assert clock.slept == [1.0, 2.0]


def test_a_conflict_is_waited_for_no_longer_than_a_busy_api(connect, api, clock, error):
    api.answers = [error(409, "n", "in progress")] * 99
    with pytest.raises(ConflictError):
        connect(api.handle, retries=Retries(for_seconds=30)).generate(REQUEST, idempotency_key="used")
    assert 0 < sum(clock.slept) <= 30


def test_an_image_that_took_too_long_is_not_drawn_again(client, api, clock):
    api.answers = [httpx2.Response(504)]
    with pytest.raises(ApiError):
        client.generate(REQUEST)
    assert (len(api.requests), clock.slept) == (1, [])


def test_every_call_has_a_key_of_its_own(client, api):
    client.generate(REQUEST)
    client.generate(REQUEST)
    client.generate(REQUEST, idempotency_key="order-17")
    first, second, third = keys(api)
    assert first != second
    assert third == "order-17"


@pytest.mark.parametrize("status", [400, 403, 404, 413, 500])
def test_what_would_only_fail_again_is_not_sent_again(client, api, clock, error, status):
    api.answers = [error(status, "n", "m")]
    with pytest.raises(ApiError):
        client.generate(REQUEST)
    assert (len(api.requests), clock.slept) == (1, [])


@pytest.mark.parametrize("failure", [httpx2.Response(503), httpx2.Response(504), httpx2.ConnectError("x")])
def test_patience_can_be_turned_off(connect, api, failure):
    api.answers = [failure]
    with pytest.raises((ApiError, ApiConnectionError)):
        connect(api.handle, retries=Retries.none()).generate(REQUEST)
    assert len(api.requests) == 1


def test_a_failure_between_refusals_does_not_hide_the_refusal(client, api, error):
    api.answers = [httpx2.Response(503), httpx2.ConnectError("x"), error(400, "bad_request", "No.")]
    with pytest.raises(BadRequestError, match="No"):
        client.generate(REQUEST)
