"""DynamoDB: which actions a call needs, on the table or the index, and of the key that encrypts the table.

Source: Amazon DynamoDB Developer Guide, "DynamoDB encryption at rest: how it works", section "Monitoring DynamoDB
interaction with AWS KMS": reading and writing decrypts the table key as the caller. The table's other uses of the key
are made as its creator (CreateGrant) or as DynamoDB itself (GenerateDataKey). DynamoDB keeps a decrypted table key for
five minutes; here each call needs the permission.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from moto.dynamodb.models import dynamodb_backends

from emulator.iam.evaluation import Permission
from emulator.iam.operations.keys import implied
from emulator.iam.requests import Call, UndeterminedError

_ITEM_OPERATIONS = frozenset({"DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"})
_BATCHES = frozenset({"BatchGetItem", "BatchWriteItem"})
_TRANSACTED = {
    "Get": "GetItem",
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
}


def permissions(call: Call) -> Iterator[Permission]:
    """What a call of DynamoDB needs."""
    if call.operation in _ITEM_OPERATIONS:
        index = call.parameters.get("IndexName")
        yield from _on_table(call, call.operation, call.parameter("TableName"), f"/index/{index}" if index else "")
    elif call.operation in _BATCHES:
        for table in _mapping(call.parameters.get("RequestItems")):
            yield from _on_table(call, call.operation, table)
    elif call.operation in {"TransactGetItems", "TransactWriteItems"}:
        for item in call.parameters.get("TransactItems") or ():
            for kind, part in item.items():
                yield from _on_table(call, _TRANSACTED[kind], str(part["TableName"]))
    elif call.operation == "DescribeTable":
        yield Permission("dynamodb:DescribeTable", _table_arn(call, call.parameter("TableName")))
    else:
        known = ", ".join(sorted({*_ITEM_OPERATIONS, *_BATCHES, "DescribeTable", "TransactGetItems"}))
        raise UndeterminedError(f"DynamoDB {call.operation} is not evaluated: {known} and TransactWriteItems are")


def _on_table(call: Call, action: str, table: str, part: str = "") -> Iterator[Permission]:
    arn = _table_arn(call, table)
    name = arn.rpartition("/")[2]
    yield Permission(f"dynamodb:{action}", arn + part)
    context = {"aws:dynamodb:tableName": name, "aws:dynamodb:subscriberId": call.account}
    yield from implied(call, ("kms:Decrypt",), _key_id(call, name), via="dynamodb", encryption_context=context)


def _table_arn(call: Call, table: str) -> str:
    return call.in_own_account(table) if table.startswith("arn:") else call.arn("dynamodb", f"table/{table}")


def _key_id(call: Call, table: str) -> str | None:
    """The account's key that encrypts a table; None for DynamoDB's own, the default, which needs no permission."""
    found = dynamodb_backends[call.account][call.region].tables.get(table)
    specification: dict[str, Any] = (found and found.sse_specification) or {}
    return specification.get("KMSMasterKeyId") if specification.get("Enabled") else None


def _mapping(value: object) -> Iterable[str]:
    return value if isinstance(value, dict) else ()
