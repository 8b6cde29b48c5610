"""Writes what the data plane has to say into moto's CloudWatch Logs, where the deployed settings want it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from typing import Any

from moto.logs.models import logs_backends

from emulator.monitoring.log_metrics import publish_from_lines

_lock = threading.Lock()


def put_lines(account: str, region: str, group: str, stream: str, lines: Iterable[str]) -> None:
    """Append lines to a log stream with the time now; the group and stream are made where they are missing."""
    now = int(time.time() * 1000)
    events: list[dict[str, Any]] = [{"timestamp": now, "message": line} for line in lines]
    if not events:
        return
    backend = logs_backends[account][region]
    # moto's log backend takes no lock of its own.
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
