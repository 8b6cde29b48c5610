"""A fake of the table of records, in memory, with the faults of a table that cannot be reached."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Literal

import msgspec
from image_api.deadline import Deadline
from image_api.records import ConditionError, Record, RecordError, Records, Table, Work


class FakeRecords(Records):
    """Records by id.

    `fails_on` names the operations that take no effect; `loses_answer_of` those that take effect and whose answer does
    not come.
    """

    def __init__(self, now: Callable[[], float] = time.time) -> None:
        super().__init__(Table("none"), now=now)
        self.items: dict[str, Record] = {}
        self.fails_on: set[str] = set()
        self.loses_answer_of: set[str] = set()

    def begin(self, record: Record, deadline: Deadline) -> Record:
        self._check("begin")
        held = self.items.get(record.id)
        if held is not None and held.expires >= self._now() and held.token != record.token:
            return held
        self.items[record.id] = record
        self._answer("begin")
        return record

    def take_over(self, held: Record, token: str, lease_ends: int, deadline: Deadline) -> Record | None:
        self._check("take_over")
        if self.items[held.id] != held:
            return None
        self.items[held.id] = msgspec.structs.replace(held, token=token, lease_ends=lease_ends, status="running")
        self._answer("take_over")
        return self.items[held.id]

    def end(self, record: Record, status: Literal["open", "succeeded"], work: Work, deadline: Deadline) -> None:
        self._check("end")
        self._hold(record)
        self.items[record.id] = msgspec.structs.replace(record, status=status, lease_ends=0, work=work)
        self._answer("end")

    def remove(self, record: Record, deadline: Deadline) -> None:
        self._check("remove")
        self._hold(record)
        del self.items[record.id]
        self._answer("remove")

    def _hold(self, record: Record) -> None:
        held: Any = self.items.get(record.id)
        if held is None or held.token != record.token:
            raise ConditionError({})

    def _check(self, operation: str) -> None:
        if operation in self.fails_on:
            raise RecordError(f"{operation}: the table cannot be reached at 10.0.0.1")

    def _answer(self, operation: str) -> None:
        if operation in self.loses_answer_of:
            raise RecordError(f"{operation}: no answer from 10.0.0.1")
