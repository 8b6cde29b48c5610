"""Queues as event sources of functions: batches, partial failures, and the role's permission at each reading.

Source: AWS Lambda Developer Guide, "Using Lambda with Amazon SQS" and "Handling errors for an SQS event source". moto
calls a function while a message is sent, one message at a time, and makes what failed visible at once.
"""

from __future__ import annotations

import functools
import json
import logging
import threading
from collections.abc import Mapping
from typing import Any

from moto.awslambda.exceptions import InvalidParameterValueException
from moto.awslambda.models import LambdaBackend, lambda_backends
from moto.sqs.models import Message, Queue, sqs_backends
from moto.utilities.utils import get_partition

from emulator.functions import operation
from emulator.iam.authorizer import DeniedError, RoleGoneError, authorize
from emulator.iam.operations.messages import queue_permissions
from emulator.iam.patterns import PolicyError
from emulator.iam.requests import Call, UndeterminedError
from emulator.iam.sessions import FunctionSession
from emulator.messages.delivery import DELIVERIES, Deliveries

# What Lambda must be allowed on the queue: checked where the mapping is made, and at each reading.
ACTIONS = ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
_DEFAULT_BATCH = 10
# How many batches of one mapping are in work at once, where its ScalingConfig does not say.
_DEFAULT_CONCURRENCY = 5
_PARTIAL = "ReportBatchItemFailures"

_logger = logging.getLogger(__name__)


class MissingPermissionError(Exception):
    """The function's role may not read the queue; the message is Lambda's."""


