"""What a service answers: a body, or an error with its code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Answer:
    """A good answer. Where the protocol has no JSON, only `headers` are sent."""

    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class ServiceError(Exception):
    """What the service says instead, with its own code and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status
