"""Prices of services: the committed file, and its reader."""

from __future__ import annotations

from typing import Any

import pytest

from stacks.catalog import CatalogError
from stacks.catalog.service_prices import load_service_prices, parse_service_prices, service_price

ROW = {"usd": 0.5, "as_of": "2026-10", "source": "https://example.com/prices"}
PRICE: dict[str, Any] = {"what": "logs", "unit": "GB", "prices": {"eu-west-1": ROW, "us-east-1": {**ROW, "usd": 0.4}}}


def test_every_price_has_a_source_that_a_reader_can_open() -> None:
    prices = load_service_prices()

    assert len(prices) > 20
    for price in prices.values():
        for regional in price.prices.values():
            assert regional.provenance.source.startswith("https://"), price.name
            assert regional.provenance.as_of >= "2026"


def test_region_has_its_own_price_before_that_of_us_east_1() -> None:
    price = parse_service_prices({"log_gb": PRICE})["log_gb"]

    assert (price.of("eu-west-1").usd, price.of("eu-west-1").region) == (0.5, "eu-west-1")
    assert (price.of("sa-east-1").usd, price.of("sa-east-1").region) == (0.4, "us-east-1")


def test_price_that_only_another_region_has_stands_for_all() -> None:
    price = parse_service_prices({"log_gb": {**PRICE, "prices": {"eu-west-1": ROW}}})["log_gb"]

    assert price.of("us-east-1").region == "eu-west-1"


def test_price_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(CatalogError, match="has no price 'unicorns'") as caught:
        service_price("unicorns")

    assert "kms_keys" in caught.value.allowed


@pytest.mark.parametrize(
    "change",
    [
        {"prices": {}},
        {"prices": {"us-east-1": {**ROW, "usd": 0}}},
        {"prices": {"us-east-1": {**ROW, "usd": "0.5"}}},
        {"prices": {"us-east-1": {**ROW, "as_of": "lately"}}},
        {"prices": {"us-east-1": {"usd": 0.5, "as_of": "2026"}}},
        {"unit": ""},
        {"more": 1},
    ],
)
def test_price_of_another_shape_is_an_error(change: dict[str, Any]) -> None:
    with pytest.raises(CatalogError, match=r"service_prices\.json"):
        parse_service_prices({"log_gb": {**PRICE, **change}})