class EventSources:
    """Every mapping of a queue to a function."""

    def __init__(self, deliveries: Deliveries) -> None:
        self._deliveries = deliveries
        self._changed = threading.Condition()
        self._busy: dict[str, int] = {}
        # moto's queues take no lock.
        self._reading = threading.Lock()

    def install(self) -> None:
        """Take the place of moto's own delivery to functions."""
        if hasattr(LambdaBackend, "has_event_sources"):
            return
        LambdaBackend.has_event_sources = True
        create = LambdaBackend.create_event_source_mapping

        update = LambdaBackend.update_event_source_mapping

        @functools.wraps(create)
        def create_event_source_mapping(backend: LambdaBackend, spec: dict[str, Any]) -> Any:
            queue = find_queue(spec.get("EventSourceArn", ""))
            if queue is not None:
                function_arn = _function_arn(backend, spec["FunctionName"])
                try:
                    check_role(backend.get_function(function_arn).role, function_arn, queue)
                except MissingPermissionError as exc:
                    raise InvalidParameterValueException(str(exc)) from exc
            made = create(backend, spec)
            if queue is not None:
                queue.lambda_event_source_mappings.clear()
            return made

        @functools.wraps(update)
        def update_event_source_mapping(backend: LambdaBackend, uuid: str, spec: dict[str, Any]) -> Any:
            changed = update(backend, uuid, spec)
            if changed is not None:
                changed.function_name = spec.get("FunctionName", changed.function_name)
                changed.scaling_config = spec.get("ScalingConfig", changed.scaling_config)
                changed.function_response_types = spec.get("FunctionResponseTypes", changed.function_response_types)
            return changed

        LambdaBackend.create_event_source_mapping = create_event_source_mapping
        LambdaBackend.update_event_source_mapping = update_event_source_mapping
        self._deliveries.arrived = self.step

    def step(self) -> None:
        """Read every queue that a function waits for, as far as its concurrency allows."""
        for regions in list(lambda_backends.values()):
            for backend in list(regions.values()):
                for mapping in list(backend._event_source_mappings.values()):
                    if mapping.enabled:
                        self._read(backend, mapping)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no function works at a batch; False where that takes longer than `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: not any(self._busy.values()), timeout=seconds)

    def _read(self, backend: LambdaBackend, mapping: Any) -> None:
        queue = find_queue(mapping.event_source_arn)
        if queue is None or not _waits(queue):
            return
        concurrency = int((mapping.scaling_config or {}).get("MaximumConcurrency") or _DEFAULT_CONCURRENCY)
        while self._begin(mapping.uuid, concurrency):
            messages: list[Message] = []
            try:
                messages = self._receive(backend, mapping, queue)
            finally:
                if not messages:
                    self._end(mapping.uuid)
            if not messages:
                return
            threading.Thread(
                target=self._work,
                args=(mapping, _function_arn(backend, mapping.function_name), queue, messages),
                name=f"event-source-{queue.name}",
                daemon=True,
            ).start()

    def _receive(self, backend: LambdaBackend, mapping: Any, queue: Queue) -> list[Message]:
        function_arn = _function_arn(backend, mapping.function_name)
        try:
            check_role(backend.get_function(function_arn).role, function_arn, queue)
        except MissingPermissionError as exc:
            _logger.warning("%s does not read %s: %s", function_arn, queue.name, exc)
            return []
        sqs, size = sqs_backends[queue.account_id][queue.region], int(mapping.batch_size or _DEFAULT_BATCH)
        with self._reading:
            found: list[Message] = sqs.receive_message(queue.name, size, 0, int(queue.visibility_timeout), ["All"])
        return found

    def _work(self, mapping: Any, function_arn: str, queue: Queue, messages: list[Message]) -> None:
        try:
            payload = json.dumps({"Records": [_record(queue, message) for message in messages]}).encode()
            result = operation.invoke_function(function_arn, payload)
            failed = {message.id for message in messages}
            if not result.failed:
                failed = _failed_items(result.payload, mapping, failed)
            sqs = sqs_backends[queue.account_id][queue.region]
            with self._reading:
                for message in messages:
                    if message.id not in failed:
                        sqs.delete_message(queue.name, str(message.receipt_handle))
        except Exception:
            # Throttled, gone, too large: the messages become visible again by themselves.
            _logger.exception("%s did not get a batch of %s", function_arn, queue.name)
        finally:
            self._end(mapping.uuid)
            self.step()

    def _begin(self, mapping_id: str, concurrency: int) -> bool:
        with self._changed:
            if self._busy.get(mapping_id, 0) >= concurrency:
                return False
            self._busy[mapping_id] = self._busy.get(mapping_id, 0) + 1
            return True

    def _end(self, mapping_id: str) -> None:
        with self._changed:
            self._busy[mapping_id] -= 1
            self._changed.notify_all()


def _function_arn(backend: LambdaBackend, name: str) -> str:
    """The ARN of a function, version or alias. moto's own is that of the version an alias named when it was made."""
    if name.startswith("arn:"):
        return name
    partition, region = get_partition(backend.region_name), backend.region_name
    return f"arn:{partition}:lambda:{region}:{backend.account_id}:function:{name}"


def find_queue(arn: str) -> Queue | None:
    """The queue of an ARN; None for other sources and where it is gone."""
    parts = str(arn).split(":")
    if len(parts) != 6 or parts[2] != "sqs":
        return None
    return sqs_backends[parts[4]][parts[3]].queues.get(parts[5])


def check_role(role_arn: str, function_arn: str, queue: Queue) -> None:
    """Raise MissingPermissionError unless a function's role lets Lambda read the queue."""
    session = FunctionSession.without_key(role_arn, function_arn)
    for action in ACTIONS:
        call = Call(
            service="sqs",
            operation=action,
            protocol="",
            partition=get_partition(queue.region),
            region=queue.region,
            account=queue.account_id,
            parameters={},
            headers={},
        )
        try:
            authorize(session, queue_permissions(call, action, queue.queue_arn, queue), by_function=False)
        except (DeniedError, RoleGoneError, PolicyError, UndeterminedError) as exc:
            raise MissingPermissionError(
                f"The provided execution role does not have permissions to call {action} on SQS ({exc})"
            ) from exc


def _waits(queue: Queue) -> bool:
    """Whether a message is visible: a role's permission is asked for only where it counts."""
    return any(message.visible and not message.delayed for message in list(queue._messages))


def _record(queue: Queue, message: Message) -> dict[str, Any]:
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt_handle,
        "body": message.body,
        "attributes": {
            "ApproximateReceiveCount": str(message.approximate_receive_count),
            "SentTimestamp": str(message.sent_timestamp),
            "SenderId": message.sender_id,
            "ApproximateFirstReceiveTimestamp": str(message.approximate_first_receive_timestamp),
            **({"MessageGroupId": message.group_id} if message.group_id else {}),
        },
        "messageAttributes": {name: _attribute(value) for name, value in message.message_attributes.items()},
        "md5OfBody": message.body_md5,
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.queue_arn,
        "awsRegion": queue.region,
    }


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stringValue": value.get("string_value"),
        "dataType": value.get("data_type"),
        "stringListValues": [],
        "binaryListValues": [],
    }


def _failed_items(payload: bytes, mapping: Any, ids: set[str]) -> set[str]:
    """The messages that the function reports as failed; all of them where its report cannot be read."""
    if _PARTIAL not in (mapping.function_response_types or ()):
        return set()
    try:
        answer = json.loads(payload or b"null")
        items = (answer or {}).get("batchItemFailures") or []
        failed = {item["itemIdentifier"] for item in items}
    except (ValueError, TypeError, KeyError, AttributeError):
        return ids
    # An id that is not in the batch fails the batch.
    return failed if failed <= ids else ids


EVENT_SOURCES = EventSources(DELIVERIES)
