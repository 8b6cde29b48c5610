"""Statements of IAM policies, as data: each object of the CDK's own is a call into its engine, and there are dozens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

# As IAM writes it: Effect, Action, Resource, Condition.
Statement = dict[str, Any]


def allow(
    actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Mapping[str, Any]] | None = None
) -> Statement:
    """Allow `actions` on `resources`, where `conditions` hold: operator to key to value or values."""
    return _statement("Allow", actions, resources, conditions)


def deny(
    actions: Sequence[str], resources: Sequence[str], conditions: Mapping[str, Mapping[str, Any]] | None = None
) -> Statement:
    """Deny `actions` on `resources`, where `conditions` hold, whatever else allows them."""
    return _statement("Deny", actions, resources, conditions)


def _statement(
    effect: str,
    actions: Sequence[str],
    resources: Sequence[str],
    conditions: Mapping[str, Mapping[str, Any]] | None,
) -> Statement:
    statement: Statement = {"Effect": effect, "Action": _one_or_many(actions), "Resource": _one_or_many(resources)}
    if conditions:
        statement["Condition"] = {operator: dict(keys) for operator, keys in conditions.items()}
    return statement


def _one_or_many(values: Sequence[str]) -> str | list[str]:
    """As IAM's own documents and the CDK's have it."""
    return values[0] if len(values) == 1 else list(values)


def resources_of(statement: Statement) -> list[str]:
    """What a statement is about."""
    found = statement["Resource"]
    return [found] if isinstance(found, str) else list(found)
