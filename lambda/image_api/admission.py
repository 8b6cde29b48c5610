"""Admission: a request that the endpoint cannot finish in time is refused at once, before it costs anything.

An execution environment of Lambda handles one request at a time, and knows nothing of the others. So what all of them
have under way is one number in the table: when the endpoint will have finished all that was admitted. A request adds
its own seconds to it, by one conditional write, if they end before its deadline; else it is refused with the time after
which it would be admitted. Nothing has to be taken back when an environment ends: time passes by itself.

How long an image takes is learned from the answers, for 50 steps at 1024x1024, and is kept with that number. A request
that finds the endpoint idle is always admitted, so a wrong estimate corrects itself. How many instances there are is
read from SageMaker where a request would be refused otherwise. Each is taken to draw one image at a time.

Where the table does not answer, or there is no estimate yet, every request is admitted. A model of Bedrock has no
instances: there its own throttling decides.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any, Protocol

import msgspec

from image_api.deadline import Deadline, TooMuchGivenUpError
from image_api.errors import ImageApiError, ModelTimeoutError, ThrottledError
from image_api.records import ConditionError, RecordError, Table
from image_api.request import MAX_PIXELS, GenerationRequest

# For each call of the table: longer, and it costs more than it saves.
_TABLE_SECONDS = 0.5
_TRIES = 4
_STATE_SECONDS = 24 * 60 * 60
# Before the first image: what a recent GPU takes. Rather too little, so that nothing is refused in error.
_FIRST_ESTIMATE_MS = 3_000.0
_REFERENCE_STEPS = 50
# What any image takes of that, however small: the text encoders, the answer's way, a GPU that is not filled.
_LEAST_SHARE = 0.25
# How much of what an answer says goes into the estimate, and the estimate's bounds.
_LEARNING = 0.3
_LEAST_MS, _MOST_MS = 20.0, 120_000.0
# What counts as drawn when expected.
_TOLERANCE = 0.1


class OverloadedError(ThrottledError):
    """The endpoint has more to do than it can finish before this request's deadline."""


class Instances(Protocol):
    """Where the number of the endpoint's instances is read."""

    def instances(self) -> int:
        """How many there are; the last known number, or 1, where SageMaker does not answer."""


class Ticket(msgspec.Struct, frozen=True):
    """What a request was admitted with, in milliseconds: its own time, when it is due (of the epoch), the estimate."""

    cost_ms: int
    due_ms: int
    estimate_ms: float


class _State(msgspec.Struct, frozen=True):
    free_at_ms: int = 0
    estimate_ms: float = _FIRST_ESTIMATE_MS


