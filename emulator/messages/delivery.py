"""What happens to a message on its way into a queue: the policies that let it in, and faults that tests switch on.

`PUT /_emulator/messages` switches one fault on, in the place of any other; `GET` shows it, `DELETE` ends it:
`{"fault": "duplicate", "queue": "jobs", "times": 1, "seconds": 30}`. SQS and SNS promise at least one delivery, in no
order: `duplicate`, `reorder` and `delay` are what may happen on AWS. `drop` is what must not make a program lose work.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from copy import deepcopy
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from moto.kms.models import kms_backends
from moto.sns.models import Subscription
from moto.sqs import models as sqs_models
from moto.sqs.models import Message, Queue, sqs_backends
from werkzeug.wrappers import Request, Response

from emulator.faults import FaultError, checked_fields
from emulator.iam.operations.messages import queue_policy
from emulator.iam.patterns import PolicyError
from emulator.iam.service_use import allows_service
from emulator.monitoring import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

SNS = "sns.amazonaws.com"

_logger = logging.getLogger(__name__)


class MessageFaultKind(StrEnum):
    """What happens to a message that is sent to a queue."""

    DROP = "drop"
    """It never arrives."""
    DUPLICATE = "duplicate"
    """It arrives twice, with one message id."""
    DELAY = "delay"
    """It becomes visible after `seconds`."""
    REORDER = "reorder"
    """It arrives after the next message of its queue, or after `seconds` where none comes."""


@dataclass(frozen=True)
class MessageFault:
    """One fault. `queue`, a queue's name, None means all; `times` None means until it is deleted."""

    fault: MessageFaultKind
    queue: str | None = None
    times: int | None = None
    seconds: float = 30.0


_TYPES: dict[str, tuple[type, ...]] = {
    "fault": (str,),
    "queue": (str, type(None)),
    "times": (int, type(None)),
    "seconds": (int, float),
}


def parse_message_fault(described: object) -> MessageFault:
    """The fault that a JSON object describes; raises FaultError."""
    fields = checked_fields(described, _TYPES, MessageFaultKind)
    fault = MessageFault(**{**fields, "fault": MessageFaultKind(fields["fault"])})
    if not 0 <= fault.seconds <= sqs_models.MAXIMUM_MESSAGE_DELAY:
        limit = sqs_models.MAXIMUM_MESSAGE_DELAY
        raise FaultError(f"seconds must be from 0 to {limit}, not {fault.seconds:g}")
    return fault


