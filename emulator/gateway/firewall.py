"""The rate rules of a stage's web ACL: how many requests an address may send in a window of time.

The other rules of an ACL, AWS's managed groups among them, are not known here and let everything through.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Hashable
from typing import Any

from moto.wafv2.models import wafv2_backends

from emulator.gateway import errors
from emulator.gateway.context import RequestContext

DEFAULT_WINDOW_SECONDS = 300


class Firewall:
    """The requests of every address within each rule's window; `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._seen: dict[Hashable, deque[float]] = {}

    def admit(self, context: RequestContext) -> None:
        """Count the request; raises GatewayError WAF_FILTERED where a rate rule blocks its address."""
        api = context.api
        acl = wafv2_backends[api.account][api.region].wacls.get(api.stage.web_acl_arn)
        if acl is None:
            return
        address = context.request.remote_addr or ""
        for rule in sorted(acl.rules, key=lambda rule: int(rule.priority)):
            limit = _limit(rule)
            if limit and self._count((acl.arn, rule.name, address), limit[1]) > limit[0]:
                raise errors.filtered()

    def _count(self, key: Hashable, window_seconds: int) -> int:
        now = self._clock()
        with self._lock:
            seen = self._seen.setdefault(key, deque())
            seen.append(now)
            while seen[0] <= now - window_seconds:
                seen.popleft()
            return len(seen)


def _limit(rule: Any) -> tuple[int, int] | None:
    """The requests and seconds of a rule that blocks addresses by their rate, or None for any other rule."""
    rate = rule.statement.get("RateBasedStatement") or {}
    blocks = "Block" in (rule.action or {}) and "ScopeDownStatement" not in rate
    if not blocks or rate.get("AggregateKeyType") != "IP":
        return None
    return int(rate["Limit"]), int(rate.get("EvaluationWindowSec") or DEFAULT_WINDOW_SECONDS)
