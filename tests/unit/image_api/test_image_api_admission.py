"""Admission: what cannot finish in time is refused at once, and the endpoint is kept as busy as without it."""

from __future__ import annotations

import heapq
import itertools
import random
from contextlib import AbstractContextManager
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from image_api.admission import Admission, OverloadedError
from image_api.deadline import Deadline
from image_api.errors import ModelError, ModelTimeoutError
from image_api.records import Table
from image_api.request import GenerationRequest, TextPrompt
from moto import mock_aws

REQUEST = GenerationRequest(text_prompts=(TextPrompt("a puppy"),))
PATIENCE_SECONDS = 27.0


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_900_000_000.0

    def __call__(self) -> float:
        return self.seconds


class Instances:
    def __init__(self, count: int = 1) -> None:
        self.count = count
        self.asked = 0

    def instances(self) -> int:
        self.asked += 1
        return self.count


class FakeTable:
    """The one item of admission, with the conditions of its writes."""

    def __init__(self) -> None:
        self.item: dict[str, dict[str, str]] = {}

    def get_item(self, **_: Any) -> dict[str, Any]:
        return {"Item": dict(self.item)} if self.item else {}

    def update_item(self, **arguments: Any) -> dict[str, Any]:
        values = {name: float(value["N"]) for name, value in arguments["ExpressionAttributeValues"].items()}
        known = self.item.get("estimate", {}).get("N")
        free_at = float(self.item["free_at"]["N"]) if self.item else None
        match arguments["ConditionExpression"]:
            case "free_at BETWEEN :now AND :latest":
                holds = free_at is not None and values[":now"] <= free_at <= values[":latest"]
            case "attribute_not_exists(free_at) OR free_at < :now":
                holds = free_at is None or free_at < values[":now"]
            case "attribute_exists(free_at)":
                holds = free_at is not None
            case "attribute_exists(free_at) AND (attribute_not_exists(estimate) OR estimate = :known)":
                holds = free_at is not None and (known is None or float(known) == values[":known"])
            case other:
                raise AssertionError(other)
        if not holds:
            response: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": dict(self.item)}
            raise ClientError(response, "UpdateItem")
        free_at = values.get(":done", (free_at or 0) + values.get(":cost", 0) + values.get(":more", 0))
        self.item["free_at"] = {"N": str(int(free_at))}
        if ":learned" in values:
            self.item["estimate"] = arguments["ExpressionAttributeValues"][":learned"]
        for name in ("instances", "asked"):
            if f":{name}" in values:
                self.item[name] = arguments["ExpressionAttributeValues"][f":{name}"]
        return {"Attributes": dict(self.item)}


@pytest.fixture
def client() -> Any:
    return FakeTable()


class Endpoint:
    """An endpoint whose instances draw one image at a time, in the order of the requests, and its callers."""

    def __init__(self, client: Any, *, seconds: float, instances: int = 1) -> None:
        self.clock = Clock()
        self.instances = Instances(instances)
        self.seconds = seconds
        self.free_at = [self.clock.seconds] * instances
        self.delivered, self.refused, self.model_calls = 0, 0, 0
        self.waits: list[int] = []
        self._client = client
        self._ends: list[tuple[float, int, AbstractContextManager[None], bool]] = []
        self._order = itertools.count()
        # As many execution environments as requests at once: none knows of the others.
        self._admissions = [self._admission() for _ in range(40)]

    def _admission(self) -> Admission:
        table = Table("admission", create_client=lambda: self._client)
        return Admission(table=table, endpoint_name="sdxl", instances=self.instances, now=self.clock)

    def arrive(self, at: float) -> int | None:
        """A request at a time; how long it is told to wait if it is refused."""
        self._pass_time_until(at)
        deadline = Deadline(PATIENCE_SECONDS, clock=self.clock)
        admitted = self._admissions[self._order.__next__() % 40].admitted(REQUEST, 1, deadline)
        try:
            admitted.__enter__()
        except OverloadedError as exc:
            self.refused += 1
            self.waits.append(exc.retry_after_seconds or 0)
            return self.waits[-1]
        self.model_calls += 1
        done = max(at, heapq.heappop(self.free_at)) + self.seconds
        heapq.heappush(self.free_at, done)
        in_time = done <= at + PATIENCE_SECONDS
        end = done if in_time else at + PATIENCE_SECONDS
        heapq.heappush(self._ends, (end, next(self._order), admitted, in_time))
        return None

    def _pass_time_until(self, at: float) -> None:
        while self._ends and self._ends[0][0] <= at:
            self.clock.seconds, _, admitted, in_time = heapq.heappop(self._ends)
            if in_time:
                self.delivered += 1
                admitted.__exit__(None, None, None)
            else:
                error = ModelTimeoutError("late")
                admitted.__exit__(ModelTimeoutError, error, None)
        self.clock.seconds = max(self.clock.seconds, at)

    def load(self, callers: int, seconds: float) -> None:
        """Callers who ask again when they were told to, or have an image; for so long."""
        start, dice = self.clock.seconds, random.Random(1)
        queue = [(start + dice.random() * 0.5, caller) for caller in range(callers)]
        heapq.heapify(queue)
        while queue and queue[0][0] < start + seconds:
            at, caller = heapq.heappop(queue)
            wait = self.arrive(at)
            again = at + (wait + dice.random() if wait else PATIENCE_SECONDS)
            heapq.heappush(queue, (again, caller))
        self._pass_time_until(start + seconds + PATIENCE_SECONDS)


