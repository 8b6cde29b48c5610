"""What the environments cost before and after, idle and at max capacity."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl.cost.amounts import Amount
from sdxl.cost.estimate import environment_cost
from stacks.environment import EnvironmentFileError, find_environment


@dataclass(frozen=True, kw_only=True)
class CostChange:
    """USD a month of one environment. An amount is None where `unknown` says why there is none."""

    environment: str
    idle: tuple[Amount, Amount] | None = None
    at_max: tuple[Amount, Amount] | None = None
    unknown: str = ""

    @property
    def is_change(self) -> bool:
        """Whether anything differs, or may."""
        return bool(self.unknown) or self.idle != _same(self.idle) or self.at_max != _same(self.at_max)

    def text(self) -> str:
        """Return it as a line."""
        if self.idle is None or self.at_max is None:
            return f"unknown: {self.unknown}"
        return f"idle {_text(self.idle)}; at max capacity {_text(self.at_max)} USD a month"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""

        def plain(amounts: tuple[Amount, Amount] | None) -> dict[str, Any] | None:
            return None if amounts is None else {"before": amounts[0].as_json(), "after": amounts[1].as_json()}

        return {
            "environment": self.environment,
            "idle": plain(self.idle),
            "at_max_capacity": plain(self.at_max),
            "unknown": self.unknown,
        }


def cost_changes(before: Path, after: Path, environments: list[str]) -> Iterator[CostChange]:
    """The cost of each environment by its file in two folders. Both are read with this installation's settings."""
    for name in environments:
        try:
            costs = [
                environment_cost(find_environment(folder, name), images_per_month=None, seconds_per_image=None)
                for folder in (before, after)
            ]
        except EnvironmentFileError as exc:
            yield CostChange(environment=name, unknown=str(exc).splitlines()[0])
            continue
        old, new = costs
        yield CostChange(environment=name, idle=(old.idle, new.idle), at_max=(old.at_max, new.at_max))


def _same(amounts: tuple[Amount, Amount] | None) -> tuple[Amount, Amount] | None:
    return None if amounts is None else (amounts[0], amounts[0])


def _text(amounts: tuple[Amount, Amount]) -> str:
    old, new = amounts
    if old == new:
        return f"{new.text()}, as before"
    difference = ""
    if old.usd is not None and new.usd is not None:
        difference = f" ({new.usd - old.usd:+,.2f})"
    return f"{old.text()} -> {new.text()}{difference}"
