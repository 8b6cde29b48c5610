"""Why a request failed, for the log: what happened and where, and nothing that anyone sent.

The message of an exception may quote the request. A model's error 500 repeats the prompt, and so does a `KeyError` or a
`UnicodeEncodeError`. So only what the project's own code says for operators, the codes of AWS and the places in the
code are logged; a model's own words are in its own log, which the entry names.
"""

from __future__ import annotations

import traceback
from typing import Any

from botocore.exceptions import ClientError

_MOST_CAUSES = 8
_MOST_FRAMES = 6


class OperatorError(Exception):
    """What operators have to change. The message is written to the log, so it quotes nothing that was sent."""


def causes_of(error: BaseException) -> list[dict[str, Any]]:
    """The chain of exceptions from `error` to its first cause, at most eight, each as a JSON object."""
    causes: list[dict[str, Any]] = []
    seen: BaseException | None = error
    while seen is not None and len(causes) < _MOST_CAUSES:
        causes.append(_described(seen))
        seen = seen.__cause__ or (None if seen.__suppress_context__ else seen.__context__)
    return causes


def _described(error: BaseException) -> dict[str, Any]:
    described: dict[str, Any] = {"type": type(error).__name__}
    if isinstance(error, OperatorError):
        described["advice"] = str(error)
    if isinstance(error, ClientError):
        response: Any = error.response
        described |= {
            "operation": error.operation_name,
            "code": response.get("Error", {}).get("Code"),
            "status": response.get("ResponseMetadata", {}).get("HTTPStatusCode"),
            "request_id": response.get("ResponseMetadata", {}).get("RequestId"),
            "model_status": response.get("OriginalStatusCode") or response.get("originalStatusCode"),
            "model_log": response.get("LogStreamArn"),
        }
    frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
    described["at"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames]
    return {name: value for name, value in described.items() if value is not None}
