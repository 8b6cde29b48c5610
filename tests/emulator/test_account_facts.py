"""Facts of an account as they are described, and set over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from werkzeug.test import Client

from emulator.account.facts import AccountBook, Facts, FactsError, parse_facts
from emulator.account.settings import create_account_app

URL = "/_emulator/account?id=111111111111"


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ([], "an account is a JSON object with the fields"),
        ({"quota": {}}, r"unknown fields \['quota'\]: allowed are \['bedrock_models', 'denied'"),
        ({"quotas": []}, r"quotas must be a JSON object, not \[\]"),
        ({"quotas": {"g5": 1}}, "the key 'g5': allowed are quota codes such as L-1928E07B"),
        ({"quotas": {"L-1928E07B": -1}}, "the quota L-1928E07B must be a number from 0, or null"),
        ({"quotas": {"L-1928E07B": True}}, "must be a number from 0, or null where there is none, not True"),
        ({"subscribed": "no"}, "subscribed must be true or false, not 'no'"),
        ({"missing": ["weights"]}, r"missing has \['weights'\]: allowed are \['artifact'"),
        ({"missing": "artifact"}, "missing must be a list of texts"),
        ({"bedrock_models": {"m": {"terms": "AVAILABLE"}}}, "the model m has 'terms': allowed are"),
        ({"bedrock_models": {"m": {"agreement": "NO"}}}, "agreement of the model m is 'NO': allowed are AVAILABLE"),
        ({"bedrock_models": {"m": {"end_of_life": "soon"}}}, "is 'soon': allowed is a date, YYYY-MM-DD"),
        ({"not_offered": {"*": "g5.xlarge"}}, r"not_offered of \* must be a list of texts"),
        ({"denied": ["ListEndpoints"]}, "allowed are IAM actions such as sagemaker:ListEndpoints"),
    ],
)
def test_a_wrong_description_says_what_is_allowed(described: Any, message: str) -> None:
    with pytest.raises(FactsError, match=message):
        parse_facts(described)


def test_facts_are_of_one_account_until_they_are_taken_back() -> None:
    book = AccountBook()
    client = Client(create_account_app(book))

    assert client.put(URL, json={"subscribed": False}).status_code == 200
    assert (client.get(URL).json or {})["subscribed"] is False
    assert book.facts("111111111111") == Facts(subscribed=False)
    assert book.facts("222222222222") == Facts()
    assert client.delete(URL).status_code == 200
    assert book.facts("111111111111") == Facts()


@pytest.mark.parametrize(
    ("url", "method", "status", "message"),
    [
        ("/_emulator/account", "PUT", 400, "id is '': allowed are the 12 digits of an account"),
        (URL, "POST", 405, "POST is not allowed: use PUT, GET or DELETE"),
        (URL, "PUT", 400, "the body is not JSON"),
    ],
)
def test_a_wrong_request_says_why(url: str, method: str, status: int, message: str) -> None:
    answer = Client(create_account_app(AccountBook())).open(url, method=method, data="{")

    assert answer.status_code == status
    assert message in (answer.json or {})["message"]
