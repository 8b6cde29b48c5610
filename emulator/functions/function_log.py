"""A function's log stream, which Lambda makes and writes with the execution role: what that may not is dropped."""

from __future__ import annotations

from moto.logs.models import logs_backends

from emulator import cloudwatch_logs
from emulator.functions.definition import FunctionDefinition
from emulator.iam.lambda_use import may_write_log
from emulator.iam.sessions import FunctionSession


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
            cloudwatch_logs.put_lines(definition.account, definition.region, group, self._stream, lines)
