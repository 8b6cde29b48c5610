"""Which metrics alarms and dashboards look at, and which ones somebody publishes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from image_api.metric_names import METRICS, NAMESPACE
from infrastructure_synthesis import Template, resources

SERVICES = json.loads(Path(__file__).with_name("published_metrics.json").read_text())["namespaces"]
# A percentile or an average of a count says nothing; a sum of a time or a percentage neither.
STATISTICS = {
    "None": {"Sum"},
    "Count": {"Sum", "Maximum"},
    "Microseconds": {"p50", "p95", "p99", "Average", "Maximum"},
    "Milliseconds": {"p50", "p95", "p99", "Average", "Maximum"},
    "Seconds": {"p50", "p95", "p99", "Average", "Maximum"},
    "Flag": {"Average", "Maximum"},
    "Percent": {"Average", "Maximum", "SampleCount"},
}


@dataclass(frozen=True)
class Watched:
    """A metric as an alarm or a dashboard asks for it."""

    by: str
    namespace: str
    name: str
    dimensions: tuple[str, ...]
    statistic: str


def watched_by_alarms(template: Template) -> Iterator[Watched]:
    for resource in resources(template, "AWS::CloudWatch::Alarm").values():
        alarm = resource["Properties"]
        queries = [query["MetricStat"] for query in alarm.get("Metrics", []) if "MetricStat" in query]
        for query in queries:
            yield _watched(alarm["AlarmName"], query["Metric"], query["Stat"])
        if not queries:
            yield _watched(alarm["AlarmName"], alarm, alarm.get("Statistic") or alarm["ExtendedStatistic"])


def watched_by_dashboards(template: Template) -> Iterator[Watched]:
    for resource in resources(template, "AWS::CloudWatch::Dashboard").values():
        body = resource["Properties"]["DashboardBody"]
        # Names that are known only once deployed.
        text = body if isinstance(body, str) else "".join(p if isinstance(p, str) else "?" for p in body["Fn::Join"][1])
        for widget in json.loads(text)["widgets"]:
            for namespace, name, *rest in widget["properties"].get("metrics", []):
                dimensions = tuple(sorted(rest[:-1:2]))
                yield Watched(widget["properties"]["title"], namespace, name, dimensions, rest[-1]["stat"])


def problem_of(watched: Watched, templates: dict[str, Template]) -> str | None:
    """What is wrong with a metric that is watched, or None: somebody publishes it, and the statistic makes sense."""
    if watched.namespace == NAMESPACE:
        unit, sets = METRICS.get(watched.name, (None, ()))
        known = [tuple(sorted(names)) for names in sets]
    elif watched.namespace in SERVICES:
        unit = SERVICES[watched.namespace]["metrics"].get(watched.name)
        service = SERVICES[watched.namespace]
        sets = service.get("own_dimension_sets", {}).get(watched.name, service["dimension_sets"])
        known = [tuple(sorted(names)) for names in sets]
    else:
        unit, known = ("Count", [()]) if (watched.namespace, watched.name) in _from_logs(templates) else (None, [])
    if unit is None:
        return f"{watched}: nobody publishes it"
    if watched.dimensions not in known:
        return f"{watched}: published with the dimensions {known}"
    if watched.statistic not in STATISTICS[unit]:
        return f"{watched}: makes no sense of a metric in {unit}"
    return None


def _from_logs(templates: dict[str, Template]) -> set[tuple[str, str]]:
    return {
        (transformation["MetricNamespace"], transformation["MetricName"])
        for template in templates.values()
        for resource in resources(template, "AWS::Logs::MetricFilter").values()
        for transformation in resource["Properties"]["MetricTransformations"]
    }


def _watched(by: str, metric: dict[str, Any], statistic: str) -> Watched:
    dimensions = tuple(sorted(item["Name"] for item in metric.get("Dimensions", [])))
    return Watched(by, metric["Namespace"], metric["MetricName"], dimensions, statistic)
