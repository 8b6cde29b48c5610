"""Model sources side by side at one monthly volume, and the volumes from which an endpoint is the cheaper one."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from sdxl.cost.amounts import UNKNOWN, Amount, total
from sdxl.cost.prices import Price, Throughput, bedrock_prices, instance_price, throughput
from sdxl.cost.week import HOURS_PER_MONTH
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog


@dataclass(frozen=True, kw_only=True)
class SourceCost:
    """One model source. `instances` and `throughput` are None for Bedrock."""

    source: str
    model: str
    instances: int | None
    throughput: Throughput | None
    month: Amount
    per_image: Amount | None
    price: Price
    note: str

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "source": self.source,
            "model": self.model,
            "instances": self.instances,
            "throughput": None if self.throughput is None else self.throughput.as_json(),
            "month": self.month.as_json(),
            "per_image": None if self.per_image is None else self.per_image.as_json(),
            "price": self.price.as_json(),
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True)
class BreakEven:
    """From how many images a month one always-on instance costs no more than a Bedrock model.

    `bound` is `known`, `at least`, `unknown`, or `never`: a fully used instance costs more per image.
    """

    source: str
    instance_type: str
    bedrock_model: str
    images_per_month: int | None
    bound: str

    def text(self) -> str:
        """Return it for people."""
        if self.images_per_month is None:
            return self.bound
        return ("at least " if self.bound == "at least" else "") + f"{self.images_per_month:,}"

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "source": self.source,
            "instance_type": self.instance_type,
            "bedrock_model": self.bedrock_model,
            "images_per_month": self.images_per_month,
            "bound": self.bound,
        }


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """All sources at `images_per_month`."""

    images_per_month: int
    sources: tuple[SourceCost, ...]
    break_even: tuple[BreakEven, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "images_per_month": self.images_per_month,
            "sources": [source.as_json() for source in self.sources],
            "break_even": [one.as_json() for one in self.break_even],
            "notes": list(self.notes),
        }


def compare(images_per_month: int, seconds_per_image: float | str | None) -> Comparison:
    """Return every model source at `images_per_month`: endpoints on their default type, Bedrock's usable models."""
    catalog, bedrock = load_catalog(), load_bedrock_catalog()
    endpoints = [
        _endpoint(source, catalog.default_instance_type(source), images_per_month, seconds_per_image)
        for source in sorted(catalog.sources)
    ]
    models = [
        _model(model_id, condition, price, images_per_month)
        for model_id in bedrock.usable("text-to-image")
        for condition, price in bedrock_prices(bedrock, model_id).items()
    ]
    return Comparison(
        images_per_month=images_per_month,
        sources=(*endpoints, *models),
        break_even=tuple(break_even(endpoint, model) for endpoint in endpoints for model in models),
        notes=(
            (
                f"an endpoint runs {HOURS_PER_MONTH} hours a month, its instances as many as the volume needs when it "
                "is spread evenly over all of them; with an unknown number of seconds per image, one"
            ),
            *dict.fromkeys(
                f"seconds per image on {endpoint.model}: {endpoint.throughput.seconds_per_image or 'unknown'}, "
                f"{endpoint.throughput.source.removeprefix('unknown: ')}"
                for endpoint in endpoints
                if endpoint.throughput is not None
            ),
            "Bedrock's models are others than SDXL 1.0: compare their images too. Their price's source names no region",
            "API Gateway, Lambda and storage are the same for every source and not in here",
        ),
    )


def _endpoint(
    source: str, instance_type: str, images_per_month: int, seconds_per_image: float | str | None
) -> SourceCost:
    instance = load_catalog().instance_type(instance_type)
    price, speed = instance_price(instance), throughput(seconds_per_image, instance)
    instances = 1
    if speed.seconds_per_image is not None:
        instances = max(1, math.ceil(images_per_month * speed.seconds_per_image / 3600 / HOURS_PER_MONTH))
    month = price.amount.times(instances * HOURS_PER_MONTH)
    note = ""
    if speed.seconds_per_image is None and images_per_month and month.usd is not None:
        month = Amount(month.usd, is_lower_bound=True)
    if source == "optimized":
        month = total([month, UNKNOWN])
        note = "the Marketplace software charge is unknown and comes on top"
    return SourceCost(
        source=source,
        model=instance_type,
        instances=instances,
        throughput=speed,
        month=month,
        per_image=month.times(1 / images_per_month) if images_per_month else None,
        price=price,
        note=note,
    )


def _model(model_id: str, condition: str, price: Price, images_per_month: int) -> SourceCost:
    return SourceCost(
        source="bedrock",
        model=model_id if condition == "any" else f"{model_id} ({condition.replace('_', ' ')})",
        instances=None,
        throughput=None,
        month=price.amount.times(images_per_month),
        per_image=price.amount if images_per_month else None,
        price=price,
        note="",
    )


def break_even(endpoint: SourceCost, model: SourceCost) -> BreakEven:
    """Return the volume from which one instance of `endpoint`, around the clock, costs no more than `model`.

    More instances change nothing about it: each adds as much cost as images.
    """
    images: int | None = None
    bound = "unknown"
    if endpoint.price.usd is not None and model.price.usd:
        # A rounding error must not ask for one image more: 1481.9 / 0.04 is 37047.5, 730 / 0.1 is 7300.000000000001.
        images = math.ceil(round(endpoint.price.usd * HOURS_PER_MONTH / model.price.usd, 6))
        per_hour = None if endpoint.throughput is None else endpoint.throughput.images_per_hour
        if per_hour is not None and images > round(per_hour * HOURS_PER_MONTH, 6):
            images, bound = None, "never"
        else:
            bound = "at least" if endpoint.source == "optimized" or per_hour is None else "known"
    return BreakEven(
        source=endpoint.source,
        instance_type=endpoint.model,
        bedrock_model=model.model,
        images_per_month=images,
        bound=bound,
    )
