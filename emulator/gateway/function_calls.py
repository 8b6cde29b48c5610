"""Calls of functions from the gateway, which waits for their answers only as long as it is told to."""

from __future__ import annotations

import queue
import re
import threading

from emulator import functions
from emulator.functions.outcome import Outcome

_FUNCTION = re.compile(r":lambda:path/[^/]+/functions/(?P<arn>[^/]+)/invocations$")


def function_arn(uri: str) -> str | None:
    """The function that an integration's or an authorizer's URI names, or None where it names something else."""
    found = _FUNCTION.search(uri)
    return found["arn"] if found else None


def call(arn: str, payload: bytes, *, trace_id: str, timeout_seconds: float) -> Outcome:
    """Invoke a function; raises TimeoutError when it has not answered in time, and whatever the invocation raises."""
    answers: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(functions.invoke_function(arn, payload, trace_id=trace_id))
        except Exception as exc:  # noqa: BLE001 - handed to the request's own thread
            answers.put(exc)

    # A thread of its own: the gateway gives up after its timeout, the function runs on.
    threading.Thread(target=run, name="gateway-call", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except queue.Empty:
        raise TimeoutError(f"{arn}: no answer within {timeout_seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer
