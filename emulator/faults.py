"""Faults of the model, SageMaker and Bedrock that tests switch on: which there are, which is next, how they are set."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment


class FaultKind(StrEnum):
    """What goes wrong with an invocation."""

    SLOW = "slow"
    """The model answers after `seconds`."""
    QUEUED = "queued"
    """The model draws one image at a time, as a GPU does: each takes `seconds`, and waits for those before it."""
    THROTTLED = "throttled"
    """The service refuses with ThrottlingException."""
    CLIENT_ERROR = "client_error"
    """The model answers 400 (or `status`) with `message`."""
    SERVER_ERROR = "server_error"
    """The model answers 500 (or `status`) with `message`."""
    GARBAGE = "garbage"
    """The model answers 200 with a body that is not JSON."""
    EMPTY = "empty"
    """The model answers 200 with no body."""
    NOT_READY = "not_ready"
    """The service answers ModelNotReadyException (429)."""
    UNAVAILABLE = "unavailable"
    """SageMaker answers ServiceUnavailable (503), Bedrock ServiceUnavailableException."""
    RESET = "reset"
    """The connection is closed without an answer."""
    TRUNCATED = "truncated"
    """The image's base64 is cut."""
    FILTERED = "filtered"
    """The content filter stopped the image (not with the open model, which has no filter)."""
    SILENT_ROLLBACK = "silent_rollback"
    """No invocation fails: an update of an endpoint is rolled back, and SageMaker gives no failure reason."""


class FaultError(ValueError):
    """A fault is described wrongly; the message says how to."""


@dataclass(frozen=True)
class Fault:
    """One fault. `times` None means until it is deleted; `endpoint`, an endpoint's name or a Bedrock
    model's id, None means all of them. `model` is part of the model package, image or artifact of an endpoint's
    container: the fault then happens to that version of the model only."""

    fault: FaultKind
    times: int | None = None
    seconds: float = 5.0
    message: str = "switched on by the test"
    status: int | None = None
    endpoint: str | None = None
    model: str | None = None


_TYPES: dict[str, tuple[type, ...]] = {
    "fault": (str,),
    "times": (int, type(None)),
    "seconds": (int, float),
    "message": (str,),
    "status": (int, type(None)),
    "endpoint": (str, type(None)),
    "model": (str, type(None)),
}
_STATUSES = {FaultKind.CLIENT_ERROR: range(400, 500), FaultKind.SERVER_ERROR: range(500, 600)}


def parse_fault(described: object) -> Fault:
    """The fault that a JSON object describes; raises FaultError."""
    fields = checked_fields(described, _TYPES, FaultKind)
    fault = Fault(**{**fields, "fault": FaultKind(fields["fault"])})
    _check(fault)
    return fault


def checked_fields(
    described: object, types: Mapping[str, tuple[type, ...]], kinds: Iterable[StrEnum]
) -> dict[str, Any]:
    """The fields of a fault, of these types, with a `fault` of `kinds` and `times` of at least 1; raises FaultError."""
    if not isinstance(described, dict):
        raise FaultError(f"a fault is a JSON object with the fields {sorted(types)}, not {described!r}")
    unknown = sorted(set(described) - set(types))
    if unknown:
        raise FaultError(f"unknown fields {unknown}: allowed are {sorted(types)}")
    for name, value in described.items():
        if not isinstance(value, types[name]) or isinstance(value, bool):
            names = " or ".join("null" if t is type(None) else t.__name__ for t in types[name])
            raise FaultError(f"{name} must be {names}, not {value!r}")
    known = [kind.value for kind in kinds]
    if described.get("fault") not in known:
        raise FaultError(f"fault {described.get('fault')!r} is not known: allowed are {known}")
    times = described.get("times")
    if times is not None and times < 1:
        raise FaultError(f"times must be at least 1, not {times}; leave it out for 'until deleted'")
    return described


def _check(fault: Fault) -> None:
    if not 0 <= fault.seconds <= 600:
        raise FaultError(f"seconds must be from 0 to 600, not {fault.seconds}")
    if fault.status is not None:
        allowed = _STATUSES.get(fault.fault)
        if allowed is None:
            raise FaultError(f"status is for client_error and server_error, not for {fault.fault}")
        if fault.status not in allowed:
            raise FaultError(f"status of {fault.fault} must be from {allowed[0]} to {allowed[-1]}, not {fault.status}")


class FaultBoard:
    """The fault that is switched on, and how often it still happens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._fault: Fault | None = None
        self._left: int | None = None

    def put(self, fault: Fault) -> None:
        """Switch a fault on, in place of any other."""
        with self._lock:
            self._fault, self._left = fault, fault.times

    def clear(self) -> None:
        """Switch every fault off."""
        with self._lock:
            self._fault = self._left = None

    def current(self) -> tuple[Fault, int | None] | None:
        """The fault that is switched on and how many times are left, or None."""
        with self._lock:
            return (self._fault, self._left) if self._fault else None

    def take(self, endpoint_name: str, model: str = "", *, of_update: bool = False) -> Fault | None:
        """The fault that happens to this invocation, which `model` answers, or to this update; counted."""
        with self._lock:
            fault = self._fault
            if fault is None or (fault.fault is FaultKind.SILENT_ROLLBACK) != of_update:
                return None
            if fault.endpoint not in {None, endpoint_name} or (fault.model or "") not in model:
                return None
            if self._left is not None:
                self._left -= 1
                if self._left == 0:
                    self._fault = self._left = None
            return fault


FAULTS = FaultBoard()


def create_faults_app(board: FaultBoard = FAULTS) -> WSGIApplication:
    """The WSGI application behind `/_emulator/faults`: PUT switches a fault on, GET shows it, DELETE ends it."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(Request(environ), board)(environ, start_response)

    return application


def _answer(request: Request, board: FaultBoard) -> Response:
    if request.method == "PUT":
        try:
            board.put(parse_fault(json.loads(request.get_data())))
        except FaultError as exc:
            return _json(400, {"message": str(exc)})
        except ValueError as exc:
            return _json(400, {"message": f"the body is not JSON: {exc}"})
    elif request.method == "DELETE":
        board.clear()
    elif request.method != "GET":
        return _json(405, {"message": f"{request.method} is not allowed: use PUT, GET or DELETE"})
    current = board.current()
    return _json(200, {} if current is None else {**asdict(current[0]), "times_left": current[1]})


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")