class Admission:
    """Who may call the model now; `table` is None where everyone may. `now` is in seconds of the epoch."""

    def __init__(
        self, *, table: Table | None, endpoint_name: str, instances: Instances, now: Callable[[], float] = time.time
    ) -> None:
        self._table = table
        self._key = {"id": {"S": f"admission#{endpoint_name}"}}
        self._instances = instances
        self._now = now
        self._known: _State | None = None
        self._capacity = 1

    @contextmanager
    def admitted(self, request: GenerationRequest, samples: int, deadline: Deadline) -> Iterator[None]:
        """Let the work inside call the model for `samples` images, if they can be there by `deadline`.

        Raises:
            OverloadedError: they cannot; the model was not called.
        """
        ticket = None if self._table is None or not samples else self._admit(self._table, request, samples, deadline)
        if ticket is None or self._table is None:
            yield
            return
        started = self._now()
        try:
            yield
        except ModelTimeoutError:
            self._settle(self._table, ticket, started)
            raise
        except ImageApiError:
            # The model did not draw: its time is free for others.
            self._correct(self._table, -ticket.cost_ms, ticket.estimate_ms)
            raise
        self._settle(self._table, ticket, started)

    def _admit(self, table: Table, request: GenerationRequest, samples: int, deadline: Deadline) -> Ticket | None:
        share = _share(request)
        try:
            state = self._read(table) if self._known is None else self._known
            for is_last in (False, True):
                cost = max(1, round(state.estimate_ms * share * samples / self._capacity))
                latest = int((self._now() + deadline.remaining_seconds()) * 1000) - cost
                if (ticket := self._take(table, cost, latest)) is not None:
                    return ticket
                seen = self._known or state
                # What was known of the endpoint may be old: it is looked at again before anyone is refused.
                if is_last or not (self._instances_changed() or seen.estimate_ms != state.estimate_ms):
                    break
                state = seen
        except (RecordError, TooMuchGivenUpError):
            return None
        wait = max(1, math.ceil((seen.free_at_ms - latest) / 1000))
        raise OverloadedError(
            "The model has more requests than it can finish in time, so this one was not begun and costs nothing. "
            f"Try again in {wait} seconds.",
            retry_after_seconds=wait,
        )

    def _take(self, table: Table, cost: int, latest: int) -> Ticket | None:
        """Add `cost` to what the endpoint has to do, if it is done with that by `latest`."""
        for _ in range(_TRIES):
            now = int(self._now() * 1000)
            values = {":now": now, ":cost": cost, ":latest": max(latest, now)}
            with suppress(ConditionError):
                return self._write(
                    table, "SET free_at = free_at + :cost", "free_at BETWEEN :now AND :latest", values, cost
                )
            if self._known is not None and self._known.free_at_ms >= now:
                return None
            # Idle, whatever the estimate says: so a wrong one is found out.
            values = {":now": now, ":done": now + cost}
            with suppress(ConditionError):
                return self._write(
                    table, "SET free_at = :done", "attribute_not_exists(free_at) OR free_at < :now", values, cost
                )
        return None

    def _settle(self, table: Table, ticket: Ticket, started: float) -> None:
        """Learn from when the work was done: later requests wait for as much more or less."""
        late = round(self._now() * 1000) - ticket.due_ms
        expected = max(1.0, ticket.due_ms - started * 1000)
        # Of those that wait in a row each sees the same delay; together they correct it once.
        share = min(1.0, ticket.cost_ms / expected)
        if abs(late) < _TOLERANCE * ticket.cost_ms:
            return
        ratio = min(10.0, max(0.05, (expected + late) / expected))
        weight = _LEARNING + (1 - _LEARNING) * (share if share > 1 - _TOLERANCE else 0)
        estimate = ticket.estimate_ms * (1 + weight * (ratio - 1))
        self._correct(table, round(late * share), estimate)

    def _correct(self, table: Table, milliseconds: int, estimate: float) -> None:
        estimate = min(_MOST_MS, max(_LEAST_MS, estimate))
        try:
            answer = table.call(
                "update_item",
                Deadline(_TABLE_SECONDS),
                Key=self._key,
                UpdateExpression="SET free_at = free_at + :more, estimate = :estimate",
                ConditionExpression="attribute_exists(free_at)",
                ExpressionAttributeValues={
                    ":more": {"N": str(milliseconds)},
                    ":estimate": {"N": f"{estimate:.3f}"},
                },
                ReturnValues="ALL_NEW",
            )
            self._known = _state(answer.get("Attributes") or {})
        except (RecordError, ConditionError, TooMuchGivenUpError):
            # An estimate is not worth an answer.
            self._known = None

    def _read(self, table: Table) -> _State:
        answer = table.call("get_item", Deadline(_TABLE_SECONDS), Key=self._key)
        self._known = _state(answer.get("Item") or {})
        return self._known

    def _write(self, table: Table, update: str, condition: str, values: dict[str, int], cost: int) -> Ticket:
        """Write the state under a condition, and learn it in either case; raises ConditionError."""
        expires = int(self._now()) + _STATE_SECONDS
        try:
            answer = table.call(
                "update_item",
                Deadline(_TABLE_SECONDS),
                Key=self._key,
                UpdateExpression=f"{update}, expiration = :expires",
                ConditionExpression=condition,
                ExpressionAttributeValues={
                    name: {"N": str(value)} for name, value in {**values, ":expires": expires}.items()
                },
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionError as exc:
            self._known = _state(exc.item)
            raise
        self._known = state = _state(answer.get("Attributes") or {})
        return Ticket(cost_ms=cost, due_ms=state.free_at_ms, estimate_ms=state.estimate_ms)

    def _instances_changed(self) -> bool:
        """Read how many instances there are; whether that is another number than was known."""
        found = max(1, self._instances.instances())
        changed, self._capacity = found != self._capacity, found
        return changed


def _share(request: GenerationRequest) -> float:
    """What one image of `request` takes of the time of one with 50 steps at 1024x1024."""
    work = request.steps * request.width * request.height / (_REFERENCE_STEPS * MAX_PIXELS)
    return _LEAST_SHARE + (1 - _LEAST_SHARE) * work


def _state(item: Any) -> _State:
    try:
        return _State(
            free_at_ms=int(float(item["free_at"]["N"])) if "free_at" in item else 0,
            estimate_ms=float(item["estimate"]["N"]) if "estimate" in item else _FIRST_ESTIMATE_MS,
        )
    except (KeyError, ValueError, TypeError) as exc:
        raise RecordError("the table holds an estimate that cannot be read") from exc
