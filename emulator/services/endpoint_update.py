"""A guarded update of an endpoint: new containers next to the old ones, traffic moved in steps, alarms watched.

Amazon SageMaker AI Developer Guide, "Blue/Green Deployments" and "Auto-Rollback Configuration and Monitoring". Waits
are shorter than on AWS (`emulator.monitoring.clock`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from emulator.monitoring import alarms
from emulator.monitoring.clock import seconds_here, speed

EndpointKey = tuple[str, str, str]
POLL_SECONDS = 0.02


class StagedContainers(Protocol):
    """Containers of which an endpoint may have a second set."""

    def stage(self, endpoint_key: EndpointKey, model: Mapping[str, Any], *, production_variant: str) -> None:
        """Start a container next to the one that serves; raises RuntimeError with the reason."""

    def shift(self, endpoint_key: EndpointKey, share: float) -> None:
        """Give the staged containers this share of the traffic."""

    def promote(self, endpoint_key: EndpointKey) -> None:
        """Let the staged containers take over."""

    def discard(self, endpoint_key: EndpointKey) -> None:
        """Stop the staged containers."""


class RolledBackError(Exception):
    """The update was rolled back; the message is the endpoint's failure reason."""


class GuardedUpdate:
    """One update of `endpoint_key` under `config`, the endpoint's DeploymentConfig."""

    def __init__(self, containers: StagedContainers, endpoint_key: EndpointKey, config: Mapping[str, Any]) -> None:
        self._containers = containers
        self._key = endpoint_key
        policy = config["BlueGreenUpdatePolicy"]
        self._routing = policy["TrafficRoutingConfiguration"]
        self._termination_wait = float(policy.get("TerminationWaitInSeconds") or 0)
        self._most_seconds = float(policy.get("MaximumExecutionTimeoutInSeconds") or 14_400)
        watched = (config.get("AutoRollbackConfiguration") or {}).get("Alarms") or []
        self._alarms = [str(alarm["AlarmName"]) for alarm in watched]

    def run(self, variants: Sequence[tuple[str, Mapping[str, Any]]], *, instances: int) -> None:
        """Move to the variants' models, each given with its variant's name.

        Raises RolledBackError where a container does not start, an alarm goes off or the time is up; the old ones then
        serve everything again.
        """
        started = time.monotonic()
        try:
            for name, model in variants:
                self._containers.stage(self._key, model, production_variant=name)
            for share in self._steps(instances):
                self._containers.shift(self._key, share)
                self._bake(started)
        except (RuntimeError, RolledBackError) as exc:
            self._containers.discard(self._key)
            raise RolledBackError(str(exc)) from exc
        time.sleep(seconds_here(self._termination_wait))
        self._containers.promote(self._key)

    def _steps(self, instances: int) -> Iterator[float]:
        """The share of traffic on the new containers after each step. AWS moves whole instances; here are none."""
        kind = self._routing["Type"]
        if kind == "CANARY":
            yield self._share(self._routing["CanarySize"], instances)
        elif kind == "LINEAR":
            step = self._share(self._routing["LinearStepSize"], instances)
            # Counted, not summed: ten tenths add up to less than one.
            for number in range(1, math.ceil(round(1 / step, 6))):
                yield number * step
        yield 1.0

    @staticmethod
    def _share(size: Mapping[str, Any], instances: int) -> float:
        value = float(size["Value"])
        return value / 100 if size["Type"] == "CAPACITY_PERCENT" else min(value / instances, 1.0)

    def _bake(self, started: float) -> None:
        end = time.monotonic() + seconds_here(float(self._routing.get("WaitIntervalInSeconds") or 0))
        while True:
            account, region, name = self._key
            off = alarms.in_alarm(account, region, self._alarms)
            if off:
                raise RolledBackError(
                    f"The deployment of endpoint {name} was rolled back: alarm(s) {', '.join(off)} went off."
                )
            if (time.monotonic() - started) * speed() > self._most_seconds:
                raise RolledBackError(
                    f"The deployment of endpoint {name} took longer than {self._most_seconds:g} s and was rolled back."
                )
            if time.monotonic() >= end:
                return
            time.sleep(POLL_SECONDS)
