"""What `sdxl environments check` warns of: mail that nobody gets, roles that stay, facts that are old."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest

from stacks.environment import Environment, environment_warnings

TODAY = date(2026, 11, 30)


def environment(**settings: Any) -> Environment:
    base = {"name": "test", "account": "111122223333", "region": "us-west-2", "model": {"source": "open"}}
    return Environment.model_validate({**base, **settings})


def test_plain_environment_has_no_warnings() -> None:
    assert environment_warnings(environment(), TODAY) == ()


@pytest.mark.parametrize("address", ["ops@example.com", "ops@mail.example.org", "ops@corp.example", "ops@corp.invalid"])
def test_address_that_gets_no_mail_is_a_warning(address: str) -> None:
    (warning,) = environment_warnings(environment(operations={"emails": [address]}), TODAY)

    assert warning.startswith(f"operations.emails: {address} is an address of documentation")


def test_real_address_is_none() -> None:
    assert environment_warnings(environment(operations={"emails": ["ops@notexample.com"]}), TODAY) == ()


def test_role_that_stays_of_an_environment_to_be_deleted_is_a_warning() -> None:
    storage = {"on_destroy": "delete"}
    (warning,) = environment_warnings(environment(storage=storage), TODAY)

    assert warning.startswith("api.gateway_log_role: ")
    assert environment_warnings(environment(storage=storage, api={"gateway_log_role": "existing"}), TODAY) == ()


@pytest.mark.parametrize(("day", "is_old"), [(date(2027, 11, 23), False), (date(2027, 11, 24), True)])
def test_fact_older_than_a_year_is_a_warning(day: date, is_old: bool) -> None:
    warnings = environment_warnings(environment(), day)

    assert any("open.containers is of 2026-11-23" in warning for warning in warnings) is is_old


def test_facts_of_other_model_sources_are_not_looked_at() -> None:
    bedrock = environment(model={"source": "bedrock", "model_id": "stability.stable-image-core-v1:1"})
    warnings = environment_warnings(bedrock, date(2030, 1, 1))

    assert {warning.partition(" is of ")[0] for warning in warnings} == {
        "the catalog's bedrock.models",
        "the catalog's bedrock.inference_profiles",
    }


def test_instance_pools_are_looked_at_where_there_are_several_types() -> None:
    several = environment(endpoint={"instance_types": ["ml.g5.4xlarge", "ml.g5.8xlarge"]})

    assert any("service_regions.instance_pools" in one for one in environment_warnings(several, date(2028, 1, 1)))


def test_mode_that_the_image_api_cannot_call_is_a_warning() -> None:
    (warning,) = environment_warnings(environment(endpoint={"mode": "asynchronous"}), TODAY)

    assert warning.startswith("endpoint.mode: the image API does not call an asynchronous endpoint")
