"""The cost of one environment, by item: idle, at a monthly volume, at max capacity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sdxl.cost.amounts import NOTHING, UNKNOWN, Amount, total
from sdxl.cost.prices import (
    API_GATEWAY,
    API_GATEWAY_TIER,
    Price,
    Throughput,
    bedrock_prices,
    instance_price,
    throughput,
)
from sdxl.cost.week import Capacity, around_the_clock, weekly_capacity
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import BedrockModel, Environment

_PRICE_PAGE = "unknown: see https://aws.amazon.com/{}/pricing/"


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of the bill, in USD a month. `at_volume` is None when no volume was given."""

    name: str
    idle: Amount
    at_volume: Amount | None
    at_max: Amount
    price: Price | None = None
    note: str = ""

    def price_text(self, region: str) -> str:
        """Return the price for people, or where to find it."""
        return self.note if self.price is None else self.price.text(region)

    def as_json(self, region: str) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "item": self.name,
            "idle": self.idle.as_json(),
            "at_volume": None if self.at_volume is None else self.at_volume.as_json(),
            "at_max_capacity": self.at_max.as_json(),
            "price": None if self.price is None else self.price.as_json(),
            "price_is_of_other_region": self.price is not None and self.price.is_of_other_region(region),
            "note": self.note,
        }


