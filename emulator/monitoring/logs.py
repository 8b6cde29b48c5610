"""Lines in CloudWatch Logs, and the metrics in them: metric filters and the embedded metric format."""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterable, Mapping
from typing import Any

from moto.logs.models import LogsBackend, logs_backends

from emulator.monitoring.metrics import publish

_TERM = re.compile(r'(?P<any>\?)?(?:"(?P<quoted>[^"]*)"|(?P<plain>[^\s"?]+))')


class FilterPatternError(ValueError):
    """A filter pattern of a kind that is not emulated."""


def parse_pattern(pattern: str) -> tuple[list[str], list[str]]:
    """The terms of which a line must hold all, and those of which it must hold one.

    Raises FilterPatternError for JSON, space-delimited and negated patterns.
    """
    if pattern.strip()[:1] in {"{", "["} or re.search(r'(^|\s)-"?\w', pattern):
        message = f"the filter pattern {pattern!r} is not emulated: use terms, each plain or with a ? before it"
        raise FilterPatternError(message)
    every: list[str] = []
    some: list[str] = []
    for match in _TERM.finditer(pattern):
        (some if match["any"] else every).append(match["quoted"] if match["plain"] is None else match["plain"])
    return every, some


def matches(pattern: str, line: str) -> bool:
    """Whether a line is one that the pattern looks for. Upper and lower case differ."""
    every, some = parse_pattern(pattern)
    return all(term in line for term in every) and (not some or any(term in line for term in some))


def publish_from_lines(account: str, region: str, group: str, lines: Iterable[str]) -> None:
    """Publish what a log group's metric filters, and the embedded metric format, find in lines."""
    backend: LogsBackend = logs_backends[account][region]
    filters = [found for found in backend.filters.metric_filters if found["logGroupName"] == group]
    for line in lines:
        if '"_aws"' in line:
            _publish_embedded(account, region, line)
        for found in filters:
            if matches(found["filterPattern"], line):
                for transformation in found["metricTransformations"]:
                    publish(
                        account,
                        region,
                        transformation["metricNamespace"],
                        {transformation["metricName"]: float(transformation["metricValue"])},
                        {},
                    )


def _publish_embedded(account: str, region: str, line: str) -> None:
    """Amazon CloudWatch User Guide, "Specification: Embedded metric format"."""
    try:
        record: Any = json.loads(line)
        directives = record["_aws"]["CloudWatchMetrics"]
    except (ValueError, KeyError, TypeError):
        # CloudWatch keeps the line and makes no metric of it.
        return
    for directive in directives:
        for names in directive.get("Dimensions") or [[]]:
            dimensions = {name: str(record[name]) for name in names if name in record}
            for name, value in _values(directive, record):
                publish(account, region, directive["Namespace"], {name: value}, dimensions)


def _values(directive: Mapping[str, Any], record: Mapping[str, Any]) -> Iterable[tuple[str, float]]:
    for metric in directive.get("Metrics", []):
        found = record.get(metric["Name"])
        for value in found if isinstance(found, list) else [found]:
            if isinstance(value, int | float):
                yield metric["Name"], float(value)


_lock = threading.Lock()


def put_lines(account: str, region: str, group: str, stream: str, lines: Iterable[str]) -> None:
    """Append lines to a log stream with the time now; the group and stream are made where they are missing."""
    now = int(time.time() * 1000)
    events: list[dict[str, Any]] = [{"timestamp": now, "message": line} for line in lines]
    if not events:
        return
    backend = logs_backends[account][region]
    # moto's log backend takes no lock.
    with _lock:
        backend.ensure_log_group(group)
        backend.ensure_log_stream(group, stream)
        backend.put_log_events(group, stream, events)
    publish_from_lines(account, region, group, (event["message"] for event in events))


def group_name(log_group_arn: str) -> tuple[str, str, str]:
    """The account, region and name in a log group's ARN, with or without `:*` at its end."""
    parts = log_group_arn.split(":", 6)
    if len(parts) != 7 or parts[2] != "logs":
        raise ValueError(
            f"{log_group_arn!r} is not the ARN of a log group: arn:aws:logs:<region>:<account>:log-group:<name>"
        )
    return parts[4], parts[3], parts[6].removesuffix(":*")
