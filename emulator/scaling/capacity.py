"""How many instances a variant has, and copies an inference component: what is wanted, and what serves already.

An instance that is added starts for five minutes of AWS; one that is removed is gone at once. Instances of a component
that lost its copies go ten minutes later ("Scale an endpoint to zero instances").
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from moto.sagemaker.models import sagemaker_backends

from emulator.monitoring.clock import seconds_here

START_SECONDS = 300.0
RELEASE_SECONDS = 600.0

VARIANT_DIMENSION = "sagemaker:variant:DesiredInstanceCount"
COMPONENT_DIMENSION = "sagemaker:inference-component:DesiredCopyCount"


class Scaled(ABC):
    """A resource whose count a policy changes."""

    def __init__(self) -> None:
        self.starting: list[tuple[datetime, int]] = []

    @property
    @abstractmethod
    def desired(self) -> int:
        """How many there shall be."""

    @property
    @abstractmethod
    def current(self) -> int:
        """How many serve."""

    @abstractmethod
    def _store(self, *, desired: int, current: int) -> None: ...

    def scale(self, count: int, now: datetime) -> None:
        """Change how many there shall be. What is added serves after its start."""
        added = count - self.desired
        if added > 0:
            self.starting.append((now + timedelta(seconds=seconds_here(START_SECONDS)), added))
            self._store(desired=count, current=self.current)
        elif added < 0:
            self.starting.clear()
            self._store(desired=count, current=min(self.current, count))

    def settle(self, now: datetime) -> None:
        """Let serve what has started by now."""
        ready = [count for at, count in self.starting if at <= now]
        if ready:
            self.starting = [(at, count) for at, count in self.starting if at > now]
            self._store(desired=self.desired, current=min(self.current + sum(ready), self.desired))


class ScaledVariant(Scaled):
    """A production variant of an endpoint, as moto keeps it."""

    def __init__(self, variant: dict[str, Any]) -> None:
        super().__init__()
        self.variant = variant

    @property
    def desired(self) -> int:
        """Instances that there shall be."""
        return int(self.variant.get("DesiredInstanceCount", self.current))

    @property
    def current(self) -> int:
        """Instances that serve."""
        return int(self.variant.get("CurrentInstanceCount", 1))

    def _store(self, *, desired: int, current: int) -> None:
        self.variant |= {"DesiredInstanceCount": desired, "CurrentInstanceCount": current}


@dataclass
class _Component:
    """What is known of an inference component. `settings` are the request's members."""

    name: str
    arn: str
    endpoint_name: str
    variant_name: str
    settings: dict[str, Any]
    created: datetime
    changed: datetime
    desired: int = 1
    current: int = 1
    in_flight: int = 0
    unused_since: datetime | None = None
    tags: list[dict[str, str]] = field(default_factory=list)


class ScaledComponent(Scaled):
    """An inference component, with the instances that its copies are on."""

    def __init__(self, component: _Component) -> None:
        super().__init__()
        self.component = component

    @property
    def desired(self) -> int:
        """Copies that there shall be."""
        return self.component.desired

    @property
    def current(self) -> int:
        """Copies that serve."""
        return self.component.current

    def _store(self, *, desired: int, current: int) -> None:
        self.component.desired, self.component.current = desired, current

    def place(self, variant: dict[str, Any], now: datetime) -> None:
        """Give the variant the instances that the copies need, and take away those that were unused for long."""
        least = int((variant.get("ManagedInstanceScaling") or {}).get("MinInstanceCount", 1))
        needed, there = max(least, self.desired), int(variant.get("CurrentInstanceCount", 1))
        count = max(there, self.current)
        if there <= needed:
            self.component.unused_since = None
        elif self.component.unused_since is None:
            self.component.unused_since = now
        elif now - self.component.unused_since >= timedelta(seconds=seconds_here(RELEASE_SECONDS)):
            count, self.component.unused_since = needed, None
        variant |= {"CurrentInstanceCount": count, "DesiredInstanceCount": max(count, needed)}


class Capacities:
    """Everything that is scaled, by account, region and resource id."""

    def __init__(self) -> None:
        self._variants: dict[tuple[str, str, str], ScaledVariant] = {}
        self.components: dict[tuple[str, str, str], ScaledComponent] = {}

    def variant(self, account: str, region: str, endpoint_name: str, variant_name: str) -> ScaledVariant | None:
        """A variant of an endpoint that exists."""
        endpoint = sagemaker_backends[account][region].endpoints.get(endpoint_name)
        for found in endpoint.production_variants if endpoint else ():
            if found["VariantName"] == variant_name:
                key = (account, region, f"endpoint/{endpoint_name}/variant/{variant_name}")
                known = self._variants.get(key)
                # An update of the endpoint makes another record of the variant.
                if known is None or known.variant is not found:
                    known = self._variants[key] = ScaledVariant(found)
                return known
        return None

    def component(self, account: str, region: str, name: str) -> ScaledComponent | None:
        """An inference component that exists."""
        return self.components.get((account, region, name))

    def find(self, account: str, region: str, dimension: str, resource_id: str) -> Scaled | None:
        """What a scalable target speaks of; None where it is gone, or of a kind whose count nothing changes here."""
        if dimension == COMPONENT_DIMENSION:
            return self.component(account, region, resource_id.partition("/")[2])
        if dimension == VARIANT_DIMENSION:
            _, endpoint_name, _, variant_name = resource_id.split("/")
            if is_asynchronous(account, region, endpoint_name):
                return self.variant(account, region, endpoint_name, variant_name)
        return None

    def components_of(self, account: str, region: str, endpoint_name: str) -> list[ScaledComponent]:
        """The inference components of an endpoint."""
        return [
            found
            for (of_account, of_region, _), found in list(self.components.items())
            if (of_account, of_region, found.component.endpoint_name) == (account, region, endpoint_name)
        ]

    def settle(self, now: datetime) -> None:
        """Let serve what has started by now."""
        for scaled in [*self._variants.values(), *self.components.values()]:
            scaled.settle(now)
        for (account, region, _), scaled in list(self.components.items()):
            of = scaled.component
            placed = self.variant(account, region, of.endpoint_name, of.variant_name)
            if placed is not None:
                scaled.place(placed.variant, now)


CAPACITIES = Capacities()
InferenceComponent = _Component


def is_asynchronous(account: str, region: str, endpoint_name: str) -> bool:
    """Whether an endpoint takes asynchronous calls alone."""
    return bool(asynchronous_config(account, region, endpoint_name))


def asynchronous_config(account: str, region: str, endpoint_name: str) -> dict[str, Any]:
    """The AsyncInferenceConfig of an endpoint's configuration; empty where it has none."""
    backend = sagemaker_backends[account][region]
    endpoint = backend.endpoints.get(endpoint_name)
    config = backend.endpoint_configs.get(endpoint.endpoint_config_name) if endpoint else None
    return dict(getattr(config, "async_inference_config", None) or {})


def asynchronous_endpoints() -> Iterator[tuple[str, str, str]]:
    """Account, region and name of every endpoint that takes asynchronous calls."""
    for account, regions in list(sagemaker_backends.items()):
        for region, backend in list(regions.items()):
            for name in list(backend.endpoints):
                if is_asynchronous(account, region, name):
                    yield account, region, name
