"""Which regions lack a service: the committed file against the CloudFormation registry, and its reader."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from stacks.catalog import CatalogError
from stacks.catalog.service_regions import load_service_regions, missing_services, parse_service_regions

GROUP: dict[str, Any] = {
    "source": "a page",
    "as_of": "2026-10",
    "what": "a budget",
    "resource_types": ["AWS::Budgets::Budget"],
    "not_offered": ["eu-north-1"],
}


def registry() -> dict[str, set[str]]:
    """The resource types of each region of the commercial and the GovCloud partition, as cfn-lint ships them."""
    spec = find_spec("cfnlint")
    assert spec is not None
    assert spec.submodule_search_locations
    providers = Path(spec.submodule_search_locations[0]) / "data" / "schemas" / "providers"
    others = ("cn-", "us-iso", "eu-iso", "eusc-", "sam")
    return {
        path.stem: set(json.loads(path.read_text()))
        for path in providers.glob("*.json")
        if not path.stem.startswith(others)
    }


def test_regions_without_a_type_are_those_of_the_registry() -> None:
    regions = registry()
    assert len(regions) > 30

    for service in load_service_regions().values():
        for resource_type in service.resource_types:
            without = {region for region, types in regions.items() if resource_type not in types}
            assert set(service.not_offered) == without, (service.name, resource_type)


def test_region_without_a_service_is_named_with_it() -> None:
    (budget,) = missing_services("eu-north-1", ["budgets", "slack_channels", "sagemaker_endpoints"])

    assert budget.what == "a budget"
    assert budget.provenance.as_of == "2026-10-20"


def test_region_with_everything_lacks_nothing() -> None:
    assert missing_services("us-east-1", load_service_regions()) == ()


def test_instance_pools_are_in_sixteen_regions() -> None:
    pools = load_service_regions()["instance_pools"]

    assert len(pools.offered) == 16
    assert not pools.offers("eu-west-3")
    assert missing_services("eu-west-3", iter(["instance_pools"])) == (pools,)


def test_service_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(CatalogError, match="has budgets") as caught:
        missing_services("us-east-1", ["budget"])

    assert "instance_pools" in caught.value.allowed


@pytest.mark.parametrize(
    "change",
    [
        {"not_offered": []},
        {"not_offered": None},
        {"as_of": "October"},
        {"offered": ["us-east-1"]},
        {"what": ""},
        {"unknown": 1},
    ],
)
def test_group_of_another_shape_is_an_error(change: dict[str, Any]) -> None:
    assert parse_service_regions({"budgets": GROUP})
    with pytest.raises(CatalogError, match=r"service_regions\.json"):
        parse_service_regions({"budgets": {**GROUP, **change}})
