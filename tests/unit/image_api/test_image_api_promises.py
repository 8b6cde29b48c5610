"""What is said about paying twice: how often the model is called for each image that is delivered, under each fault."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError
from image_api_fakes import (
    ApplicationUnderTest,
    FakeContext,
    FakeRuntime,
    Reply,
    client_error,
    container_error,
    draw,
    proxy_event,
)

KEY = "order-4711"


def call(
    api: ApplicationUnderTest, *, key: str | None = KEY, context: FakeContext | None = None, **fields: Any
) -> Reply:
    body = {"text_prompts": [{"text": "a puppy"}], **fields}
    headers = {"Content-Type": "application/json"} | ({} if key is None else {"Idempotency-Key": key})
    event = proxy_event(json.dumps(body), headers=headers)
    event["requestContext"]["identity"]["apiKeyId"] = "key-1"
    return api.handle(event, context)


class Failing:
    """A model that fails for the samples at some indices of a request, `times` times each, and counts its calls."""

    def __init__(self, error: Exception, *, first_seed: int, indices: set[int], times: int) -> None:
        self.error = error
        self.left = {first_seed + index: times for index in indices}
        self.calls: list[int] = []
        self._lock = threading.Lock()

    def __call__(self, payload: dict[str, Any]) -> bytes:
        with self._lock:
            self.calls.append(payload["seed"])
            fails = self.left.get(payload["seed"], 0) > 0
            if fails:
                self.left[payload["seed"]] -= 1
        if fails:
            raise self.error
        return draw(payload)


PASSING = [
    container_error(500, "CUDA out of memory"),
    client_error("ThrottlingException", "Rate exceeded"),
    client_error("ModelNotReadyException", status=429),
]


@pytest.mark.parametrize("key", [KEY, None], ids=["with a key", "without a key"])
@pytest.mark.parametrize("error", PASSING, ids=str)
def test_one_failed_sample_of_ten_costs_one_more_call(
    api: ApplicationUnderTest, runtime: FakeRuntime, error: Exception, key: str | None
) -> None:
    model = runtime.answer = Failing(error, first_seed=100, indices={3}, times=1)

    reply = call(api, key=key, seed=100, samples=10)

    assert reply.status == 200
    assert [artifact["seed"] for artifact in reply.json["artifacts"]] == list(range(100, 110))
    assert len(model.calls) == 11


@pytest.mark.parametrize("error", PASSING, ids=str)
def test_repeat_draws_only_the_samples_that_are_missing(
    api: ApplicationUnderTest, runtime: FakeRuntime, error: Exception
) -> None:
    model = runtime.answer = Failing(error, first_seed=100, indices={3, 7}, times=2)
    assert call(api, seed=100, samples=10).status >= 429
    model.calls.clear()

    reply = call(api, seed=100, samples=10)

    assert reply.status == 200
    assert sorted(model.calls) == [103, 107]
    assert [artifact["seed"] for artifact in reply.json["artifacts"]] == list(range(100, 110))


def test_repeat_of_a_call_with_random_seeds_goes_on_with_the_same(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    first, calls = True, []

    def answer(payload: dict[str, Any]) -> bytes:
        calls.append(payload["seed"])
        if first and payload["seed"] != min(calls):
            raise container_error(500, "no")
        return draw(payload)

    runtime.answer = answer
    assert call(api, samples=3).status == 502
    tried, first = set(calls), False
    calls.clear()

    reply = call(api, samples=3)

    seeds = [artifact["seed"] for artifact in reply.json["artifacts"]]
    assert set(seeds) == tried
    assert seeds == list(range(seeds[0], seeds[0] + 3))
    assert len(calls) <= 2


def test_request_that_fails_as_a_whole_is_not_drawn_again_by_itself(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    model = runtime.answer = Failing(PASSING[0], first_seed=100, indices=set(range(4)), times=9)

    assert call(api, seed=100, samples=4).status == 502
    assert len(model.calls) == 4


def test_prompt_that_the_model_refuses_is_not_drawn_again(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    refusal = container_error(400, json.dumps({"name": "invalid_prompts", "message": "no"}))
    model = runtime.answer = Failing(refusal, first_seed=100, indices={0}, times=9)

    assert call(api, seed=100, samples=4).status == 400
    assert model.calls.count(100) == 1


def test_samples_in_time_are_kept_when_another_is_too_late(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    late = threading.Event()
    calls: list[int] = []

    def answer(payload: dict[str, Any]) -> bytes:
        calls.append(payload["seed"])
        if payload["seed"] == 101 and not late.is_set():
            late.wait(5)
        return draw(payload)

    runtime.answer = answer
    reply = call(api, seed=100, samples=3, context=FakeContext(remaining_milliseconds=2_600))
    late.set()
    assert reply.error == (504, "model_timeout")
    calls.clear()

    assert call(api, seed=100, samples=3).status == 200
    assert calls == [101]


FAULTS: dict[str, Callable[[ApplicationUnderTest], object]] = {
    "answer of begin lost": lambda api: api.records.loses_answer_of.add("begin"),
    "end refused": lambda api: api.records.fails_on.add("end"),
    "answer of end lost": lambda api: api.records.loses_answer_of.add("end"),
}


@pytest.mark.parametrize("fault", ["end refused", "answer of end lost"])
def test_image_is_drawn_once_though_its_record_could_not_be_written(
    api: ApplicationUnderTest, runtime: FakeRuntime, fault: str
) -> None:
    FAULTS[fault](api)
    first = call(api)
    api.records.fails_on.clear()
    api.records.loses_answer_of.clear()
    # The first attempt's lease ends.
    for record in list(api.records.items.values()):
        if record.status == "running":
            api.records.items[record.id] = msgspec.structs.replace(record, lease_ends=1)

    second = call(api)

    assert (first.status, second.status) == (200, 200)
    assert first.json == second.json
    assert len(runtime.calls) == 1


def test_call_is_not_locked_by_an_attempt_that_could_not_begin(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    FAULTS["answer of begin lost"](api)
    assert call(api).error == (503, "idempotency_unavailable")
    assert not runtime.calls
    api.records.loses_answer_of.clear()

    assert call(api).status == 200
    assert len(runtime.calls) == 1


def test_image_that_cannot_be_kept_is_delivered_all_the_same(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    api.s3.error = client_error("SlowDown", status=503)

    assert call(api).status == 200
    assert len(runtime.calls) == 1

    # This is one of the two cases in which an image is paid for again.
    api.s3.error = None
    assert call(api).status == 200
    assert len(runtime.calls) == 2


def test_attempt_that_lost_its_record_changes_nothing(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    replies: list[Reply] = []

    def overtaken(payload: dict[str, Any]) -> bytes:
        if not replies:
            (record,) = api.records.items.values()
            api.records.items[record.id] = msgspec.structs.replace(record, lease_ends=1)
            replies.append(Reply({"statusCode": 0, "headers": {}, "body": "", "isBase64Encoded": False}))
            replies.append(call(api))
        return draw(payload)

    runtime.answer = overtaken
    slow = call(api)

    (record,) = api.records.items.values()
    assert (slow.status, replies[1].status) == (200, 200)
    assert record.status == "succeeded"
    assert call(api).json == replies[1].json == slow.json


def test_calls_that_were_given_up_are_capped(make_api: Callable[..., ApplicationUnderTest]) -> None:
    held = threading.Event()
    open_calls, most = 0, 0
    lock = threading.Lock()

    class Hanging(FakeRuntime):
        def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
            nonlocal open_calls, most
            with lock:
                open_calls += 1
                most = max(most, open_calls)
            held.wait(20)
            with lock:
                open_calls -= 1
            raise ReadTimeoutError(endpoint_url="https://runtime")

    api = ApplicationUnderTest(Hanging())
    context = FakeContext(remaining_milliseconds=2_010)
    try:
        replies = [call(api, key=None, samples=10, context=context) for _ in range(12)]
    finally:
        held.set()

    assert {reply.status for reply in replies} == {504, 429}
    assert replies[-1].error == (429, "rate_limit_exceeded")
    assert int(replies[-1].headers["retry-after"]) >= 1
    assert most <= 40