class Deliveries:
    """The fault that is switched on, the messages that it holds back, and who wants to hear of arrivals."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._fault: MessageFault | None = None
        self._left: int | None = None
        # By queue: the message that waits for the next one, and until when.
        self._held: dict[Queue, tuple[Message, float]] = {}
        self._add: Callable[[Queue, Message], None] | None = None
        self.arrived: Callable[[], None] = lambda: None

    def install(self) -> None:
        """Stand before moto's queues and subscriptions, and let messages wait by the emulator's clock."""
        if hasattr(Queue, "delivers"):
            return
        Queue.delivers = True
        self._add = Queue.add_message
        deliveries, publish = self, Subscription.publish

        def add_message(self: Queue, message: Message) -> None:
            deliveries.deliver(self, message)

        def publish_if_allowed(self: Subscription, *arguments: Any, **named: Any) -> None:
            if self.protocol != "sqs" or _lets_in(self):
                publish(self, *arguments, **named)

        Queue.add_message = add_message
        Subscription.publish = publish_if_allowed
        sqs_models.unix_time = clock.unix_time
        sqs_models.unix_time_millis = lambda: clock.unix_time() * 1000

    def put(self, fault: MessageFault) -> None:
        """Switch a fault on, in place of any other."""
        with self._lock:
            self._fault, self._left = fault, fault.times

    def clear(self) -> None:
        """Switch the fault off; what it holds back arrives."""
        with self._lock:
            self._fault = self._left = None
        self.release(everything=True)

    def current(self) -> tuple[MessageFault, int | None] | None:
        """The fault that is switched on and how many times are left, or None."""
        with self._lock:
            return (self._fault, self._left) if self._fault else None

    def deliver(self, queue: Queue, message: Message) -> None:
        """Put a message into its queue, as the fault says."""
        with self._lock:
            fault = self._take(queue)
            held = self._held.pop(queue, None)
            match fault.fault if fault else None:
                case MessageFaultKind.DROP:
                    pass
                case MessageFaultKind.REORDER:
                    assert fault is not None  # noqa: S101 - it has a kind
                    self._held[queue] = (message, clock.unix_time() + fault.seconds)
                case MessageFaultKind.DELAY:
                    assert fault is not None  # noqa: S101 - it has a kind
                    message.delay(int(fault.seconds))
                    self._arrive(queue, message)
                case MessageFaultKind.DUPLICATE:
                    twin = deepcopy(message)
                    self._arrive(queue, message)
                    self._arrive(queue, twin)
                case None:
                    self._arrive(queue, message)
            if held is not None:
                self._arrive(queue, held[0])
        self.arrived()

    def release(self, *, everything: bool = False) -> None:
        """Let arrive what was held back for as long as its fault says."""
        with self._lock:
            for queue, (message, until) in list(self._held.items()):
                if everything or until <= clock.unix_time():
                    del self._held[queue]
                    self._arrive(queue, message)
        self.arrived()

    def _take(self, queue: Queue) -> MessageFault | None:
        fault = self._fault
        if fault is None or fault.queue not in {None, queue.name}:
            return None
        if self._left is not None:
            self._left -= 1
            if self._left == 0:
                self._fault = self._left = None
        return fault

    def _arrive(self, queue: Queue, message: Message) -> None:
        assert self._add is not None  # noqa: S101 - installed
        self._add(queue, message)


DELIVERIES = Deliveries()


def _lets_in(subscription: Subscription) -> bool:
    """Whether queue and key let SNS deliver. Where they do not, nothing arrives and nobody hears of it, as on AWS."""
    arn, topic = str(subscription.endpoint), str(subscription.topic.arn)
    _, _, _, region, account, name = arn.split(":")
    queue = sqs_backends[account][region].queues.get(name)
    if queue is None:
        return False
    document = queue_policy(queue)
    try:
        if document is None or not allows_service(
            document, SNS, "sqs:SendMessage", arn, account=account, source_arn=topic
        ):
            _logger.warning("the policy of queue %s does not let %s send", name, topic)
            return False
        key_id = str(queue.kms_master_key_id or "").rpartition("/")[2]
        key = kms_backends[account][region].keys.get(key_id)
        if key is not None and not all(
            allows_service(key.policy, SNS, action, key.arn, account=account, source_arn=topic)
            for action in ("kms:GenerateDataKey", "kms:Decrypt")
        ):
            _logger.warning("the policy of key %s does not let SNS encrypt for queue %s", key_id, name)
            return False
    except PolicyError as exc:
        _logger.warning("%s does not deliver to queue %s: %s", topic, name, exc)
        return False
    return True


def create_messages_app(deliveries: Deliveries = DELIVERIES) -> WSGIApplication:
    """The WSGI application behind `/_emulator/messages`."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(Request(environ), deliveries)(environ, start_response)

    return application


def _answer(request: Request, deliveries: Deliveries) -> Response:
    if request.method == "PUT":
        try:
            deliveries.put(parse_message_fault(json.loads(request.get_data())))
        except ValueError as exc:
            return _json(400, {"message": str(exc)})
    elif request.method == "DELETE":
        deliveries.clear()
    elif request.method != "GET":
        return _json(405, {"message": f"{request.method} is not allowed: use PUT, GET or DELETE"})
    current = deliveries.current()
    return _json(200, {} if current is None else {**asdict(current[0]), "times_left": current[1]})


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")
