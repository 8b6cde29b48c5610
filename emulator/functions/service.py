"""The invocation of functions: which pool of workers serves it, and what ends when a function changes."""

from __future__ import annotations

import logging
import secrets
import threading
import time
import uuid
from dataclasses import dataclass

from emulator.functions import outcome
from emulator.functions.definition import FunctionDefinition
from emulator.functions.outcome import Outcome
from emulator.functions.package import CodeStore, PackageError
from emulator.functions.pool import Pool
from emulator.functions.runtime_api import Event
from emulator.functions.worker import InitError, Worker
from emulator.functions.worker_log import FunctionLog
from emulator.iam.lambda_use import send_trace
from emulator.iam.sessions import SESSIONS, FunctionSession

WORKERS_PER_VERSION = 10
IDLE_SECONDS = 300.0

_logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Call:
    """How a function is invoked."""

    payload: bytes
    invoked_function_arn: str
    client_context: str | None = None
    trace_id: str | None = None
    wait_for_log: bool = False


class LambdaService:
    """Every pool of every function."""

    def __init__(self, aws_endpoint_url: str, *, workers_per_version: int = WORKERS_PER_VERSION) -> None:
        self._aws_endpoint_url = aws_endpoint_url
        self._workers_per_version = workers_per_version
        self._code = CodeStore()
        self._lock = threading.Lock()
        self._pools: dict[str, Pool] = {}

    def invoke(self, definition: FunctionDefinition, call: Call) -> Outcome:
        """Run a version of a function on an event.

        Raises ThrottledError where no execution is allowed, RoleError where its role cannot be assumed.
        """
        request_id = str(uuid.uuid4())
        pool = self._pool(definition)
        try:
            worker = pool.acquire(lambda: self._start(definition, request_id))
        except InitError as exc:
            return exc.outcome
        if definition.traced:
            send_trace(worker.session)
        try:
            return worker.invoke(_event(definition, call, request_id), wait_for_log=call.wait_for_log)
        finally:
            pool.release(worker)

    def retire(self, function_arn: str, *, versions: bool) -> None:
        """End the workers of a version, or with `versions` of every version of an unqualified ARN."""
        with self._lock:
            arns = [a for a in self._pools if a == function_arn or (versions and a.startswith(f"{function_arn}:"))]
            pools = [self._pools.pop(arn) for arn in arns]
        for pool in pools:
            pool.retire()

    def stop_all(self) -> None:
        """End every worker and remove the unpacked code."""
        with self._lock:
            pools = list(self._pools.values())
            self._pools.clear()
        for pool in pools:
            pool.stop()
        self._code.clear()

    def _pool(self, definition: FunctionDefinition) -> Pool:
        with self._lock:
            pool = self._pools.get(definition.arn)
            if pool and pool.digest == definition.digest:
                return pool
            replaced = pool
            pool = self._pools[definition.arn] = Pool(
                definition.digest, size=self._workers_per_version, reserved_concurrency=definition.reserved_concurrency
            )
            others = [other for other in self._pools.values() if other is not pool]
        if replaced:
            replaced.retire()
        for other in others:
            other.stop_idle_since(IDLE_SECONDS)
        return pool

    def _start(self, definition: FunctionDefinition, request_id: str) -> Worker:
        session = SESSIONS.open(role_arn=definition.role, function_arn=definition.arn, in_vpc=definition.in_vpc)
        try:
            return Worker(
                definition,
                session=session,
                task_root=self._code.task_root(definition),
                aws_endpoint_url=self._aws_endpoint_url,
                request_id=request_id,
            )
        except InitError as exc:
            _log_failure(definition, session, request_id, exc.outcome)
            raise
        except PackageError as exc:
            result = outcome.failure("Emulator.PackageError", str(exc))
            _log_failure(definition, session, request_id, result)
            _logger.error("%s", exc)  # noqa: TRY400 - the message says it all
            raise InitError(result) from exc


def _log_failure(definition: FunctionDefinition, session: FunctionSession, request_id: str, result: Outcome) -> None:
    result.log_lines = [
        f"START RequestId: {request_id} Version: {definition.version}",
        result.payload.decode(errors="replace"),
        f"END RequestId: {request_id}",
    ]
    FunctionLog(definition, session, f"init/{request_id}").write(result.log_lines)


def _event(definition: FunctionDefinition, call: Call, request_id: str) -> Event:
    trace_id = call.trace_id or new_trace_id()
    return Event(
        request_id=request_id,
        payload=call.payload,
        deadline_ms=int((time.time() + definition.timeout_seconds) * 1000),
        invoked_function_arn=call.invoked_function_arn,
        trace_id=f"{trace_id};Parent={secrets.token_hex(8)};Sampled=1",
        client_context=call.client_context,
    )


def new_trace_id() -> str:
    """A root trace id in X-Ray's form."""
    return f"Root=1-{int(time.time()):08x}-{secrets.token_hex(12)}"
