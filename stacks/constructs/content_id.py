"""Logical ids that change with content, for resources that AWS takes a snapshot into only when they are new."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

import aws_cdk as cdk

# How the CDK writes, within text, what is known only later: "${Token[...]}", and "#{Token[...]}" for lists.
_TOKEN = "Token["  # noqa: S105 - no secret


@dataclass(frozen=True)
class _SetAside:
    """Stands for the value of this number among those that only the CDK's engine can resolve."""

    number: int


def rename_with_content(resource: cdk.CfnResource, *content: object) -> None:
    """Append a hash of `content` to the logical id of `resource`, so that a change of content makes a new resource.

    References between resources count by logical id. The construct's own id stays as it is.
    """
    stack = cdk.Stack.of(resource)
    logical_id = stack.get_logical_id(resource)
    resource.override_logical_id(f"{logical_id}{content_hash(stack, list(content))}")


def content_hash(stack: cdk.Stack, content: object) -> str:
    """16 hexadecimal digits of the hash of `content` as `stack` resolves it.

    Only what may hold tokens goes through the CDK's engine: an API's routes are many, nearly all of them plain text.
    """
    aside: list[object] = []
    plain = _set_aside(content, aside)
    resolved = stack.resolve(aside) if aside else []
    text = json.dumps(plain, sort_keys=True, default=lambda value: resolved[value.number])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _set_aside(value: Any, aside: list[object]) -> object:
    """`value` with each part that may hold tokens moved to `aside`; `None` is left out of mappings, as the CDK does."""
    if isinstance(value, dict) and not any(_TOKEN in key for key in value):
        return {key: _set_aside(item, aside) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_set_aside(item, aside) for item in value]
    # Not float: the CDK's tokens for numbers are such.
    if value is None or isinstance(value, bool | int) or (isinstance(value, str) and _TOKEN not in value):
        return value
    if value not in aside:
        aside.append(value)
    return _SetAside(aside.index(value))
