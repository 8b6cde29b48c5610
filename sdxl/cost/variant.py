"""The cost of the instances of one variant: idle, at a monthly volume, at max capacity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from sdxl.cost.amounts import UNKNOWN, Amount, total
from sdxl.cost.bill import Item, unknown_item
from sdxl.cost.prices import Price, Throughput, instance_price, throughput
from sdxl.cost.week import Capacity, around_the_clock, weekly_capacity
from stacks.catalog import load_catalog
from stacks.environment import PRIMARY_VARIANT, Variant


@dataclass(frozen=True)
class VariantCost:
    """What `variant` costs in `region`. `images_per_month` is the whole environment's, None where none is given."""

    variant: Variant
    region: str
    images_per_month: int | None
    throughput: Throughput

    @cached_property
    def prices(self) -> list[Price]:
        """Price of each instance type, in order of preference."""
        return [instance_price(load_catalog().instance_type(name)) for name in self.variant.instance_types]

    @cached_property
    def capacity(self) -> Capacity:
        """Fewest and most instances over the week."""
        scaling = self.variant.scaling
        if scaling is None:
            week = around_the_clock(self.variant.instance_count)
            return Capacity(fewest=week, most=week, schedules=())
        return weekly_capacity(scaling.min_capacity, scaling.max_capacity, scaling.schedules)

    @property
    def images(self) -> float | None:
        """Images a month that come to this variant."""
        return None if self.images_per_month is None else self.images_per_month * self.variant.share

    @property
    def per_image_at_full_load(self) -> Amount:
        """An image's share of an hour in which the instance does nothing but draw."""
        if self.throughput.seconds_per_image is None:
            return UNKNOWN
        software = [UNKNOWN] if self.variant.model.source == "optimized" else []
        return total([self.prices[0].amount, *software]).times(self.throughput.seconds_per_image / 3600)

    def items(self) -> Iterator[Item]:
        """The lines of the bill."""
        yield self._instances()
        if self.variant.model.source == "optimized":
            product = load_catalog().optimized.product_id
            yield unknown_item(
                f"Marketplace software charge{self._of_variant}",
                f"unknown: see https://aws.amazon.com/marketplace/pp/{product}",
                has_volume=self.images_per_month is not None,
                stack="Inference",
            )

    @property
    def _of_variant(self) -> str:
        name = self.variant.name
        return "" if name == PRIMARY_VARIANT else f" ({name})"

    def _instances(self) -> Item:
        price = self.prices[0].amount
        fewest, most = (week.instance_hours_per_month for week in (self.capacity.fewest, self.capacity.most))
        at_volume: Amount | None = None
        if self.images is not None:
            seconds = self.throughput.seconds_per_image
            busy = 0.0 if seconds is None else self.images * seconds / 3600
            at_volume = price.times(min(max(fewest, busy), max(fewest, most)))
            # Requests do not come evenly: scaling adds instances at the peaks. How many is not known beforehand.
            if at_volume.usd is not None and self.images and max(fewest, busy) < most:
                at_volume = Amount(at_volume.usd, is_lower_bound=True)
        return Item(
            name=f"endpoint {self.variant.instance_types[0]}{self._of_variant}",
            idle=price.times(fewest),
            at_volume=at_volume,
            at_max=_highest(self.prices).times(most),
            price=self.prices[0],
            stack="Inference",
        )

    def notes(self) -> Iterator[str]:
        """What the figures do not say by themselves."""
        about = "" if self.variant.name == PRIMARY_VARIANT else f"{self.variant.name}: "
        yield from (about + note for note in (*self._price_notes(), *self._capacity_notes(), *self._volume_notes()))

    def _price_notes(self) -> Iterator[str]:
        types, prices = self.variant.instance_types, self.prices
        if prices[0].usd is not None and prices[0].is_of_other_region(self.region):
            yield (
                f"the price of {types[0]} is {prices[0].region}'s; that of {self.region} is unknown and may be higher"
            )
        for name, price in zip(types[1:], prices[1:], strict=True):
            yield (
                f"where capacity is found in {name} only, idle is "
                f"{price.amount.times(self.capacity.fewest.instance_hours_per_month).text()} a month "
                f"({price.text()}). Max capacity is priced as the most expensive type"
            )
        if self.variant.model.source == "optimized":
            yield "the software charge of the Marketplace listing comes on top, by the instance and hour or the image"

    def _capacity_notes(self) -> Iterator[str]:
        scaling = self.variant.scaling
        if scaling is not None and scaling.goes_to_zero:
            yield (
                "while nobody asks there may be no instance. Each wake also bills the minutes in which the instance "
                "starts and those until scaling removes it, about 25 together: they are in none of the figures"
            )
        if self.capacity.schedules:
            yield f"idle capacity with the schedules that are counted: {self.capacity.fewest.text()}"
        for outcome in self.capacity.schedules:
            if outcome.reason is not None:
                yield (
                    f"the schedule {outcome.name} ({outcome.schedule}) is not counted: {outcome.reason}. Max capacity "
                    "is taken as the highest of all, around the clock"
                )

    def _volume_notes(self) -> Iterator[str]:
        speed = self.throughput
        yield f"seconds per image: {speed.seconds_per_image or 'unknown'}, {speed.source.removeprefix('unknown: ')}"
        if not self.images:
            return
        if speed.images_per_hour is None:
            yield f"whether the instances draw {self.images:,.0f} images a month is unknown"
            return
        most = self.capacity.most.instance_hours_per_month * speed.images_per_hour
        if self.images > most:
            yield (
                f"{self.images:,.0f} images are more than max capacity draws in a month ({most:,.0f}): raise "
                "scaling.max_capacity, or the rest is refused or times out"
            )


def variant_costs(
    variants: tuple[Variant, ...], region: str, *, images_per_month: int | None, seconds_per_image: float | str | None
) -> tuple[VariantCost, ...]:
    """The cost of each variant; of `seconds_per_image`, see `prices.throughput`. A number was measured on the first."""
    return tuple(
        VariantCost(variant, region, images_per_month, _throughput(variant, variants[0], seconds_per_image))
        for variant in variants
    )


def _throughput(variant: Variant, first: Variant, seconds_per_image: float | str | None) -> Throughput:
    is_alike = (variant.model.source, variant.instance_types[0]) == (first.model.source, first.instance_types[0])
    if isinstance(seconds_per_image, float) and not is_alike:
        return Throughput(
            seconds_per_image=None,
            source=f"unknown: --seconds-per-image is taken as measured on {first.model.source} and "
            f"{first.instance_types[0]}, and this is {variant.model.source} on {variant.instance_types[0]}",
        )
    return throughput(seconds_per_image, load_catalog().instance_type(variant.instance_types[0]))


def _highest(prices: list[Price]) -> Amount:
    """The dearest of the types that capacity may be found in."""
    known = [price.usd for price in prices if price.usd is not None]
    return Amount(max(known), len(known) < len(prices)) if known else UNKNOWN