@dataclass(frozen=True, kw_only=True)
class EnvironmentCost:
    """What an environment costs. With Bedrock there are neither instances nor a throughput of one."""

    environment: str
    region: str
    source: str
    instance_types: tuple[str, ...]
    images_per_month: int | None
    items: tuple[Item, ...]
    capacity: Capacity | None
    throughput: Throughput | None
    per_image_at_full_load: Amount | None
    notes: tuple[str, ...]

    @property
    def idle(self) -> Amount:
        """A month in which nobody asks for an image."""
        return total(item.idle for item in self.items)

    @property
    def at_volume(self) -> Amount | None:
        """A month with the volume that was given."""
        amounts = [item.at_volume for item in self.items if item.at_volume is not None]
        return total(amounts) if amounts else None

    @property
    def at_max(self) -> Amount:
        """A month at max capacity."""
        return total(item.at_max for item in self.items)

    @property
    def per_image_at_volume(self) -> Amount | None:
        """The month at the volume by its images; None without a volume, or with none to divide by."""
        if not self.images_per_month or self.at_volume is None:
            return None
        return self.at_volume.times(1 / self.images_per_month)

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts."""
        return {
            "environment": self.environment,
            "region": self.region,
            "source": self.source,
            "instance_types": list(self.instance_types),
            "items": [item.as_json(self.region) for item in self.items],
            "total": {
                "idle": self.idle.as_json(),
                "at_volume": _json(self.at_volume),
                "at_max_capacity": self.at_max.as_json(),
            },
            "per_image": {
                "at_volume": _json(self.per_image_at_volume),
                "endpoint_at_full_load": _json(self.per_image_at_full_load),
            },
            "throughput": None if self.throughput is None else self.throughput.as_json(),
            "instance_hours": None
            if self.capacity is None
            else {
                "idle": round(self.capacity.fewest.instance_hours_per_month, 6),
                "at_max_capacity": round(self.capacity.most.instance_hours_per_month, 6),
            },
            "schedules": []
            if self.capacity is None
            else [
                {
                    "name": outcome.name,
                    "schedule": outcome.schedule,
                    "timezone": outcome.timezone,
                    "is_counted": outcome.is_counted,
                    "reason": outcome.reason,
                }
                for outcome in self.capacity.schedules
            ],
            "notes": list(self.notes),
        }


def environment_cost(
    environment: Environment, *, images_per_month: int | None, seconds_per_image: float | str | None
) -> EnvironmentCost:
    """Return what `environment` costs; of `seconds_per_image`, see `prices.throughput`."""
    if isinstance(environment.model, BedrockModel):
        items = (*_bedrock_items(environment.model, images_per_month), *_other_items(environment, images_per_month))
        return EnvironmentCost(
            environment=environment.name,
            region=environment.region,
            source=environment.model.source,
            instance_types=(),
            images_per_month=images_per_month,
            items=items,
            capacity=None,
            throughput=None,
            per_image_at_full_load=None,
            notes=tuple(_bedrock_notes(environment.model)),
        )
    capacity = _capacity(environment)
    instances = [load_catalog().instance_type(name) for name in environment.instance_types]
    speed = throughput(seconds_per_image, instances[0])
    prices = [instance_price(instance) for instance in instances]
    endpoint = _endpoint_item(environment.instance_types[0], prices, capacity, images_per_month, speed)
    items = (endpoint, *_software_charge(environment, images_per_month), *_other_items(environment, images_per_month))
    full_load = UNKNOWN
    if speed.seconds_per_image is not None:
        hour = total([prices[0].amount, UNKNOWN] if environment.model.source == "optimized" else [prices[0].amount])
        full_load = hour.times(speed.seconds_per_image / 3600)
    return EnvironmentCost(
        environment=environment.name,
        region=environment.region,
        source=environment.model.source,
        instance_types=environment.instance_types,
        images_per_month=images_per_month,
        items=items,
        capacity=capacity,
        throughput=speed,
        per_image_at_full_load=full_load,
        notes=tuple(_endpoint_notes(environment, prices, capacity, images_per_month, speed)),
    )


def _capacity(environment: Environment) -> Capacity:
    scaling = environment.scaling
    if scaling is None:
        week = around_the_clock(environment.endpoint.instance_count)
        return Capacity(fewest=week, most=week, schedules=())
    return weekly_capacity(scaling.min_capacity, scaling.max_capacity, scaling.schedules)


def _endpoint_item(
    name: str, prices: list[Price], capacity: Capacity, images_per_month: int | None, speed: Throughput
) -> Item:
    price = prices[0].amount
    fewest, most = capacity.fewest.instance_hours_per_month, capacity.most.instance_hours_per_month
    at_volume: Amount | None = None
    if images_per_month is not None:
        busy = 0.0 if speed.seconds_per_image is None else images_per_month * speed.seconds_per_image / 3600
        at_volume = price.times(min(max(fewest, busy), max(fewest, most)))
        # Requests do not come evenly: scaling adds instances at the peaks. How many, no one can tell beforehand.
        if at_volume.usd is not None and images_per_month and max(fewest, busy) < most:
            at_volume = Amount(at_volume.usd, is_lower_bound=True)
    return Item(
        name=f"endpoint {name}",
        idle=price.times(fewest),
        at_volume=at_volume,
        at_max=_highest(prices).times(most),
        price=prices[0],
    )


def _highest(prices: list[Price]) -> Amount:
    """The dearest of the types that capacity may be found in."""
    known = [price.usd for price in prices if price.usd is not None]
    return Amount(max(known), len(known) < len(prices)) if known else UNKNOWN


def _software_charge(environment: Environment, images_per_month: int | None) -> Iterator[Item]:
    if environment.model.source == "optimized":
        product = load_catalog().optimized.product_id
        yield _unknown_item(
            "Marketplace software charge",
            f"unknown: see https://aws.amazon.com/marketplace/pp/{product}",
            has_volume=images_per_month is not None,
        )


def _bedrock_items(model: BedrockModel, images_per_month: int | None) -> Iterator[Item]:
    if model.model_arn is not None:
        note = "unknown: billed by the hour or by contract, not per image; see https://aws.amazon.com/bedrock/pricing/"
        yield _unknown_item(f"Bedrock {model.model_id}", note, has_volume=images_per_month is not None)
        return
    # Of several prices by condition, the lowest is a bound from below.
    prices = bedrock_prices(load_bedrock_catalog(), model.model_id)
    price = min(prices.values(), key=lambda price: price.usd or 0.0)
    each = price.amount if len(prices) == 1 else Amount(price.usd, is_lower_bound=True)
    at_volume = None if images_per_month is None else each.times(images_per_month)
    yield Item(
        name=f"Bedrock {model.model_id}",
        idle=NOTHING,
        at_volume=at_volume,
        at_max=UNKNOWN if at_volume is None else at_volume,
        price=price,
    )


def _other_items(environment: Environment, images_per_month: int | None) -> Iterator[Item]:
    """What is billed by use. Only the gateway's requests have a price with a source."""
    at_volume: Amount | None = None
    if images_per_month is not None:
        within = images_per_month <= API_GATEWAY_TIER
        at_volume = API_GATEWAY.amount.times(images_per_month / 1_000_000) if within else UNKNOWN
    yield Item(
        name="API Gateway requests",
        idle=NOTHING,
        at_volume=at_volume,
        at_max=UNKNOWN if at_volume is None else at_volume,
        price=API_GATEWAY,
    )
    pages = [
        ("Lambda", "lambda"),
        ("S3 images and access logs", "s3"),
        ("DynamoDB idempotency table", "dynamodb"),
        ("KMS key", "kms"),
        ("CloudWatch logs and metrics", "cloudwatch"),
        ("X-Ray traces", "xray"),
        ("data transfer out", "ec2"),
    ]
    if environment.api.waf is not None:
        pages.append(("WAF", "waf"))
    if environment.api.auth.mode == "cognito":
        pages.append(("Cognito", "cognito"))
    for name, page in pages:
        yield _unknown_item(name, _PRICE_PAGE.format(page), has_volume=images_per_month is not None)


