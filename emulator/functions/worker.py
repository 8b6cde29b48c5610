"""One execution environment: a process with the runtime client and the function's code, one event at a time."""

from __future__ import annotations

import contextlib
import os
import queue
import sys
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from emulator import lifeline
from emulator.client import aws_environment
from emulator.functions import outcome
from emulator.functions.definition import FunctionDefinition
from emulator.functions.outcome import Outcome
from emulator.functions.runtime_api import Event, RuntimeApi
from emulator.functions.worker_log import FunctionLog, Report, WorkerLog
from emulator.iam.sessions import FunctionSession

_CLIENT_VARIABLES = (
    *("AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION"),
    *("AWS_EC2_METADATA_DISABLED", "AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"),
)


def worker_environment(
    definition: FunctionDefinition,
    *,
    session: FunctionSession,
    aws_endpoint_url: str,
    runtime_api: str,
    task_root: Path,
    log_stream: str,
) -> dict[str, str]:
    """What the runtime and the function see. Nothing is inherited from the emulator's own environment but PATH.

    The credentials are those of the function's execution role.
    """
    reserved = {
        "_HANDLER": definition.handler or "",
        "AWS_EXECUTION_ENV": f"AWS_Lambda_{definition.runtime}",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": str(definition.memory_mb),
        "AWS_LAMBDA_FUNCTION_NAME": definition.name,
        "AWS_LAMBDA_FUNCTION_VERSION": definition.version,
        "AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start" if definition.snap_start else "on-demand",
        "AWS_LAMBDA_LOG_FORMAT": definition.log_format,
        "AWS_LAMBDA_LOG_GROUP_NAME": definition.log_group,
        "AWS_LAMBDA_LOG_STREAM_NAME": log_stream,
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
        "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
        "LAMBDA_TASK_ROOT": str(task_root),
    }
    defaults = {
        "HOME": str(task_root),
        "LANG": "en_US.UTF-8",
        "PATH": os.environ.get("PATH", os.defpath),
        "TZ": ":UTC",
    }
    client = aws_environment(aws_endpoint_url, definition.account, definition.region)
    aws = {name: client[name] for name in _CLIENT_VARIABLES}
    credentials = {
        "AWS_ACCESS_KEY_ID": session.access_key_id,
        "AWS_SECRET_ACCESS_KEY": session.secret_access_key,
        "AWS_SESSION_TOKEN": session.session_token,
    }
    return {**defaults, **definition.environment, **aws, **credentials, **reserved}


INIT_TIMEOUT_SECONDS = 10.0
"""Lambda's limit on the init phase; a function's longer timeout extends it, as Lambda's second attempt does."""

_PROGRAM = Path(__file__).with_name("worker_main.py")
_LOG_WAIT_SECONDS = 2.0
_ENDING = ("Sandbox.Timedout", "Runtime.ExitError", "Function.ResponseSizeTooLarge")
"""What a worker does not survive: the runtime client ends itself when its response is refused for its size."""


@dataclass(frozen=True)
class _Signal:
    kind: str
    payload: bytes = b""
    return_code: int = 0


class InitError(Exception):
    """The function could not be started; `outcome` is what its invocation ends in."""

    def __init__(self, result: Outcome) -> None:
        super().__init__(result.payload.decode(errors="replace"))
        self.outcome = result


