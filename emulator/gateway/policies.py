"""Whether policies let a caller invoke a method: those that authorizers return, and those of IAM."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from enum import Enum
from typing import Any

from emulator.iam.conditions import Context
from emulator.iam.documents import parse_policy

ACTION = "execute-api:Invoke"


class Decision(Enum):
    """What a set of policies says of one call."""

    ALLOWED = "allowed"
    DENIED = "explicitly denied"
    NEITHER = "not mentioned"


def decide(documents: Iterable[Mapping[str, Any] | str], resource: str, conditions: Mapping[str, str]) -> Decision:
    """What the documents say of `execute-api:Invoke` on a resource; a Deny wins over any Allow.

    `conditions` are the request's condition keys. Raises PolicyError for a document that is not understood, and for a
    condition key that is not emulated.
    """
    context = Context(conditions)
    texts = (document if isinstance(document, str) else json.dumps(document) for document in documents)
    applying = {
        statement.effect
        for text in texts
        for statement in parse_policy(text)
        if statement.speaks_of(ACTION, resource, context)
    }
    if "Deny" in applying:
        return Decision.DENIED
    return Decision.ALLOWED if applying else Decision.NEITHER
