"""API keys, usage plans and throttles: who may call a method, and how often, by an injected clock."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from moto.apigateway.models import apigateway_backends

from emulator.gateway import errors
from emulator.gateway.deployed import Api, Method, Throttle, throttle

DEFAULT_RATE, DEFAULT_BURST = 10_000.0, 5_000.0
"""API Gateway's limits of an account and region, which stand for the half of a throttle that is not set."""


class Meter:
    """The state of every bucket and quota. `clock` gives seconds since 1970."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[Hashable, tuple[float, float]] = {}
        self._used: dict[Hashable, tuple[str, int]] = {}

    def take_token(self, key: Hashable, throttle: Throttle) -> bool:
        """Take a token from the bucket, which holds `burst` of them and gains `rate` per second; False if empty."""
        rate = DEFAULT_RATE if throttle.rate is None else throttle.rate
        burst = DEFAULT_BURST if throttle.burst is None else throttle.burst
        now = self._clock()
        with self._lock:
            filled_at, tokens = self._buckets.get(key, (now, burst))
            tokens = min(burst, tokens + (now - filled_at) * rate)
            taken = tokens >= 1
            self._buckets[key] = now, tokens - 1 if taken else tokens
            return taken

    def count(self, key: Hashable, *, limit: int, period: str, offset: int = 0) -> bool:
        """Count a request against a quota; False if the period's limit is used up already."""
        current = period_start(datetime.fromtimestamp(self._clock(), UTC), period)
        with self._lock:
            counted_in, used = self._used.get(key, (current, offset))
            if counted_in != current:
                used = 0
            if used >= limit:
                return False
            self._used[key] = current, used + 1
            return True


def period_start(now: datetime, period: str) -> str:
    """The first day of the DAY, WEEK (from Sunday) or MONTH that a moment is in."""
    match period:
        case "DAY":
            start = now
        case "WEEK":
            start = now - timedelta(days=(now.weekday() + 1) % 7)
        case "MONTH":
            start = now.replace(day=1)
        case _:
            raise ValueError(f"quota period {period!r} is not known: use DAY, WEEK or MONTH")
    return f"{start:%Y-%m-%d}"


def admit_key(api: Api, method: Method, api_key: str | None, meter: Meter) -> str:
    """The id of the API key, after its usage plan's throttle and quota have counted the request.

    Raises GatewayError INVALID_API_KEY, THROTTLED or QUOTA_EXCEEDED.
    """
    backend = apigateway_backends[api.account][api.region]
    key = next((k for k in list(backend.keys.values()) if api_key and k.value == api_key and _enabled(k)), None)
    found = _plan(backend, api, key.id) if key else None
    if key is None or found is None:
        raise errors.invalid_api_key()
    plan, plan_stage = found
    _throttle(plan, plan_stage, method, key.id, meter)
    quota = plan.quota or {}
    if quota.get("limit") is not None:
        limit, offset = int(quota["limit"]), int(quota.get("offset") or 0)
        if not meter.count(("quota", plan.id, key.id), limit=limit, period=quota["period"], offset=offset):
            raise errors.quota_exceeded()
    return str(key.id)


def _enabled(key: Any) -> bool:
    return str(key.enabled).lower() == "true"


def _plan(backend: Any, api: Api, key_id: str) -> tuple[Any, Mapping[str, Any]] | None:
    for plan in list(backend.usage_plans.values()):
        if key_id not in backend.usage_plan_keys.get(plan.id, {}):
            continue
        for stage in plan.api_stages:
            if stage.get("apiId") == api.id and stage.get("stage") == api.stage.name:
                return plan, stage
    return None


def _throttle(plan: Any, plan_stage: Mapping[str, Any], method: Method, key_id: str, meter: Meter) -> None:
    of_method = (plan_stage.get("throttle") or {}).get(f"{method.resource_path}/{method.http_method}")
    place = f"{method.resource_path}/{method.http_method}" if of_method else "*"
    settings = of_method or plan.throttle or {}
    limit = throttle(settings.get("rateLimit"), settings.get("burstLimit"))
    if limit and not meter.take_token(("plan", plan.id, key_id, place), limit):
        raise errors.throttled()


def admit_stage(api: Api, method: Method, verb: str, meter: Meter) -> None:
    """Count the request against the stage's own throttle of its HTTP method; raises GatewayError THROTTLED.

    A method ANY is throttled by what the request uses: settings name no ANY.
    """
    path = method.resource_path.replace("~", "~0").replace("/", "~1")
    for place in (f"{path}/{verb}", f"{path}/*", f"*/{verb}", "*/*"):
        limit = api.stage.throttles.get(place)
        if limit:
            if not meter.take_token(("stage", api.account, api.region, api.id, api.stage.name, place), limit):
                raise errors.throttled()
            return
