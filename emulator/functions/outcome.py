"""What an invocation ends in, and Lambda's own words for the ways in which it fails."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

MAX_REQUEST_BYTES = 6_291_456
MAX_EVENT_REQUEST_BYTES = 1_048_576
MAX_RESPONSE_BYTES = 6_291_556


@dataclass
class Outcome:
    """An invocation's payload, whether it is an error, and the log lines it wrote."""

    payload: bytes
    error_type: str | None = None
    log_lines: list[str] = field(default_factory=list)

    @property
    def failed(self) -> bool:
        """Whether the payload describes an error."""
        return self.error_type is not None


class ThrottledError(Exception):
    """No further concurrent execution is allowed: the reserved concurrency is used up."""


def failure(error_type: str, message: str) -> Outcome:
    """An error that Lambda itself reports."""
    payload = json.dumps({"errorType": error_type, "errorMessage": message}).encode()
    return Outcome(payload, error_type)


def timed_out(request_id: str, seconds: float) -> Outcome:
    """The function did not answer within its timeout."""
    return failure("Sandbox.Timedout", f"RequestId: {request_id} Error: Task timed out after {seconds:.2f} seconds")


def exited(request_id: str, return_code: int) -> Outcome:
    """The function's process ended before it answered."""
    how = f"exit status {return_code}" if return_code >= 0 else f"signal: {-return_code}"
    if return_code == 0:
        return failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited without providing a reason")
    return failure("Runtime.ExitError", f"RequestId: {request_id} Error: Runtime exited with error: {how}")


def response_too_large() -> Outcome:
    """The response is larger than a buffered invocation may return."""
    message = f"Response payload size exceeded maximum allowed payload size ({MAX_RESPONSE_BYTES} bytes)."
    return failure("Function.ResponseSizeTooLarge", message)


def reported(payload: bytes) -> Outcome:
    """An error that the runtime client reported, with its own type where it names one."""
    try:
        error_type = json.loads(payload)["errorType"]
    except (ValueError, KeyError, TypeError):
        error_type = "Unhandled"
    return Outcome(payload, str(error_type))
