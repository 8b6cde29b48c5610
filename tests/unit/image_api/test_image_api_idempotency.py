"""A call with an Idempotency-Key: carried out once, answered again, and never mixed up with another's."""

from __future__ import annotations

import contextlib
import json
import re
import time
from collections.abc import Iterator
from typing import Any

import boto3
import msgspec
import pytest
from botocore.exceptions import ReadTimeoutError
from image_api.deadline import Deadline
from image_api.errors import ModelError
from image_api.idempotency import Call, Idempotency, RecordsUnavailableError, caller_of
from image_api.image_store import KeptImages
from image_api.records import Records, Table
from image_api.request import Artifact, GenerationRequest, GenerationResult, TextPrompt
from image_api_fakes import ApplicationUnderTest, FakeContext, FakeRuntime, FakeS3, Reply, png_base64, proxy_event
from moto import mock_aws

KEY = "5d2c0d5e-9b3a-4d53-8f4e-6a5f5f3f0001"


def generate(
    api: ApplicationUnderTest, *, key: str = KEY, accept: str = "application/json", caller: str = "key-1", **fields: Any
) -> Reply:
    body = {"text_prompts": [{"text": "a puppy"}], **fields}
    headers = {"Content-Type": "application/json", "Accept": accept, "Idempotency-Key": key}
    event = proxy_event(json.dumps(body), headers=headers)
    event["requestContext"]["identity"]["apiKeyId"] = caller
    return api.handle(event)


