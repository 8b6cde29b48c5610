"""Faults as they are described, counted and set over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from emulator.faults import Fault, FaultBoard, FaultError, FaultKind, create_faults_app, parse_fault


def test_a_fault_happens_as_often_as_it_says() -> None:
    board = FaultBoard()
    board.put(Fault(FaultKind.THROTTLED, times=2))

    assert [board.take("any") is not None for _ in range(3)] == [True, True, False]


def test_a_fault_without_times_lasts_until_it_is_cleared() -> None:
    board = FaultBoard()
    board.put(Fault(FaultKind.EMPTY))

    assert all(board.take("any") for _ in range(5))
    board.clear()
    assert board.take("any") is None


def test_a_fault_of_one_endpoint_spares_the_others() -> None:
    board = FaultBoard()
    board.put(Fault(FaultKind.EMPTY, endpoint="mine", times=1))

    assert board.take("other") is None
    assert board.take("mine")


def test_a_rollback_happens_to_updates_and_to_no_invocation() -> None:
    board = FaultBoard()
    board.put(Fault(FaultKind.SILENT_ROLLBACK, endpoint="mine", times=1))

    assert board.take("mine") is None
    assert board.take("other", of_update=True) is None
    assert board.take("mine", of_update=True)
    assert board.current() is None


def test_a_fault_of_the_model_happens_to_no_update() -> None:
    board = FaultBoard()
    board.put(Fault(FaultKind.EMPTY))

    assert board.take("any", of_update=True) is None


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ([], "a fault is a JSON object"),
        ({}, "fault None is not known: allowed are ['slow', 'queued', 'throttled'"),
        ({"fault": "explode"}, "fault 'explode' is not known"),
        ({"fault": "slow", "colour": "red"}, "unknown fields ['colour']"),
        ({"fault": "slow", "times": 0}, "times must be at least 1, not 0"),
        ({"fault": "slow", "times": True}, "times must be int or null, not True"),
        ({"fault": "slow", "seconds": -1}, "seconds must be from 0 to 600, not -1"),
        ({"fault": "slow", "status": 400}, "status is for client_error and server_error, not for slow"),
        ({"fault": "client_error", "status": 500}, "status of client_error must be from 400 to 499, not 500"),
    ],
)
def test_a_wrong_description_is_refused_with_what_is_allowed(described: Any, message: str) -> None:
    with pytest.raises(FaultError) as caught:
        parse_fault(described)

    assert message in str(caught.value)


def test_faults_are_set_shown_and_ended_over_http() -> None:
    http = Client(create_faults_app(FaultBoard()))

    put = http.put("/_emulator/faults", json={"fault": "client_error", "times": 2, "message": "no"})
    shown = http.get("/_emulator/faults")
    deleted = http.delete("/_emulator/faults")

    assert put.status_code == 200
    assert shown.json["fault"] == "client_error"
    assert shown.json["times_left"] == 2
    assert deleted.json == {}


def test_wrong_input_over_http_is_a_400_that_explains() -> None:
    http = Client(create_faults_app(FaultBoard()))

    assert "not JSON" in http.put("/_emulator/faults", data="{").json["message"]
    assert "is not known" in http.put("/_emulator/faults", json={"fault": "x"}).json["message"]
    assert http.post("/_emulator/faults").status_code == 405
