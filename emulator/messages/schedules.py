"""EventBridge Scheduler: schedules whose target is a function, under the schedule's role."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from emulator.functions import operation
from emulator.iam.authorizer import DeniedError, RoleGoneError
from emulator.iam.evaluation import Permission
from emulator.iam.patterns import PolicyError
from emulator.iam.service_use import authorize_service
from emulator.iam.sessions import RoleError
from emulator.monitoring import clock
from emulator.scaling.schedule_times import comes_between

SERVICE = "scheduler.amazonaws.com"
_MODULE = "moto.scheduler.models"

_logger = logging.getLogger(__name__)


class Schedules:
    """Every schedule of every account. A rate counts from when the emulator sees the schedule first."""

    def __init__(self) -> None:
        self._seen: dict[str, datetime] = {}
        self._looked = clock.calendar()
        self._busy = 0
        self._changed = threading.Condition()

    def step(self) -> None:
        """Call what has come since the last step."""
        after, until = self._looked, clock.calendar()
        self._looked = until
        for region, schedule in _schedules():
            seen = self._seen.setdefault(schedule.arn, until)
            expression, timezone = schedule.schedule_expression, schedule.schedule_expression_timezone
            if schedule.state == "ENABLED" and comes_between(expression, timezone, seen, max(after, seen), until):
                with self._changed:
                    self._busy += 1
                threading.Thread(target=self._call, args=(region, schedule), name="schedule", daemon=True).start()

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no target is being called; False where that takes longer than `seconds`."""
        with self._changed:
            return self._changed.wait_for(lambda: self._busy == 0, timeout=seconds)

    def _call(self, region: str, schedule: Any) -> None:
        target = schedule.target
        try:
            permission = Permission("lambda:InvokeFunction", target["Arn"])
            authorize_service(
                target["RoleArn"], SERVICE, [permission], region=region, session_name=f"schedule-{schedule.name}"
            )
            operation.invoke_function(target["Arn"], (target.get("Input") or "{}").encode())
        except (DeniedError, RoleError, RoleGoneError, PolicyError) as exc:
            _logger.warning("the schedule %s calls nothing: %s", schedule.name, exc)
        except Exception:
            _logger.exception("the schedule %s failed", schedule.name)
        finally:
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()


def _schedules() -> Iterator[tuple[str, Any]]:
    """Region and record of every schedule; where nobody has imported moto's Scheduler, there is none."""
    models = sys.modules.get(_MODULE)
    if models is None:
        return
    for regions in list(models.scheduler_backends.values()):
        for region, backend in list(regions.items()):
            for group in list(backend.schedule_groups.values()):
                for schedule in list(group.schedules.values()):
                    yield region, schedule


SCHEDULES = Schedules()
