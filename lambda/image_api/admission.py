"""Admission: a request that the endpoint cannot finish in time is refused at once, before it costs anything.

An execution environment of Lambda handles one request at a time, and knows nothing of the others. So what all of them
have under way is one number in the table: when the endpoint will have finished all that was admitted. A request adds
its own seconds to it, by one conditional write, if they end before its deadline; else it is refused with the time after
which it would be admitted. Nothing has to be released when an environment ends: time passes by itself.

How long an image takes is learned from the answers, for 50 steps at 1024x1024, and is kept with that number. A request
that finds the endpoint idle is always admitted, so a wrong estimate corrects itself. How many instances there are is
read from SageMaker each minute, and before a request is refused. Each is taken to draw one image at a time.

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

# How old the number of instances may be: for an estimate, and for a refusal.
_KNOWN_SECONDS, _REFUSING_SECONDS = 60.0, 15.0
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
    alone_ms: int
    due_ms: int
    estimate_ms: float


class _State(msgspec.Struct, frozen=True):
    free_at_ms: int = 0
    estimate_ms: float = _FIRST_ESTIMATE_MS
    # How many there were when SageMaker was last asked, and when that was.
    instances: int = 1
    asked_ms: int = 0


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
            with suppress(RecordError, ConditionError, TooMuchGivenUpError):
                self._free(self._table, -ticket.cost_ms)
            raise
        self._settle(self._table, ticket, started)

    def _admit(self, table: Table, request: GenerationRequest, samples: int, deadline: Deadline) -> Ticket | None:
        share = _share(request)
        try:
            known = self._fresh(self._known or self._read(table), _KNOWN_SECONDS)
            for is_last in (False, True):
                # What it takes of the endpoint, whose instances share the work, and how long it takes by itself.
                cost = max(1, round(known.estimate_ms * share * samples / known.instances))
                alone = max(1, round(known.estimate_ms * share * math.ceil(samples / known.instances)))
                latest = int((self._now() + deadline.remaining_seconds()) * 1000) - alone
                taken, seen = self._take(table, known, cost, latest)
                if taken:
                    return Ticket(
                        cost_ms=cost,
                        alone_ms=alone,
                        due_ms=seen.free_at_ms - cost + alone,
                        estimate_ms=seen.estimate_ms,
                    )
                # What was known may be old: it is looked at again before anyone is refused.
                again = self._fresh(seen, _REFUSING_SECONDS)
                if is_last or (again.instances, again.estimate_ms) == (known.instances, known.estimate_ms):
                    break
                known = again
        except (RecordError, TooMuchGivenUpError):
            return None
        wait = max(1, math.ceil((seen.free_at_ms - latest) / 1000))
        raise OverloadedError(
            "The model has more requests than it can finish in time, so this one was not begun and costs nothing. "
            f"Try again in {wait} seconds.",
            retry_after_seconds=wait,
        )

    def _take(self, table: Table, known: _State, cost: int, latest: int) -> tuple[bool, _State]:
        """Add `cost` to the endpoint's work, if it is done with the rest by `latest`; whether it was, and the state."""
        seen = known
        for _ in range(_TRIES):
            now = int(self._now() * 1000)
            values = {":now": now, ":cost": cost, ":latest": max(latest, now)}
            taken, seen = self._write(
                table, "SET free_at = free_at + :cost", "free_at BETWEEN :now AND :latest", values, known
            )
            if taken or seen.free_at_ms >= now:
                return taken, seen
            # Idle, whatever the estimate says: so a wrong one is found out.
            values = {":now": now, ":done": now + cost}
            taken, seen = self._write(
                table, "SET free_at = :done", "attribute_not_exists(free_at) OR free_at < :now", values, known
            )
            if taken:
                return True, seen
        return False, seen

    def _settle(self, table: Table, ticket: Ticket, started: float) -> None:
        """Learn from when the work was done: later requests wait for as much more or less."""
        late = round(self._now() * 1000) - ticket.due_ms
        expected = max(1.0, ticket.due_ms - started * 1000)
        # Instances take whole images: with several, one is done up to an image's time before its share says so.
        if abs(late) <= _TOLERANCE * ticket.cost_ms + ticket.alone_ms - ticket.cost_ms:
            return
        ratio = min(10.0, max(0.05, (expected + late) / expected))
        # Who waited for nobody has measured an image; who waited in a row has measured those before it, too.
        weight = 1.0 if expected <= ticket.alone_ms * (1 + _TOLERANCE) else _LEARNING
        learned = min(_MOST_MS, max(_LEAST_MS, ticket.estimate_ms * (1 + weight * (ratio - 1))))
        try:
            state = self._change(
                table,
                "SET estimate = :learned",
                "attribute_exists(free_at) AND (attribute_not_exists(estimate) OR estimate = :known)",
                {":learned": f"{learned:.3f}", ":known": f"{ticket.estimate_ms:.3f}"},
            )
            # What was admitted after this request takes as much more or less, and begins as late.
            behind = max(0, state.free_at_ms - (ticket.due_ms - ticket.alone_ms + ticket.cost_ms))
            self._free(table, round(late + behind * (learned / ticket.estimate_ms - 1)))
        except ConditionError:
            # Another request has learned the same, for all that were admitted under one estimate.
            self._known = None
        except (RecordError, TooMuchGivenUpError):
            # An estimate is not worth an answer.
            self._known = None

    def _free(self, table: Table, milliseconds: int) -> None:
        """Move the time at which the endpoint is free."""
        self._change(table, "SET free_at = free_at + :more", "attribute_exists(free_at)", {":more": str(milliseconds)})

    def _change(self, table: Table, update: str, condition: str, values: dict[str, str]) -> _State:
        answer = table.call(
            "update_item",
            Deadline(_TABLE_SECONDS),
            Key=self._key,
            UpdateExpression=update,
            ConditionExpression=condition,
            ExpressionAttributeValues={name: {"N": value} for name, value in values.items()},
            ReturnValues="ALL_NEW",
        )
        self._known = _state(answer.get("Attributes") or {})
        return self._known

    def _read(self, table: Table) -> _State:
        answer = table.call("get_item", Deadline(_TABLE_SECONDS), Key=self._key)
        self._known = _state(answer.get("Item") or {})
        return self._known

    def _write(
        self, table: Table, update: str, condition: str, values: dict[str, int], known: _State
    ) -> tuple[bool, _State]:
        """Write under a condition; whether it held, and the state after or without that."""
        more = {
            ":instances": known.instances,
            ":asked": known.asked_ms,
            ":expires": int(self._now()) + _STATE_SECONDS,
        }
        try:
            answer = table.call(
                "update_item",
                Deadline(_TABLE_SECONDS),
                Key=self._key,
                UpdateExpression=f"{update}, instances = :instances, asked = :asked, expiration = :expires",
                ConditionExpression=condition,
                ExpressionAttributeValues={name: {"N": str(value)} for name, value in {**values, **more}.items()},
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ConditionError as exc:
            self._known = _state(exc.item)
            return False, self._known
        self._known = _state(answer.get("Attributes") or {})
        return True, self._known

    def _fresh(self, state: _State, seconds: float) -> _State:
        """`state` with the number of instances as SageMaker says it, unless it was asked less than `seconds` ago."""
        now = int(self._now() * 1000)
        if now - state.asked_ms < seconds * 1000:
            return state
        return msgspec.structs.replace(state, instances=max(1, self._instances.instances()), asked_ms=now)


def _share(request: GenerationRequest) -> float:
    """What one image of `request` takes of the time of one with 50 steps at 1024x1024."""
    work = request.steps * request.width * request.height / (_REFERENCE_STEPS * MAX_PIXELS)
    return _LEAST_SHARE + (1 - _LEAST_SHARE) * work


def _state(item: Any) -> _State:
    try:
        return _State(
            free_at_ms=int(float(item["free_at"]["N"])) if "free_at" in item else 0,
            estimate_ms=float(item["estimate"]["N"]) if "estimate" in item else _FIRST_ESTIMATE_MS,
            instances=int(item["instances"]["N"]) if "instances" in item else 1,
            asked_ms=int(item["asked"]["N"]) if "asked" in item else 0,
        )
    except (KeyError, ValueError, TypeError) as exc:
        raise RecordError("the table holds an estimate that cannot be read") from exc
