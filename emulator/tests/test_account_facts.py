"""Facts of an account as they are described, and set over HTTP."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import Client

from emulator.account.facts import AccountBook, AccountFacts, FactsError, parse_account_facts, read_aws_facts
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
        parse_account_facts(described)


@pytest.mark.parametrize(
    ("described", "message"),
    [
        ([], "the facts of AWS is a JSON object with the fields"),
        ({"quotas": {}}, r"unknown fields \['quotas'\]: allowed are \['artifacts', 'bedrock_models'"),
        ({"endpoint_quotas": {"g5": "ml.g5.xlarge"}}, "endpoint_quotas has the key 'g5': allowed are quota codes"),
        ({"endpoint_quotas": {"L-1928E07B": "g5.xlarge"}}, "is of 'g5.xlarge': allowed are instance types such as ml."),
        ({"artifacts": ["https://a/b"]}, "artifacts has 'https://a/b': allowed is the form s3://bucket/key"),
        ({"container_images": ["repository:tag"]}, "container_images has 'repository:tag': allowed is the form"),
        ({"container_images": "x"}, "container_images must be a list of texts"),
        ({"model_packages": {"one": []}}, "model_packages has the key 'one': allowed are ARNs of model packages"),
        (
            {"model_packages": {"arn:aws:sagemaker:us-east-1:111111111111:model-package/one": 1}},
            "model_packages of arn:.* must be a list of texts",
        ),
        ({"bedrock_models": {"m": {"name": "M"}}}, "it needs name and lifecycle, and may have end_of_life"),
        ({"bedrock_models": {"m": {"name": 1, "lifecycle": "ACTIVE"}}}, "name of the model m must be a text, not 1"),
        ({"bedrock_models": {"m": {"name": "M", "lifecycle": "OLD"}}}, "is 'OLD': allowed are ACTIVE, LEGACY"),
        (
            {"bedrock_models": {"m": {"name": "M", "lifecycle": "LEGACY", "end_of_life": "soon"}}},
            "end_of_life of the model m is 'soon': allowed is a date",
        ),
    ],
)
def test_wrong_facts_of_aws_say_what_is_allowed(described: Any, message: str, tmp_path: Path) -> None:
    file = tmp_path / "facts.json"
    file.write_text(json.dumps(described))

    with pytest.raises(FactsError, match=message):
        read_aws_facts(file)


def test_facts_are_of_one_account_until_they_are_deleted() -> None:
    book = AccountBook()
    client = Client(create_account_app(book))

    assert client.put(URL, json={"subscribed": False}).status_code == 200
    assert (client.get(URL).json or {})["subscribed"] is False
    assert book.facts("111111111111") == AccountFacts(subscribed=False)
    assert book.facts("222222222222") == AccountFacts()
    assert client.delete(URL).status_code == 200
    assert book.facts("111111111111") == AccountFacts()


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
