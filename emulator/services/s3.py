"""S3 as moto lacks it: the conditions of bucket policies, and logging whose target's policy comes later."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from fnmatch import fnmatchcase
from typing import Any

from moto.s3.models import FakeBucket

REQUEST_CONTEXT = {"aws:securetransport": "true"}
"""What is known of every request. Traffic on this machine stands for TLS."""


def install() -> None:
    """Mend moto's S3."""
    FakeBucket.get_permission = _get_permission
    # S3 does not look at the target's policy when logging is set; a stack sets it before the policy exists.
    FakeBucket._log_permissions_enabled_policy = staticmethod(lambda **_: True)


def _get_permission(self: FakeBucket, action: str, resource: str) -> Any:
    from moto.iam.access_control import IAMPolicy, PermissionResult  # noqa: PLC0415 - as moto does, when there is a policy

    if self.policy is None:
        return PermissionResult.NEUTRAL
    document = json.loads(self.policy)
    statements = document["Statement"]
    applying = [
        {key: value for key, value in statement.items() if key != "Condition"}
        for statement in (statements if isinstance(statements, list) else [statements])
        if _concerns_callers(statement) and conditions_hold(statement.get("Condition", {}), REQUEST_CONTEXT)
    ]
    return IAMPolicy(json.dumps({**document, "Statement": applying})).is_action_permitted(action, resource)


def _concerns_callers(statement: Mapping[str, Any]) -> bool:
    """Whether a statement is about the callers of the API: services of AWS do not call it here."""
    principal = statement.get("Principal")
    return not (isinstance(principal, dict) and set(principal) == {"Service"})


def conditions_hold(conditions: Mapping[str, Mapping[str, Any]], context: Mapping[str, str]) -> bool:
    """Whether every condition of a policy statement holds.

    As IAM has it, a condition on a key that the request does not have fails, unless its operator is a negation or ends
    in IfExists. Raises ValueError for an operator that is not emulated.
    """
    return all(
        _holds(operator, context.get(key.lower()), values if isinstance(values, list) else [values])
        for operator, keys in conditions.items()
        for key, values in keys.items()
    )


def _holds(operator: str, actual: str | None, expected: list[Any]) -> bool:
    name = operator.rpartition(":")[2]
    if name == "Null":
        return (actual is None) == (str(expected[0]).lower() == "true")
    if_exists, name = name.endswith("IfExists"), name.removesuffix("IfExists")
    negated, base = "Not" in name, name.replace("Not", "")
    if base not in _COMPARISONS:
        message = f"condition operator {operator} of a bucket policy is not emulated: use {', '.join(_COMPARISONS)}"
        raise ValueError(message)
    if actual is None:
        return negated or if_exists
    return any(_COMPARISONS[base](actual, str(value)) for value in expected) != negated


_COMPARISONS: dict[str, Callable[[str, str], bool]] = {
    "ArnEquals": fnmatchcase,
    "ArnLike": fnmatchcase,
    "Bool": lambda actual, expected: actual.lower() == expected.lower(),
    "NumericEquals": lambda actual, expected: float(actual) == float(expected),
    "NumericGreaterThan": lambda actual, expected: float(actual) > float(expected),
    "NumericLessThan": lambda actual, expected: float(actual) < float(expected),
    "StringEquals": lambda actual, expected: actual == expected,
    "StringEqualsIgnoreCase": lambda actual, expected: actual.lower() == expected.lower(),
    "StringLike": fnmatchcase,
}
