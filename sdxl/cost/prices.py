"""Prices with their date, source and region, and how long an image takes where that is known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sdxl.cost.amounts import UNKNOWN, Amount
from sdxl.errors import UsageError
from stacks.catalog import InstanceType
from stacks.catalog.bedrock import BedrockCatalog
from stacks.catalog.service_prices import service_price


@dataclass(frozen=True, kw_only=True)
class Price:
    """One price. `usd` is None where no source states it, `region` where the source names none."""

    usd: float | None
    unit: str
    as_of: str
    source: str
    region: str | None

    @property
    def amount(self) -> Amount:
        """The price of one unit."""
        return UNKNOWN if self.usd is None else Amount(self.usd)

    def text(self, region: str | None = None) -> str:
        """Return it for people; for another `region` than the price's, it says so."""
        if self.usd is None:
            return f"unknown per {self.unit} ({self.as_of})"
        of = f", {self.region}" if self.region else ""
        if self.is_of_other_region(region):
            of = f", {self.region}'s: {region}'s is unknown"
        return f"{self.usd:g} per {self.unit} ({self.as_of}{of})"

    def is_of_other_region(self, region: str | None) -> bool:
        """True when the price is another region's than `region`."""
        return None not in (region, self.region) and region != self.region

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "usd": self.usd,
            "unit": self.unit,
            "as_of": self.as_of,
            "source": self.source,
            "region": self.region,
        }


API_GATEWAY_TIER = 333_000_000
"""Requests a month from which API Gateway's price is lower than the catalog's. Source: API Gateway price page."""


def listed_price(name: str, region: str) -> Price:
    """Return a price of the catalog's service prices, for a region or for the one that stands for it."""
    found = service_price(name)
    regional = found.of(region)
    return Price(
        usd=regional.usd,
        unit=found.unit,
        as_of=regional.provenance.as_of,
        source=regional.provenance.source,
        region=regional.region,
    )


def instance_price(instance: InstanceType) -> Price:
    """Return the price of one instance and hour, without any Marketplace software charge."""
    return Price(
        usd=instance.usd_per_hour,
        unit="instance and hour",
        as_of=instance.price_as_of,
        source=instance.price_source,
        region=instance.price_region,
    )


def bedrock_prices(catalog: BedrockCatalog, model_id: str) -> dict[str, Price]:
    """Return the prices of an image by condition; where the catalog has none, one that is unknown."""
    provenance = catalog.provenance["bedrock.prices"]
    by_condition: dict[str, float | None] = {**catalog.model(model_id).usd_per_image} or {"any": None}
    return {
        condition: Price(usd=usd, unit="image", as_of=provenance.as_of, source=provenance.source, region=None)
        for condition, usd in by_condition.items()
    }


PUBLISHED = "published"
_PUBLISHED_SECONDS = 9.4
_PUBLISHED_FOR = "NVIDIA A10G"
PUBLISHED_SOURCE = (
    "published figure for an NVIDIA A10, 30 steps, 1024x1024, undated; ml.g5 has the A10G, and its software differs: "
    "measure your own"
)


@dataclass(frozen=True, kw_only=True)
class Throughput:
    """How long one instance takes for one image, one after the other; None where it is unknown."""

    seconds_per_image: float | None
    source: str

    @property
    def images_per_hour(self) -> float | None:
        """Images that one instance draws in an hour."""
        return None if self.seconds_per_image is None else 3600 / self.seconds_per_image

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {"seconds_per_image": self.seconds_per_image, "source": self.source}


def throughput(wanted: float | str | None, instance: InstanceType) -> Throughput:
    """Return the throughput of `instance`: what the user measured, what is published for its GPU, or unknown."""
    if wanted is None:
        return Throughput(seconds_per_image=None, source="unknown: give --seconds-per-image as you measured it")
    if wanted != PUBLISHED:
        return Throughput(seconds_per_image=float(wanted), source="given with --seconds-per-image")
    if instance.gpu == _PUBLISHED_FOR:
        return Throughput(seconds_per_image=_PUBLISHED_SECONDS, source=PUBLISHED_SOURCE)
    return Throughput(
        seconds_per_image=None,
        source=f"unknown: the published figure is of an NVIDIA A10, and {instance.name} has {instance.gpu}",
    )


def seconds_per_image(text: str | None) -> float | str | None:
    """Return what `--seconds-per-image` was given: a number, or the word `published`.

    Raises:
        UsageError: it is neither.
    """
    if text is None or text == PUBLISHED:
        return text
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds > 0):
        raise UsageError(
            f"--seconds-per-image: received {text!r}. Allowed are a number above 0, as you measured it on one "
            f"instance, or the word {PUBLISHED!r} for the published figure of an NVIDIA A10 ({_PUBLISHED_SECONDS} s "
            "for 30 steps)."
        )
    return seconds
