"""A fake of the idempotency table: Powertools' persistence layer in memory."""

from __future__ import annotations

import time
from typing import Any

from aws_lambda_powertools.utilities.idempotency.exceptions import (
    IdempotencyItemAlreadyExistsError,
    IdempotencyItemNotFoundError,
)
from aws_lambda_powertools.utilities.idempotency.persistence.base import BasePersistenceLayer
from aws_lambda_powertools.utilities.idempotency.persistence.datarecord import DataRecord


class FakeRecords(BasePersistenceLayer):
    """Records by id. `fails_on` names the operations that raise as an unreachable table does."""

    def __init__(self) -> None:
        super().__init__()
        self.items: dict[str, DataRecord] = {}
        self.fails_on: set[str] = set()

    def _get_record(self, idempotency_key: str) -> DataRecord:
        self._check("get")
        if idempotency_key not in self.items:
            raise IdempotencyItemNotFoundError
        return self.items[idempotency_key]

    def _put_record(self, data_record: DataRecord) -> None:
        self._check("put")
        held: Any = self.items.get(data_record.idempotency_key)
        if held is not None and not self._has_ended(held):
            self._validate_payload(data_record, held)
            raise IdempotencyItemAlreadyExistsError(old_data_record=held)
        self.items[data_record.idempotency_key] = data_record

    def _update_record(self, data_record: DataRecord) -> None:
        self._check("update")
        self.items[data_record.idempotency_key] = data_record

    def _delete_record(self, data_record: DataRecord) -> None:
        self._check("delete")
        del self.items[data_record.idempotency_key]

    def _check(self, operation: str) -> None:
        if operation in self.fails_on:
            raise ConnectionError(f"{operation}: the table cannot be reached at 10.0.0.1")

    @staticmethod
    def _has_ended(record: DataRecord) -> bool:
        in_progress_until = record.in_progress_expiry_timestamp
        return record.is_expired or (
            record.status == "INPROGRESS" and in_progress_until is not None and in_progress_until < time.time() * 1000
        )
