"""Whether policies let a caller invoke a method: those that authorizers return, and those of IAM."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from emulator.services.s3 import conditions_hold

ACTION = "execute-api:Invoke"


class Decision(Enum):
    """What a set of policies says of one call."""

    ALLOWED = "allowed"
    DENIED = "explicitly denied"
    NEITHER = "not mentioned"


class PolicyError(ValueError):
    """A policy document that cannot be read."""


def decide(documents: Iterable[Mapping[str, Any] | str], resource: str, conditions: Mapping[str, str]) -> Decision:
    """What the documents say of `execute-api:Invoke` on a resource; a Deny wins over any Allow.

    `conditions` are the request's condition keys in lower case. Raises PolicyError for what is no policy, and for a
    condition operator that is not emulated.
    """
    decision = Decision.NEITHER
    for document in documents:
        for statement in _statements(document):
            if not _applies(statement, resource, conditions):
                continue
            if statement["Effect"] == "Deny":
                return Decision.DENIED
            decision = Decision.ALLOWED
    return decision


def _statements(document: Mapping[str, Any] | str) -> list[Mapping[str, Any]]:
    try:
        policy = json.loads(document) if isinstance(document, str) else document
        statements = policy["Statement"]
    except (ValueError, KeyError, TypeError) as exc:
        raise PolicyError(f"no policy document with a Statement: {exc}") from exc
    statements = statements if isinstance(statements, list) else [statements]
    for statement in statements:
        if not isinstance(statement, Mapping) or statement.get("Effect") not in {"Allow", "Deny"}:
            raise PolicyError("each Statement must be an object with Effect Allow or Deny")
        if not {"Action", "NotAction"} & set(statement) or not {"Resource", "NotResource"} & set(statement):
            raise PolicyError("each Statement must have an Action and a Resource")
    return statements


def _applies(statement: Mapping[str, Any], resource: str, conditions: Mapping[str, str]) -> bool:
    for element, value, flags in (("Action", ACTION, re.IGNORECASE), ("Resource", resource, re.NOFLAG)):
        if element in statement:
            if not _matches(statement[element], value, flags):
                return False
        elif _matches(statement[f"Not{element}"], value, flags):
            return False
    try:
        return conditions_hold(statement.get("Condition") or {}, conditions)
    except ValueError as exc:
        raise PolicyError(str(exc)) from exc


def _matches(patterns: Any, value: str, flags: re.RegexFlag) -> bool:
    for pattern in patterns if isinstance(patterns, list) else [patterns]:
        parts = (re.escape(part) for part in re.split(r"([*?])", str(pattern)))
        wild = "".join({r"\*": ".*", r"\?": "."}.get(part, part) for part in parts)
        if re.fullmatch(wild, value, flags):
            return True
    return False