def test_repeat_gets_the_first_answer_and_the_model_is_asked_once(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    first = generate(api, samples=3)
    second = generate(api, samples=3)

    assert (first.status, second.status) == (200, 200)
    assert second.json == first.json
    assert len(runtime.calls) == 3


def test_repeat_may_ask_for_another_kind_of_answer(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    first = generate(api)
    second = generate(api, accept="image/png")

    (artifact,) = first.json["artifacts"]
    assert second.headers["content-type"] == "image/png"
    assert second.text == artifact["base64"]
    assert second.headers["seed"] == str(artifact["seed"])
    assert len(runtime.calls) == 1


def test_warning_of_the_first_answer_is_repeated(api: ApplicationUnderTest) -> None:
    first = generate(api, width=512, height=512)
    second = generate(api, width=512, height=512)

    assert first.headers["x-sdxl-warning"] == second.headers["x-sdxl-warning"] != ""


def test_record_is_small_because_the_images_are_in_the_bucket(api: ApplicationUnderTest) -> None:
    generate(api, samples=10)

    (record,) = api.records.items.values()
    assert len(msgspec.json.encode(record)) < 4096
    assert len(api.s3.objects) == 10


def test_calls_without_the_header_touch_neither_table_nor_bucket(api: ApplicationUnderTest) -> None:
    assert api.generate().status == 200

    assert not api.records.items
    assert not api.s3.objects


@pytest.mark.parametrize(
    "other",
    [{"key": "another-key"}, {"caller": "key-2"}],
    ids=["another key", "another caller with the same key"],
)
def test_other_calls_are_new(api: ApplicationUnderTest, runtime: FakeRuntime, other: dict[str, str]) -> None:
    generate(api)
    generate(api, **other)

    assert len(runtime.calls) == 2


def test_same_key_on_another_engine_is_a_new_call(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    generate(api)
    body = json.dumps({"text_prompts": [{"text": "a puppy"}]})
    path = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image/"
    reply = api.handle(proxy_event(body, path=path, headers={"Idempotency-Key": KEY}))

    assert reply.status in (200, 404)
    assert len(runtime.calls) == (2 if reply.status == 200 else 1)


def test_same_key_with_another_request_is_refused(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    generate(api, seed=1)
    reply = generate(api, seed=2)

    assert reply.error == (422, "idempotency_key_reused")
    assert len(runtime.calls) == 1


def test_fields_in_another_order_are_the_same_request(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    generate(api, seed=1, steps=30)
    reply = generate(api, steps=30, seed=1)

    assert reply.status == 200
    assert len(runtime.calls) == 1


def test_repeat_while_the_first_is_being_drawn_is_told_to_wait(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    replies: list[Reply] = []
    draw = runtime.answer

    def repeat_meanwhile(payload: dict[str, Any]) -> bytes:
        replies.append(generate(api))
        return draw(payload)

    runtime.answer = repeat_meanwhile
    assert generate(api).status == 200

    assert replies[0].error == (409, "conflict")
    assert replies[0].headers["retry-after"] == "5"


def test_call_that_lambda_stopped_may_be_made_again(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    generate(api)
    (record,) = api.records.items.values()
    # As it was while the first was being drawn: its images are not there yet, and its lease has ended.
    api.records.items[record.id] = msgspec.structs.replace(record, status="running", lease_ends=1)
    api.s3.objects.clear()

    assert generate(api).status == 200
    assert len(runtime.calls) == 2


def test_error_is_not_kept(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    draw = runtime.answer
    runtime.answers(b"")
    assert generate(api).status == 502
    runtime.answer = draw

    assert generate(api).status == 200
    assert len(runtime.calls) == 2


def test_refused_request_leaves_no_record(api: ApplicationUnderTest) -> None:
    assert generate(api, steps=1).status == 400

    assert not api.records.items


@pytest.mark.parametrize("value", ["", " ", "with space", "x" * 256, "ümlaut"])
def test_header_that_is_no_key_is_refused(api: ApplicationUnderTest, runtime: FakeRuntime, value: str) -> None:
    reply = generate(api, key=value)

    assert reply.error == (400, "bad_request")
    assert "Idempotency-Key" in reply.json["message"]
    assert not runtime.calls


def test_nothing_is_drawn_while_the_table_cannot_be_asked(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    api.records.fails_on = {"begin"}
    reply = generate(api)

    assert reply.error == (503, "idempotency_unavailable")
    assert reply.headers["retry-after"] == "5"
    assert "10.0.0.1" not in reply.text
    assert not runtime.calls


def test_drawn_images_are_answered_even_if_they_cannot_be_recorded(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    api.records.fails_on = {"end"}

    assert generate(api).status == 200
    assert len(runtime.calls) == 1


def test_drawn_images_are_answered_even_if_they_cannot_be_stored(api: ApplicationUnderTest) -> None:
    api.s3.error = ConnectionError("no bucket")

    assert generate(api).status == 200
    (record,) = api.records.items.values()
    assert (record.status, record.work.samples) == ("open", ())


def test_models_error_is_answered_even_if_the_record_cannot_be_removed(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    runtime.answers(b"")
    api.records.fails_on = {"remove"}

    assert generate(api).error == (502, "model_error")


def test_images_that_are_gone_are_an_error_that_names_the_way_out(api: ApplicationUnderTest) -> None:
    generate(api)
    api.s3.objects.clear()
    reply = generate(api)

    assert reply.error == (502, "storage_error")
    assert "new key" in reply.json["message"]


def call(**changes: Any) -> Call:
    fields: dict[str, Any] = {
        "header": KEY,
        "caller": "key:1",
        "route": "POST /x",
        "request": GenerationRequest(text_prompts=(TextPrompt("a puppy"),)),
        "deadline": Deadline(10),
        "context": FakeContext(),
    }
    return Call(**(fields | changes))


def idempotency(records: Records | None, s3: FakeS3) -> Idempotency:
    logger: Any = _SilentLogger()
    return Idempotency(records=records, images=KeptImages(bucket="images", s3_client=lambda: s3), logger=logger)


class _SilentLogger:
    def warning(self, message: str, **fields: object) -> None:
        """Drop it."""


def test_without_a_table_a_key_is_refused() -> None:
    with pytest.raises(RecordsUnavailableError, match="Leave Idempotency-Key out"):
        idempotency(None, FakeS3()).once(call(), lambda *_: GenerationResult(artifacts=()))


@pytest.fixture
def table() -> Iterator[Any]:
    """A client that finds the table `answers`, as deployed."""
    aws = mock_aws()
    # moto is one for the whole process: starting afresh would take away what other tests' emulator holds.
    aws.start(reset=False)
    client = boto3.client("dynamodb")
    client.create_table(
        TableName="answers",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    yield client
    client.delete_table(TableName="answers")
    aws.stop(remove_data=False)


class Model:
    """Draws one sample, and counts how often."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.seeds: list[int] = []

    def __call__(self, request: GenerationRequest, drawn: dict[int, Artifact]) -> GenerationResult:
        if 0 not in drawn:
            self.seeds.append(request.seed)
            if self.error is not None:
                raise self.error
            drawn[0] = Artifact(image_base64=png_base64(), seed=request.seed, finish_reason="SUCCESS")
        return GenerationResult(artifacts=(drawn[0],), warnings=("odd size",))


def test_table_as_deployed_holds_one_item_that_expires_in_a_day(table: Any) -> None:
    model, s3 = Model(), FakeS3()

    # Two applications: what the second knows, it has from the table.
    first = idempotency(Records(Table("answers")), s3).once(call(), model)
    second = idempotency(Records(Table("answers")), s3).once(call(), model)
    (item,) = table.scan(TableName="answers")["Items"]

    assert first == second
    assert len(model.seeds) == 1
    assert item.keys() == {"id", "attempt", "status", "lease", "expiration", "work"}
    assert abs(int(item["expiration"]["N"]) - time.time() - 86_400) < 60
    assert KEY not in json.dumps(item)
    (key,) = s3.objects
    assert re.fullmatch(r"images/generated/kept/[0-9a-f]{64}/[0-9a-f]{32}/0\.png", key)


def test_table_as_deployed_keeps_no_item_of_a_call_that_failed(table: Any) -> None:
    with pytest.raises(ModelError):
        idempotency(Records(Table("answers")), FakeS3()).once(call(), Model(ModelError("no")))

    assert not table.scan(TableName="answers")["Items"]


def test_item_that_has_expired_and_is_still_there_is_replaced(table: Any) -> None:
    model, s3 = Model(), FakeS3()
    idempotency(Records(Table("answers")), s3).once(call(), model)
    tomorrow = Records(Table("answers"), now=lambda: time.time() + 86_500)
    other = GenerationRequest(text_prompts=(TextPrompt("a kitten"),), seed=7)

    result = idempotency(tomorrow, s3).once(call(request=other), model)

    assert [artifact.seed for artifact in result.artifacts] == [7]
    assert len(s3.objects) == 2


@pytest.mark.parametrize("operation", ["put_item", "update_item"])
def test_write_whose_answer_is_lost_took_effect_once(table: Any, operation: str) -> None:
    class Client:
        def __init__(self) -> None:
            self.lost = 0

        def __getattr__(self, name: str) -> Any:
            def act(**arguments: Any) -> Any:
                answer = getattr(table, name)(**arguments)
                if name == operation and not self.lost:
                    self.lost += 1
                    raise ReadTimeoutError(endpoint_url="https://dynamodb")
                return answer

            return act

    client, model, s3 = Client(), Model(), FakeS3()
    lossy = idempotency(Records(Table("answers", create_client=lambda: client)), s3)

    first = lossy.once(call(), model)
    second = lossy.once(call(), model)

    assert client.lost == 1
    assert first == second
    assert len(model.seeds) == 1


@pytest.mark.parametrize("hanging", ["put_item", "update_item"])
def test_table_that_hangs_is_given_up_by_the_deadline(hanging: str) -> None:
    class Client:
        def __getattr__(self, name: str) -> Any:
            return lambda **_: time.sleep(1.5) if name == hanging else {}

    records, started = Records(Table("answers", create_client=Client)), time.monotonic()

    with contextlib.suppress(RecordsUnavailableError):
        idempotency(records, FakeS3()).once(call(deadline=Deadline(0.2)), Model())

    assert time.monotonic() - started < 1.0


@pytest.mark.parametrize(
    ("context", "caller"),
    [
        ({"identity": {"apiKeyId": "k1"}, "authorizer": {"principalId": "p"}}, "key:k1"),
        ({"identity": {"userArn": "arn:aws:iam::1:user/a"}}, "aws:arn:aws:iam::1:user/a"),
        ({"identity": {"userArn": "arn:aws:sts::1:assumed-role/r/pod-1"}}, "aws:arn:aws:sts::1:assumed-role/r"),
        ({"identity": {"userArn": "arn:aws-cn:sts::1:assumed-role/r/pod-2"}}, "aws:arn:aws-cn:sts::1:assumed-role/r"),
        ({"identity": {"userArn": "arn:aws:sts::1:federated-user/f"}}, "aws:arn:aws:sts::1:federated-user/f"),
        ({"authorizer": {"claims": {"sub": "u1"}}, "identity": {"apiKeyId": None}}, "user:u1"),
        ({"authorizer": {"principalId": "p"}}, "principal:p"),
        ({}, "unknown"),
    ],
)
def test_callers_are_told_apart(context: dict[str, Any], caller: str) -> None:
    assert caller_of({"requestContext": context}) == caller
