"""List prices of the services that an environment uses beside its model, by region."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stacks.catalog.model import CatalogError, Provenance
from stacks.catalog.reader import CATALOG_DIRECTORY, CatalogValue, read_document

SERVICE_PRICES_FILE = "service_prices.json"
FALLBACK_REGION = "us-east-1"
"""Whose price stands for a region that has none in the catalog."""


@dataclass(frozen=True, kw_only=True)
class RegionalPrice:
    """The price of one unit in USD, as its source states it for `region`."""

    usd: float
    region: str
    provenance: Provenance


@dataclass(frozen=True, kw_only=True)
class ServicePrice:
    """One price of a price list. `unit` is what `usd` is for, such as `million requests`."""

    name: str
    what: str
    unit: str
    prices: Mapping[str, RegionalPrice]

    def of(self, region: str) -> RegionalPrice:
        """Return the region's price, else that of `FALLBACK_REGION`, else the first that has a source."""
        return self.prices.get(region) or self.prices.get(FALLBACK_REGION) or next(iter(self.prices.values()))


def service_price(name: str) -> ServicePrice:
    """Return a price by its name in the catalog, such as `lambda_requests`.

    Raises:
        CatalogError: the catalog has no such price, or cannot be read.
    """
    prices = load_service_prices()
    if name not in prices:
        raise CatalogError(f"{SERVICE_PRICES_FILE} has no price {name!r}.", allowed=prices)
    return prices[name]


@cache
def load_service_prices() -> Mapping[str, ServicePrice]:
    """The committed file. Read once per process.

    Raises:
        CatalogError: it is missing, is not JSON or has another shape than expected.
    """
    return parse_service_prices(read_document(CATALOG_DIRECTORY / SERVICE_PRICES_FILE))


def parse_service_prices(document: Any) -> Mapping[str, ServicePrice]:
    """The prices that the content of the file describes.

    Raises:
        CatalogError: it has another shape than expected.
    """
    return {name: _read(name, value) for name, value in CatalogValue(document, SERVICE_PRICES_FILE).mapping().items()}


def _read(name: str, value: CatalogValue) -> ServicePrice:
    fields = value.fields(("what", "unit", "prices"))
    prices = {}
    for region, one in fields["prices"].mapping().items():
        provenance: dict[str, Provenance] = {}
        found = one.group(name, provenance, "usd")
        prices[region] = RegionalPrice(usd=found["usd"].price(), region=region, provenance=provenance[name])
    return ServicePrice(name=name, what=fields["what"].text(), unit=fields["unit"].text(), prices=prices)
