"""A worker's output: cut into invocations, framed by START, END and REPORT lines, and written to a log stream."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from moto.logs.models import logs_backends

from emulator.functions.definition import FunctionDefinition
from emulator.iam.lambda_use import may_write_log
from emulator.iam.sessions import FunctionSession
from emulator.monitoring import logs

_MARK = b"\x00emulator-mark:"


@dataclass(frozen=True)
class Report:
    """The figures of an invocation's REPORT line."""

    request_id: str
    duration_ms: float
    memory_size_mb: int
    max_memory_used_mb: int | None
    init_ms: float | None
    status: str | None


class WorkerLog:
    """A pipe that the worker writes its output to.

    The emulator writes marks into the same pipe when an invocation starts and ends, so that each line is filed under
    the invocation that wrote it however late it is read.
    """

    def __init__(self, write: Callable[[list[str]], None], *, version: str, log_format: str) -> None:
        self._write = write
        self._version = version
        self._json = log_format == "JSON"
        self._reading, self.descriptor = os.pipe()
        self._marks: dict[str, Callable[[], None]] = {}
        self._lines: list[str] = []
        self._lock = threading.Lock()
        self._closed = False
        threading.Thread(target=self._follow, name="worker-log", daemon=True).start()

    def start(self, request_id: str) -> None:
        """What the worker writes from here on belongs to the invocation."""
        self._mark(f"start-{request_id}", lambda: self._lines.append(self._start_line(request_id)))

    def end(self, report: Report, done: Callable[[list[str]], None]) -> None:
        """Close the invocation: its lines are written, then given to `done`."""

        def finish() -> None:
            lines, self._lines = [*self._lines, *self._end_lines(report)], []
            self._write(lines)
            done(lines)

        self._mark(f"end-{report.request_id}", finish)

    def close(self) -> None:
        """Write what is left and end."""
        with self._lock:
            if not self._closed:
                self._closed = True
                os.close(self.descriptor)

    def _mark(self, name: str, action: Callable[[], None]) -> None:
        with self._lock:
            if not self._closed:
                self._marks[name] = action
                os.write(self.descriptor, _MARK + name.encode() + b"\n")

    def _follow(self) -> None:
        with os.fdopen(self._reading, "rb") as pipe:
            for raw in pipe:
                text, mark, name = raw.rstrip(b"\r\n").partition(_MARK)
                if text:
                    self._lines.append(text.decode(errors="replace"))
                if mark:
                    self._marks.pop(name.decode())()
        if self._lines:
            self._write(self._lines)

    def _start_line(self, request_id: str) -> str:
        if self._json:
            return _platform("platform.start", {"requestId": request_id, "version": self._version})
        return f"START RequestId: {request_id} Version: {self._version}"

    def _end_lines(self, report: Report) -> list[str]:
        billed = -(-report.duration_ms // 1)
        if self._json:
            metrics = {
                "durationMs": round(report.duration_ms, 2),
                "billedDurationMs": int(billed),
                "memorySizeMB": report.memory_size_mb,
                "maxMemoryUsedMB": report.max_memory_used_mb,
                "initDurationMs": report.init_ms and round(report.init_ms, 2),
            }
            known = {name: value for name, value in metrics.items() if value is not None}
            record = {"requestId": report.request_id, "metrics": known, "status": report.status or "success"}
            return [_platform("platform.report", record)]
        parts = [
            f"REPORT RequestId: {report.request_id}",
            f"Duration: {report.duration_ms:.2f} ms",
            f"Billed Duration: {billed:.0f} ms",
            f"Memory Size: {report.memory_size_mb} MB",
        ]
        if report.max_memory_used_mb is not None:
            parts.append(f"Max Memory Used: {report.max_memory_used_mb} MB")
        if report.init_ms is not None:
            parts.append(f"Init Duration: {report.init_ms:.2f} ms")
        if report.status:
            parts.append(f"Status: {report.status}")
        return [f"END RequestId: {report.request_id}", "\t".join(parts)]


def _platform(kind: str, record: Mapping[str, object]) -> str:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return json.dumps({"time": now, "type": kind, "record": record})


class FunctionLog:
    """One stream of the log group that a function's configuration names."""

    def __init__(self, definition: FunctionDefinition, session: FunctionSession, stream: str) -> None:
        self._definition = definition
        self._session = session
        self._stream = stream
        self._made = False

    def write(self, lines: list[str]) -> None:
        """Append lines, if the role allows it at present."""
        definition, group = self._definition, self._definition.log_group
        if not lines:
            return
        groups = logs_backends[definition.account][definition.region].groups
        if group not in groups and not may_write_log(self._session, "CreateLogGroup", group):
            return
        if not self._made and not may_write_log(self._session, "CreateLogStream", group, self._stream):
            return
        self._made = True
        if may_write_log(self._session, "PutLogEvents", group, self._stream):
            logs.put_lines(definition.account, definition.region, group, self._stream, lines)