class Worker:
    """A process that serves one version of a function. Not shared: whoever has it invokes it alone."""

    def __init__(
        self,
        definition: FunctionDefinition,
        *,
        session: FunctionSession,
        task_root: Path,
        aws_endpoint_url: str,
        request_id: str,
    ) -> None:
        self.session = session
        self._definition = definition
        self._signals: queue.SimpleQueue[_Signal] = queue.SimpleQueue()
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._ready = False
        self._waiting = False
        self._unlogged: tuple[Report, Callable[[list[str]], None]] | None = None
        self._stopping = False
        self._api = RuntimeApi(self)
        stream = f"{datetime.now(UTC):%Y/%m/%d}/[{definition.version}]{uuid.uuid4().hex}"
        self._log = WorkerLog(
            FunctionLog(definition, session, stream).write,
            version=definition.version,
            log_format=definition.log_format,
        )
        started = time.monotonic()
        with os.fdopen(os.dup(self._log.descriptor), "wb") as output:
            self._process = lifeline.spawn(
                [sys.executable, "-I", str(_PROGRAM)],
                environment=worker_environment(
                    definition,
                    session=session,
                    aws_endpoint_url=aws_endpoint_url,
                    runtime_api=self._api.address,
                    task_root=task_root,
                    log_stream=stream,
                ),
                directory=task_root,
                output=output,
            )
        threading.Thread(target=self._watch, name="worker-watch", daemon=True).start()
        try:
            self._wait_for_init(request_id)
        except InitError:
            self.stop()
            raise
        self._init_ms: float | None = (time.monotonic() - started) * 1000
        self.last_used = time.monotonic()

    @property
    def alive(self) -> bool:
        """Whether it can take another event."""
        return not self._stopping and self._process.poll() is None

    def invoke(self, event: Event, *, wait_for_log: bool = False) -> Outcome:
        """Run the handler on one event and wait for its result, at most for the function's timeout."""
        started = time.monotonic()
        self._events.put(event)
        result = self._result(event.request_id, self._definition.timeout_seconds)
        duration_ms = (time.monotonic() - started) * 1000
        self.last_used = time.monotonic()
        memory_mb = _peak_memory_mb(self._process.pid)
        status = {"Sandbox.Timedout": "timeout", "Runtime.ExitError": "error"}.get(result.error_type or "")
        report = Report(event.request_id, duration_ms, self._definition.memory_mb, memory_mb, self._init_ms, status)
        self._init_ms = None
        tail: queue.SimpleQueue[list[str]] = queue.SimpleQueue()
        with self._lock:
            self._unlogged = report, tail.put
        if result.error_type in _ENDING:
            self.stop()
        self._close_log()
        if wait_for_log:
            with contextlib.suppress(queue.Empty):
                result.log_lines = tail.get(timeout=_LOG_WAIT_SECONDS)
        return result

    def stop(self) -> None:
        """End the process at once, as Lambda does."""
        self._stopping = True
        self._events.put(None)
        lifeline.stop(self._process, grace_seconds=0)
        self._api.stop()
        self._close_log()
        self._log.close()

    # What the Runtime API hears from the process:

    def next_event(self) -> Event | None:
        """Called when the process is ready for an event."""
        self._waiting = True
        self._close_log()
        if not self._ready:
            self._ready = True
            self._signals.put(_Signal("ready"))
        event = self._events.get()
        self._waiting = False
        if event:
            self._log.start(event.request_id)
        return event

    def on_result(self, request_id: str, payload: bytes, *, failed: bool, too_large: bool) -> None:  # noqa: ARG002
        """Called with the function's answer or error."""
        self._signals.put(_Signal("too large" if too_large else "error" if failed else "response", payload))

    def on_init_error(self, payload: bytes) -> None:
        """Called when the handler cannot be loaded."""
        self._signals.put(_Signal("init error", payload))

    # Inside:

    def _close_log(self) -> None:
        """End the invocation's log once the process has requested the next event: all that it wrote is in the pipe."""
        with self._lock:
            if self._unlogged and (self._waiting or self._stopping):
                self._log.end(*self._unlogged)
                self._unlogged = None

    def _watch(self) -> None:
        return_code = self._process.wait()
        self._signals.put(_Signal("exited", return_code=return_code))

    def _wait_for_init(self, request_id: str) -> None:
        seconds = max(INIT_TIMEOUT_SECONDS, self._definition.timeout_seconds)
        try:
            signal = self._signals.get(timeout=seconds)
        except queue.Empty:
            raise InitError(outcome.timed_out(request_id, seconds)) from None
        match signal.kind:
            case "init error":
                raise InitError(outcome.reported(signal.payload))
            case "exited":
                raise InitError(outcome.exited(request_id, signal.return_code))

    def _result(self, request_id: str, timeout_seconds: float) -> Outcome:
        try:
            signal = self._signals.get(timeout=timeout_seconds)
        except queue.Empty:
            return outcome.timed_out(request_id, timeout_seconds)
        match signal.kind:
            case "response":
                return Outcome(signal.payload)
            case "error" | "init error":
                return outcome.reported(signal.payload)
            case "too large":
                return outcome.response_too_large()
        return outcome.exited(request_id, signal.return_code)


def _peak_memory_mb(pid: int) -> int | None:
    """The process's largest resident size, where the system reports it."""
    try:
        status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return None
    peak = [line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:")]
    return int(peak[0]) // 1024 if peak else None
