"""Records of work in DynamoDB: one item for a call that may be repeated, and a token for each attempt at it.

A record is written before the model is called, so that a repeat finds it. It holds what an attempt needs to go on where
another one stopped: the digest of the request, the seed, the folder of the images, and the samples that are there.

Every write names the attempt's token, and takes effect only while that attempt holds the record. So a write may be sent
again when its answer is lost: the second finds its own token and changes nothing. An attempt that Lambda stopped, or
that was too slow, holds the record until its lease ends, and changes nothing afterwards.

Source: Amazon DynamoDB Developer Guide, "Condition expressions"; API reference, PutItem,
`ReturnValuesOnConditionCheckFailure`.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, Literal

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from image_api.deadline import Deadline, WorkerPool
from image_api.request import FinishReason

# What a table's item can be read or written in by far. Two attempts of the SDK, and a third of ours, fit before a
# model's first image.
_CONNECT_SECONDS = 1.0
_READ_SECONDS = 1.0
_LONGEST_CALL_SECONDS = 4.5

Status = Literal["running", "open", "succeeded"]


class RecordError(Exception):
    """The table did not carry out an operation, or its answer was lost."""


class ConditionError(Exception):
    """The item is not in the state that a write requires. `item` is what it holds, if it exists."""

    def __init__(self, item: Mapping[str, Any]) -> None:
        super().__init__("the item is in another state")
        self.item = item


class KeptSample(msgspec.Struct, frozen=True):
    """A sample whose image lies in the bucket: its index, its seed and what the model said of it."""

    index: int
    seed: int
    finish_reason: FinishReason


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """What an attempt needs to know of those before it: far below the 400 KB that an item may take.

    `folder` holds the images; `seed` is the first sample's, so that every attempt draws the same images.
    """

    request_digest: str
    folder: str
    seed: int
    samples: tuple[KeptSample, ...] = ()
    warnings: tuple[str, ...] = ()
    variant: str = ""
    source: str = ""


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """One record. `lease_ends` is in milliseconds of the epoch, `expires` in seconds."""

    id: str
    token: str
    status: Status
    lease_ends: int
    expires: int
    work: Work

    def is_held(self, now: float) -> bool:
        """Whether an attempt may still be at work on it; `now` is in seconds of the epoch."""
        return self.status == "running" and self.lease_ends > now * 1000


def create_table_client() -> Any:
    """A `dynamodb` client whose calls leave time for the image."""
    return boto3.client(
        "dynamodb",
        config=Config(
            connect_timeout=_CONNECT_SECONDS,
            read_timeout=_READ_SECONDS,
            retries={"total_max_attempts": 2, "mode": "standard"},
        ),
    )


class Table:
    """One DynamoDB table, every call of which ends by a deadline. The client is created with the first call."""

    def __init__(self, name: str, *, create_client: Callable[[], Any] = create_table_client) -> None:
        self.name = name
        self._create_client = create_client
        self._workers = WorkerPool("table", workers=2)

    @cached_property
    def client(self) -> Any:
        """The DynamoDB client."""
        return self._create_client()

    def call(self, operation: str, deadline: Deadline, **arguments: Any) -> dict[str, Any]:
        """Carry out an operation of the client.

        Raises:
            ConditionError: the item is not in the required state.
            RecordError: the table cannot be reached, refused, or did not answer by the deadline.
        """

        def call(_: None) -> dict[str, Any]:
            answer: dict[str, Any] = getattr(self.client, operation)(TableName=self.name, **arguments)
            return answer

        try:
            return self._workers.do_all(call, (None,), deadline.at_most(_LONGEST_CALL_SECONDS))[0]
        except ClientError as exc:
            if exc.response.get("Error", {}).get("Code") == "ConditionalCheckFailedException":
                answer: Any = exc.response
                raise ConditionError(answer.get("Item") or {}) from exc
            raise RecordError(f"{operation} failed") from exc
        except (BotoCoreError, TimeoutError, OSError) as exc:
            raise RecordError(f"{operation} failed") from exc


class Records:
    """The records of calls. `now` is in seconds of the epoch."""

    def __init__(self, table: Table, *, now: Callable[[], float] = time.time) -> None:
        self._table = table
        self._now = now

    def begin(self, record: Record, deadline: Deadline) -> Record:
        """Write a new record, and return it; or the record that is there.

        Sent again once where no answer came: the write names the attempt, so that it takes effect once.

        Raises:
            RecordError: it cannot be found out whether there is a record.
        """
        arguments: dict[str, Any] = {
            "Item": _item(record),
            "ConditionExpression": "attribute_not_exists(id) OR expiration < :now OR attempt = :attempt",
            "ExpressionAttributeValues": {":now": _number(int(self._now())), ":attempt": {"S": record.token}},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        try:
            try:
                self._table.call("put_item", deadline, **arguments)
            except RecordError:
                self._table.call("put_item", deadline, **arguments)
        except ConditionError as exc:
            return _record(exc.item)
        return record

    def take_over(self, held: Record, token: str, lease_ends: int, deadline: Deadline) -> Record | None:
        """Let the attempt `token` go on with a record that no attempt is at work on; None if another was faster."""
        try:
            self._table.call(
                "update_item",
                deadline,
                Key={"id": {"S": held.id}},
                UpdateExpression="SET attempt = :attempt, lease = :lease, #status = :running",
                ConditionExpression="(attempt = :held AND #status = :status AND lease = :ended) OR attempt = :attempt",
                ExpressionAttributeNames={"#status": "status"},
                ExpressionAttributeValues={
                    ":attempt": {"S": token},
                    ":lease": _number(lease_ends),
                    ":running": {"S": "running"},
                    ":held": {"S": held.token},
                    ":status": {"S": held.status},
                    ":ended": _number(held.lease_ends),
                },
            )
        except ConditionError:
            return None
        return msgspec.structs.replace(held, token=token, lease_ends=lease_ends, status="running")

    def end(self, record: Record, status: Literal["open", "succeeded"], work: Work, deadline: Deadline) -> None:
        """End the attempt that holds `record`: `open` lets the next go on from `work`, `succeeded` is final.

        Raises:
            RecordError: the table did not answer.
            ConditionError: another attempt holds the record.
        """
        self._table.call(
            "update_item",
            deadline,
            Key={"id": {"S": record.id}},
            UpdateExpression="SET #status = :status, lease = :none, #work = :work",
            ConditionExpression="attempt = :attempt",
            ExpressionAttributeNames={"#status": "status", "#work": "work"},
            ExpressionAttributeValues={
                ":status": {"S": status},
                ":none": _number(0),
                ":work": {"S": msgspec.json.encode(work).decode()},
                ":attempt": {"S": record.token},
            },
        )

    def remove(self, record: Record, deadline: Deadline) -> None:
        """Remove a record of which nothing is kept, as long as its attempt holds it.

        Raises:
            RecordError: the table did not answer.
            ConditionError: another attempt holds the record.
        """
        self._table.call(
            "delete_item",
            deadline,
            Key={"id": {"S": record.id}},
            ConditionExpression="attempt = :attempt",
            ExpressionAttributeValues={":attempt": {"S": record.token}},
        )


def new_token() -> str:
    """A token that no other attempt has. Of the system: a SnapStart snapshot would clone the state of `random`."""
    return secrets.token_hex(16)


def _item(record: Record) -> dict[str, Any]:
    return {
        "id": {"S": record.id},
        "attempt": {"S": record.token},
        "status": {"S": record.status},
        "lease": _number(record.lease_ends),
        "expiration": _number(record.expires),
        "work": {"S": msgspec.json.encode(record.work).decode()},
    }


def _record(item: Mapping[str, Any]) -> Record:
    try:
        return Record(
            id=item["id"]["S"],
            token=item["attempt"]["S"],
            status=item["status"]["S"],
            lease_ends=int(item["lease"]["N"]),
            expires=int(item["expiration"]["N"]),
            work=msgspec.json.decode(item["work"]["S"], type=Work),
        )
    except (KeyError, ValueError, msgspec.DecodeError) as exc:
        raise RecordError("the table holds a record that cannot be read") from exc


def _number(value: int) -> dict[str, str]:
    return {"N": str(value)}
