"""What execution roles were seen to use, and what they were refused, since the emulator started or it was cleared."""

from __future__ import annotations

import threading
from collections import Counter
from dataclasses import dataclass

from emulator.iam.evaluation import Decision


@dataclass(frozen=True)
class Use:
    """An action on a resource that a role was allowed, and the statement that allowed it."""

    role_arn: str
    action: str
    resource: str
    via: str | None
    policy: str
    statement: str
    statement_digest: str
    by_action: str
    by_resource: str


@dataclass(frozen=True)
class Denial:
    """An action on a resource that a role was refused. Of what could not be decided, `action` is the call."""

    role_arn: str
    action: str
    resource: str
    via: str | None
    reason: str


class Recorder:
    """Counts uses and denials."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._uses: Counter[Use] = Counter()
        self._denials: Counter[Denial] = Counter()

    def record(self, role_arn: str, action: str, resource: str, via: str | None, decision: Decision) -> None:
        """Count what was decided."""
        with self._lock:
            if decision.allowed and decision.by:
                by, statement = decision.by, decision.by.statement
                source = (by.policy, statement.name, statement.digest, by.action, by.resource)
                self._uses[Use(role_arn, action, resource, via, *source)] += 1
            else:
                self._denials[Denial(role_arn, action, resource, via, decision.reason)] += 1

    def refuse(self, role_arn: str, call: str, message: str) -> None:
        """Count a call that could not be decided."""
        with self._lock:
            self._denials[Denial(role_arn, call, "", None, message)] += 1

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._uses.clear()
            self._denials.clear()

    def uses(self) -> dict[Use, int]:
        """Every use, with its count."""
        with self._lock:
            return dict(self._uses)

    def denials(self) -> dict[Denial, int]:
        """Every denial, with its count."""
        with self._lock:
            return dict(self._denials)


RECORDER = Recorder()
