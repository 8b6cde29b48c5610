"""Subsegments: what is sent to the daemon, and that a trace never gets in the way."""

from __future__ import annotations

import json
import socket
from typing import Any

import pytest
from image_api import tracing
from image_api.tracing import subsegment
from image_api_fakes import ApplicationUnderTest

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"


class FakeSocket:
    """Keeps what is sent."""

    sent: list[tuple[bytes, tuple[str, int]]]
    error: OSError | None

    def __init__(self, *_: object) -> None:
        pass

    def __enter__(self) -> FakeSocket:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def setblocking(self, blocking: bool) -> None:
        assert not blocking

    def sendto(self, payload: bytes, address: tuple[str, int]) -> None:
        if FakeSocket.error:
            raise FakeSocket.error
        FakeSocket.sent.append((payload, address))


@pytest.fixture(autouse=True)
def _daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    FakeSocket.sent, FakeSocket.error = [], None
    monkeypatch.setattr(tracing.socket, "socket", FakeSocket)
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", "169.254.79.129:2000")
    monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)


def documents() -> list[dict[str, Any]]:
    found = []
    for payload, _ in FakeSocket.sent:
        header, _, document = payload.decode().partition("\n")
        assert json.loads(header) == {"format": "json", "version": 1}
        found.append(json.loads(document))
    return found


def test_a_subsegment_hangs_below_lambdas_segment() -> None:
    with subsegment("model") as trace:
        trace.annotations["variant"] = "primary"

    (document,) = documents()
    assert FakeSocket.sent[0][1] == ("169.254.79.129", 2000)
    assert document["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
    assert document["parent_id"] == "53995c3f42cd8ad8"
    assert (document["type"], document["namespace"], document["fault"]) == ("subsegment", "remote", False)
    assert document["annotations"] == {"variant": "primary"}
    assert document["end_time"] >= document["start_time"]
    assert len(document["id"]) == 16


def test_a_failure_is_a_fault_and_goes_on() -> None:
    with pytest.raises(KeyError), subsegment("model"):
        raise KeyError

    assert documents()[0]["fault"] is True


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("_X_AMZN_TRACE_ID", TRACE.replace("Sampled=1", "Sampled=0")),
        ("_X_AMZN_TRACE_ID", "Root=1-5759e988-bd862e3fe1be46a994272793"),
        ("_X_AMZN_TRACE_ID", ""),
        ("AWS_XRAY_DAEMON_ADDRESS", ""),
        ("AWS_XRAY_DAEMON_ADDRESS", "no port"),
    ],
)
def test_what_is_not_sampled_or_has_no_daemon_sends_nothing(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with subsegment("model"):
        pass

    assert FakeSocket.sent == []


def test_a_daemon_that_cannot_be_reached_fails_nothing(api: ApplicationUnderTest) -> None:
    FakeSocket.error = OSError("unreachable")

    assert api.generate().status == 200


def test_a_request_is_traced_from_the_models_call_to_the_answer(api: ApplicationUnderTest) -> None:
    api.generate(steps=20)

    model, answer = documents()
    assert model["annotations"] == {"endpoint": "sdxl-dev", "variant": "primary", "source": "optimized"}
    assert model["metadata"]["default"] == {"samples": 1, "steps": 20}
    assert (answer["name"], answer["namespace"]) == ("answer", "local")
    assert "puppy" not in str(FakeSocket.sent)


def test_the_daemon_is_reached_by_udp() -> None:
    assert tracing.socket.SOCK_DGRAM == socket.SOCK_DGRAM
