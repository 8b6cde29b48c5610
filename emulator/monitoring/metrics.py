"""Puts what the emulated services publish into moto's CloudWatch, and reads it back by period."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from moto.cloudwatch.models import CloudWatchBackend, MetricDatum, cloudwatch_backends

from emulator.monitoring import clock

KEPT = 20_000
"""How many values a region keeps: old ones make room, so that a long run does not fill the memory."""
_lock = threading.Lock()


@dataclass(frozen=True)
class MetricKey:
    """What identifies a metric: its dimensions are matched as a whole."""

    namespace: str
    name: str
    dimensions: Mapping[str, str]


SOURCES: dict[str, Callable[[CloudWatchBackend, MetricKey], list[float]]] = {}
"""Namespaces whose metrics are not stored, but follow from what there is; each gives the values of one period."""


def publish(
    account: str, region: str, namespace: str, values: Mapping[str, float], dimensions: Mapping[str, str]
) -> None:
    """Publish one value for each metric, all with the same dimensions."""
    named = [{"Name": name, "Value": value} for name, value in dimensions.items()]
    now = clock.now()
    backend = cloudwatch_backends[account][region]
    data = [MetricDatum(namespace, name, value, named, now) for name, value in values.items()]
    with _lock:
        backend.metric_data.extend(data)
        del backend.metric_data[:-KEPT]


def values_between(backend: CloudWatchBackend, metric: MetricKey, start: datetime, end: datetime) -> list[float]:
    """Values of one metric from `start` (not included) to `end`."""
    if metric.namespace in SOURCES:
        return SOURCES[metric.namespace](backend, metric)
    with _lock:
        data = list(backend.metric_data)
    found = []
    for datum in reversed(data):
        if datum.timestamp <= start:
            # In the order in which they came.
            break
        if (
            datum.timestamp <= end
            and (datum.namespace, datum.name) == (metric.namespace, metric.name)
            and {item.name: item.value for item in datum.dimensions} == metric.dimensions
        ):
            found.append(float(datum.value))
    return found[::-1]


def statistic(values: Sequence[float], name: str) -> float | None:
    """A statistic of values as CloudWatch names it: `Sum`, `Average`, `p95`...; None of none, but for a sample count.

    Raises ValueError for a statistic that is not emulated.
    """
    if name == "SampleCount":
        return float(len(values)) if values else None
    if not values:
        return None
    if name.startswith("p") and name[1:].replace(".", "", 1).isdigit():
        position = max(math.ceil(float(name[1:]) / 100 * len(values)), 1) - 1
        return sorted(values)[position]
    simple = {"Sum": math.fsum, "Minimum": min, "Maximum": max, "Average": lambda found: math.fsum(found) / len(found)}
    if name not in simple:
        message = f"the statistic {name!r} is not emulated: use {', '.join(simple)}, SampleCount or a percentile"
        raise ValueError(message)
    return float(simple[name](values))  # type: ignore[operator]
