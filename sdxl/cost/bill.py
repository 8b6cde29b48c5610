"""What an environment costs, as it is shown: items, totals, and the figures behind them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sdxl.cost.amounts import UNKNOWN, Amount, total
from sdxl.cost.prices import Price, Throughput
from sdxl.cost.week import Capacity


@dataclass(frozen=True, kw_only=True)
class Item:
    """One line of the bill, in USD a month. `at_volume` is None when no volume was given.

    `is_service` says that it is not the model's: such lines are shown as one, unless all are asked for. `stack` is the
    one whose resources are billed.
    """

    name: str
    idle: Amount
    at_volume: Amount | None
    at_max: Amount
    price: Price | None = None
    note: str = ""
    is_service: bool = False
    stack: str = "Api"

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
    """What an environment costs. `capacities` has one for each variant; with Bedrock there are no instances at all.

    `throughput` and `per_image_at_full_load` are of the first variant, the latter None where there are several.
    """

    environment: str
    region: str
    source: str
    instance_types: tuple[str, ...]
    images_per_month: int | None
    items: tuple[Item, ...]
    capacities: tuple[Capacity, ...]
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
    def unknown(self) -> tuple[Item, ...]:
        """What has no price at all, so that the totals are `at least`."""
        return tuple(item for item in self.items if item.price is None or item.price.usd is None)

    def services(self) -> Item:
        """Return everything other than the model as one line."""
        items = [item for item in self.items if item.is_service]
        volumes = [item.at_volume for item in items if item.at_volume is not None]
        return Item(
            name="API, functions, storage, logs, alarms",
            idle=total(item.idle for item in items),
            at_volume=total(volumes) if volumes else None,
            at_max=total(item.at_max for item in items),
            note=f"{len(items)} prices, see --all",
        )

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
            "instance_hours": {
                "idle": round(sum(one.fewest.instance_hours_per_month for one in self.capacities), 6),
                "at_max_capacity": round(sum(one.most.instance_hours_per_month for one in self.capacities), 6),
            }
            if self.capacities
            else None,
            "schedules": [
                {
                    "name": outcome.name,
                    "schedule": outcome.schedule,
                    "timezone": outcome.timezone,
                    "is_counted": outcome.is_counted,
                    "reason": outcome.reason,
                }
                for capacity in self.capacities
                for outcome in capacity.schedules
            ],
            "notes": list(self.notes),
        }


def _json(amount: Amount | None) -> dict[str, Any] | None:
    return None if amount is None else amount.as_json()


def unknown_item(name: str, note: str, *, has_volume: bool, stack: str = "Api") -> Item:
    """A line of the bill whose price no source states; `note` says where to find it."""
    return Item(
        name=name, idle=UNKNOWN, at_volume=UNKNOWN if has_volume else None, at_max=UNKNOWN, note=note, stack=stack
    )
