"""SDXL 1.0 as the AWS Marketplace model package speaks: Stability AI's own request and artifacts.

Bounds: the SDK's lower ones, and the upper ones of the hosted REST v1 API.
"""

from __future__ import annotations

import json
import uuid
from typing import Any

from emulator.stand_in.payload import Payload, PayloadError
from emulator.stand_in.sdxl_request import FIELDS, Limits, artifacts, with_artifacts_changed
from emulator.stand_in.variant import MAX_BODY_BYTES, Reply

LIMITS = Limits(max_samples=10, max_steps=150, max_steps_with_image=150)
ACCEPTED = ("application/json;png", "application/json", "*/*")


class Optimized:
    """The model package's container."""

    max_body_bytes = MAX_BODY_BYTES

    def ping(self) -> Reply:
        """An empty 200."""
        return Reply(200, b"")

    def invoke(self, body: bytes, accept: str) -> Reply:
        """`samples` artifacts, each with the seed it was made from."""
        if accept.replace(" ", "") not in ACCEPTED:
            return self.failure(406, f"Accept {accept!r} is not supported: allowed are {list(ACCEPTED)}")
        try:
            made = artifacts(Payload(body, FIELDS), LIMITS)
        except PayloadError as exc:
            return _error(400, exc.name, str(exc))
        return _json(200, {"result": "success", "artifacts": made})

    def failure(self, status: int, message: str) -> Reply:
        """The error object at the top level, the other of the two places where it was seen."""
        return _json(status, {"id": uuid.uuid4().hex, "name": "generation_error", "message": message})

    def filtered(self, reply: Reply) -> Reply:
        """Every artifact CONTENT_FILTERED. The picture stays, as the hosted API returns it blurred."""
        return Reply(200, with_artifacts_changed(reply.body, finishReason="CONTENT_FILTERED"))

    def truncated(self, reply: Reply) -> Reply:
        """Every artifact's base64 cut so that it cannot be decoded."""
        first = json.loads(reply.body)["artifacts"][0]
        return Reply(200, with_artifacts_changed(reply.body, base64=first["base64"][:-5]))


def _error(status: int, name: str, message: str) -> Reply:
    return _json(status, {"result": "error", "error": {"id": uuid.uuid4().hex, "name": name, "message": message}})


def _json(status: int, answer: dict[str, Any]) -> Reply:
    return Reply(status, json.dumps(answer).encode("utf-8", "backslashreplace"))