@pytest.mark.parametrize("seconds", [1.0, 3.0, 9.4])
@pytest.mark.parametrize("instances", [1, 4])
def test_overload_costs_no_more_calls_than_images_are_delivered(client: Any, seconds: float, instances: int) -> None:
    endpoint = Endpoint(client, seconds=seconds, instances=instances)
    # What is not known yet: the first answers say how long an image takes.
    endpoint.load(callers=1, seconds=30)
    endpoint.delivered = endpoint.model_calls = 0

    endpoint.load(callers=round(3 * 27 * instances / seconds), seconds=60)

    capacity = 60 * instances / seconds
    assert endpoint.refused > 0
    assert endpoint.model_calls <= 1.1 * endpoint.delivered
    # Goodput stays at capacity.
    assert endpoint.delivered >= 0.85 * capacity
    assert max(endpoint.waits) <= 60


def test_twenty_callers_at_once_before_a_model_that_nobody_has_called_yet(client: Any) -> None:
    endpoint = Endpoint(client, seconds=3.0)

    endpoint.load(callers=20, seconds=90)

    assert endpoint.model_calls <= 1.1 * endpoint.delivered
    assert endpoint.delivered >= 25


def test_slow_model_that_nobody_has_called_yet_is_overrun_once(client: Any) -> None:
    endpoint = Endpoint(client, seconds=9.0)

    # The first wave is admitted at the first estimate, of 3 s an image: five of its eight images come too late.
    endpoint.load(callers=8, seconds=300)

    assert endpoint.model_calls - endpoint.delivered <= 6
    assert endpoint.delivered >= 0.85 * (300 - 72) / 9.0


def test_idle_endpoint_admits_everyone_one_by_one(client: Any) -> None:
    endpoint = Endpoint(client, seconds=20.0)

    for number in range(10):
        assert endpoint.arrive(endpoint.clock.seconds + 30 * number) is None


def test_first_estimate_that_is_too_high_corrects_itself(client: Any) -> None:
    endpoint = Endpoint(client, seconds=0.2)
    endpoint.load(callers=1, seconds=60)
    start = endpoint.clock.seconds

    refused = [endpoint.arrive(start + number * 0.01) for number in range(50)]

    assert refused == [None] * 50


def test_instances_that_were_added_are_seen_before_anyone_is_refused(client: Any) -> None:
    endpoint = Endpoint(client, seconds=9.0)
    endpoint.load(callers=5, seconds=60)
    endpoint.instances.count = 4
    endpoint.free_at = [endpoint.clock.seconds] * 4
    start = endpoint.clock.seconds + 60

    refused = [endpoint.arrive(start + number * 0.01) for number in range(8)]

    assert refused == [None] * 8


def test_work_that_failed_frees_its_time(client: Any) -> None:
    clock = Clock()
    admission = Admission(
        table=Table("admission", create_client=lambda: client),
        endpoint_name="sdxl",
        instances=Instances(),
        now=clock,
    )

    for _ in range(100):
        with (
            pytest.raises(ModelError),
            admission.admitted(REQUEST, 10, Deadline(PATIENCE_SECONDS, clock=clock)),
        ):
            raise ModelError("no")


def test_refusal_says_that_nothing_was_begun_and_when_to_come_again(client: Any) -> None:
    endpoint = Endpoint(client, seconds=10.0)
    endpoint.load(callers=1, seconds=60)
    start = endpoint.clock.seconds + 60
    answers = [endpoint.arrive(start) for _ in range(4)]

    assert answers[:2] == [None, None]
    assert answers[3] is not None
    assert 1 <= answers[3] <= 30
    # Nobody who waits that long is refused.
    assert endpoint.arrive(start + answers[3] + 0.1) is None


def test_everyone_is_admitted_while_the_table_does_not_answer() -> None:
    class Unreachable:
        def __getattr__(self, name: str) -> Any:
            def fail(**_: Any) -> None:
                raise EndpointConnectionError(endpoint_url="https://dynamodb")

            return fail

    admission = Admission(
        table=Table("admission", create_client=Unreachable), endpoint_name="sdxl", instances=Instances()
    )
    inside = 0

    for _ in range(20):
        with admission.admitted(REQUEST, 1, Deadline(PATIENCE_SECONDS)):
            inside += 1

    assert inside == 20


def test_nothing_is_asked_where_no_sample_is_missing(client: Any) -> None:
    class Untouched:
        def __getattr__(self, name: str) -> Any:
            raise AssertionError(name)

    table = Table("admission", create_client=Untouched)
    with Admission(table=table, endpoint_name="sdxl", instances=Instances()).admitted(REQUEST, 0, Deadline(1)):
        pass


def test_table_as_deployed_holds_one_item_that_expires() -> None:
    aws = mock_aws()
    # moto is one for the whole process: starting afresh would take away what other tests' emulator holds.
    aws.start(reset=False)
    dynamodb = boto3.client("dynamodb")
    dynamodb.create_table(
        TableName="admission",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    endpoint = Endpoint(dynamodb, seconds=9.0)
    endpoint.load(callers=8, seconds=140)
    (item,) = dynamodb.scan(TableName="admission")["Items"]
    dynamodb.delete_table(TableName="admission")
    aws.stop(remove_data=False)

    assert item.keys() == {"id", "free_at", "estimate", "instances", "asked", "expiration"}
    assert 3_000 < float(item["estimate"]["N"]) < 12_000
    assert endpoint.refused > 0
    assert endpoint.delivered >= 12
