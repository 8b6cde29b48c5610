"""What a variant of the stand-in offers to the model server: its answers to /ping, /invocations and to failures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

MAX_BODY_BYTES = 6_291_456
"""What the real model servers accept by default, and SageMaker's own limit."""


@dataclass(frozen=True)
class Reply:
    """An HTTP answer of the container."""

    status: int
    body: bytes
    content_type: str = "application/json"


class Variant(Protocol):
    """One model source's payload shapes."""

    max_body_bytes: int
    """The longest body that the model server takes."""

    def ping(self) -> Reply:
        """The answer to GET /ping."""

    def invoke(self, body: bytes, accept: str) -> Reply:
        """The answer to POST /invocations."""

    def failure(self, status: int, message: str) -> Reply:
        """How this variant words a failure with a status from 400 to 599."""

    def filtered(self, reply: Reply) -> Reply:
        """The successful reply as it is when the content filter stopped it; ValueError where there is no filter."""

    def truncated(self, reply: Reply) -> Reply:
        """The successful reply with its base64 text cut short."""
