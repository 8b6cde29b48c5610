"""Subsegments of the function's X-Ray trace: the model's call and the image store, with their parameters.

Lambda writes the segment; what lies below is sent here to its daemon, one UDP datagram each (AWS X-Ray Developer Guide,
"Sending segment documents to the X-Ray daemon"). The X-Ray SDK for Python does the same at the price of its import, and
is in maintenance mode. A trace never fails or slows a request: what cannot be sent is lost.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

_HEADER = '{"format": "json", "version": 1}\n'
_TRACE_VARIABLE = "_X_AMZN_TRACE_ID"
_DAEMON_VARIABLE = "AWS_XRAY_DAEMON_ADDRESS"
# A datagram's limit at the daemon is 64 KB; ours have a few hundred bytes.


class Subsegment:
    """One part of a request. `annotations` can be searched by, `metadata` is only shown."""

    def __init__(self) -> None:
        self.annotations: dict[str, str | float | bool] = {}
        self.metadata: dict[str, Any] = {}


@contextmanager
def subsegment(name: str, *, namespace: str = "remote") -> Iterator[Subsegment]:
    """Time what happens inside as a subsegment `name`; an exception marks it as a fault and goes on.

    Nothing is sent where the request is not sampled, or where there is no daemon, as outside of Lambda.
    """
    found, started, fault = Subsegment(), time.time(), False
    try:
        yield found
    except BaseException:
        fault = True
        raise
    finally:
        parent = _parent(os.environ)
        if parent is not None:
            _send(_document(name, namespace, found, parent, started=started, fault=fault))


def _parent(variables: Mapping[str, str]) -> tuple[str, str, str] | None:
    """Trace id, id of the parent segment and the daemon's address; None where nothing is to be sent."""
    fields = dict(part.split("=", 1) for part in variables.get(_TRACE_VARIABLE, "").split(";") if "=" in part)
    address = variables.get(_DAEMON_VARIABLE, "")
    if fields.get("Sampled") != "1" or not address or "Root" not in fields or "Parent" not in fields:
        return None
    return fields["Root"], fields["Parent"], address


def _document(
    name: str, namespace: str, found: Subsegment, parent: tuple[str, str, str], *, started: float, fault: bool
) -> tuple[str, bytes]:
    trace_id, parent_id, address = parent
    document = {
        "name": name,
        "id": secrets.token_hex(8),
        "trace_id": trace_id,
        "parent_id": parent_id,
        "type": "subsegment",
        "namespace": namespace,
        "start_time": started,
        "end_time": time.time(),
        "fault": fault,
        "annotations": found.annotations,
        "metadata": {"default": found.metadata},
    }
    return address, (_HEADER + json.dumps(document)).encode()


def _send(message: tuple[str, bytes]) -> None:
    address, payload = message
    host, _, port = address.rpartition(":")
    # A fault of a trace does not concern the caller.
    with suppress(OSError, ValueError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(payload, (host, int(port)))
