"""Lets time pass for what no request does: metrics of queues, alarms that act, policies, schedules, messages.

A step is 10 seconds of AWS. A thread makes one as often as the emulator's speed says. A test that turns the clock
(`POST /_emulator/clock` with `{"turn_seconds": 900}`) makes as many as fit, and what a step has set going is done
before the next one: work takes no time of a clock that is turned.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from emulator.monitoring import clock

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

STEP_SECONDS = 10.0
"""Of AWS: the period of a high-resolution metric."""
MOST_TURNED_SECONDS = 7 * 24 * 3600
# A step that is still busy after this time, of this machine, ends the turn with an error.
_BUSY_SECONDS = 120.0
_NEVER_LESS_SECONDS = 0.02

_logger = logging.getLogger(__name__)


class StepError(RuntimeError):
    """A step failed, or what it has set going does not end."""


class Ticker:
    """Everything that happens with time, in the order in which it was added."""

    def __init__(self) -> None:
        self._steps: dict[str, Callable[[], None]] = {}
        self._waits: dict[str, Callable[[float], bool]] = {}
        self._lock = threading.RLock()
        self._stopped = threading.Event()

    def add(
        self, name: str, step: Callable[[], None], *, wait_until_idle: Callable[[float], bool] | None = None
    ) -> None:
        """Add what happens at each step. `wait_until_idle` waits for its work, and is false where that takes longer."""
        self._steps[name] = step
        if wait_until_idle is not None:
            self._waits[name] = wait_until_idle

    def step(self) -> list[str]:
        """Let happen what happens at this moment; return what failed. A part that fails does not keep the others."""
        failures = []
        with self._lock:
            for name, step in self._steps.items():
                try:
                    step()
                except Exception as exc:
                    _logger.exception("%s failed", name)
                    failures.append(f"{name} failed: {type(exc).__name__}: {exc}")
        return failures

    def turn(self, seconds: float) -> None:
        """Move the clock forward by `seconds` of AWS, step by step.

        Raises:
            StepError: a step failed, or its work does not end.
        """
        if not 0 < seconds <= MOST_TURNED_SECONDS:
            raise ValueError(f"turn_seconds must be above 0 and at most {MOST_TURNED_SECONDS}, not {seconds:g}")
        with self._lock:
            self._settle()
            while seconds > 0:
                clock.turn(min(seconds, STEP_SECONDS))
                seconds -= STEP_SECONDS
                failures = self.step()
                if failures:
                    raise StepError("; ".join(failures))
                self._settle()

    def _settle(self) -> None:
        # One part's work may set another's going: a result is announced, and a function is called.
        for _ in range(2):
            for name, wait in self._waits.items():
                if not wait(_BUSY_SECONDS):
                    raise StepError(f"{name} is still busy after {_BUSY_SECONDS:g} s")

    def start(self) -> None:
        """Make steps in a thread until `stop`."""
        self._stopped.clear()
        threading.Thread(target=self._run, name="ticker", daemon=True).start()

    def stop(self) -> None:
        """End the thread after its present step."""
        self._stopped.set()

    def _run(self) -> None:
        while not self._stopped.wait(max(clock.seconds_here(STEP_SECONDS), _NEVER_LESS_SECONDS)):
            self.step()


TICKER = Ticker()


def create_clock_app(ticker: Ticker = TICKER) -> WSGIApplication:
    """The WSGI application behind `/_emulator/clock`: GET shows the clock, POST turns it."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(Request(environ), ticker)(environ, start_response)

    return application


def _answer(request: Request, ticker: Ticker) -> Response:
    if request.method == "POST":
        try:
            described = json.loads(request.get_data())
            if not isinstance(described, dict) or set(described) != {"turn_seconds"}:
                return _json(400, {"message": f'the body must be {{"turn_seconds": number}}, not {described!r}'})
            ticker.turn(float(described["turn_seconds"]))
        except (TypeError, ValueError) as exc:
            return _json(400, {"message": str(exc)})
        except StepError as exc:
            return _json(500, {"message": str(exc)})
    elif request.method != "GET":
        return _json(405, {"message": f"{request.method} is not allowed: use GET or POST"})
    shown = {"now": clock.calendar().isoformat(), "turned_seconds": clock.turned_seconds(), "speed": clock.speed()}
    return _json(200, shown)


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")