def _unknown_item(name: str, note: str, *, has_volume: bool) -> Item:
    return Item(name=name, idle=UNKNOWN, at_volume=UNKNOWN if has_volume else None, at_max=UNKNOWN, note=note)


def _endpoint_notes(
    environment: Environment,
    prices: list[Price],
    capacity: Capacity,
    images_per_month: int | None,
    speed: Throughput,
) -> Iterator[str]:
    if prices[0].usd is not None and prices[0].is_of_other_region(environment.region):
        yield (
            f"the price of {environment.instance_types[0]} is {prices[0].region}'s; that of {environment.region} is "
            "unknown and may be higher"
        )
    if capacity.schedules:
        yield f"idle capacity with the schedules that are counted: {capacity.fewest.text()}"
    for outcome in capacity.schedules:
        if outcome.reason is not None:
            yield (
                f"the schedule {outcome.name} ({outcome.schedule}) is not counted: {outcome.reason}. Max capacity is "
                "taken as the highest of all, around the clock"
            )
    for name, price in zip(environment.instance_types[1:], prices[1:], strict=True):
        yield (
            f"where capacity is found in {name} only, idle is "
            f"{price.amount.times(capacity.fewest.instance_hours_per_month).text()} a month ({price.text()}). Max "
            "capacity is priced as the dearest type"
        )
    yield f"seconds per image: {speed.seconds_per_image or 'unknown'}, {speed.source.removeprefix('unknown: ')}"
    if images_per_month and speed.images_per_hour is None:
        yield f"whether the instances draw {images_per_month:,} images a month is unknown"
    if images_per_month and speed.images_per_hour is not None:
        most = capacity.most.instance_hours_per_month * speed.images_per_hour
        if images_per_month > most:
            yield (
                f"{images_per_month:,} images are more than max capacity draws in a month ({most:,.0f}): raise "
                "scaling.max_capacity, or the rest is refused or times out"
            )
    if environment.model.source == "optimized":
        yield "the software charge of the Marketplace listing comes on top, by the instance and hour or the image"


def _bedrock_notes(model: BedrockModel) -> Iterator[str]:
    if model.model_arn is None:
        yield "the source of the Bedrock price names no region"
    if model.inpaint_model_id is not None:
        texts = [price.text() for price in bedrock_prices(load_bedrock_catalog(), model.inpaint_model_id).values()]
        yield (
            f"images with a mask are drawn by {model.inpaint_model_id}, {', '.join(texts)}; the figures take all "
            f"images as drawn by {model.model_id}"
        )


def _json(amount: Amount | None) -> dict[str, Any] | None:
    return None if amount is None else amount.as_json()
