"""What the environments cost before and after, idle and at max capacity."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl.cost.amounts import NOTHING, Amount, total
from sdxl.cost.bill import EnvironmentCost
from sdxl.cost.estimate import environment_cost
from stacks.environment import EnvironmentFileError, find_environment


@dataclass(frozen=True, kw_only=True)
class CostChange:
    """USD a month of one environment. An amount is None where `unknown` says why there is none.

    `left` is what goes on being billed, idle, of what the revision leaves behind in the account; until that is deleted,
    it comes on top of the amounts after the change.
    """

    environment: str
    idle: tuple[Amount, Amount] | None = None
    at_max: tuple[Amount, Amount] | None = None
    left: Amount | None = None
    unknown: str = ""

    @property
    def is_change(self) -> bool:
        """Whether anything differs, or may."""
        is_same = self.idle == _same(self.idle) and self.at_max == _same(self.at_max)
        return bool(self.unknown) or self.left is not None or not is_same

    def text(self) -> str:
        """Return it as a line."""
        if self.idle is None or self.at_max is None:
            return f"unknown: {self.unknown}"
        left = ""
        if self.left is not None:
            left = f"; and {self.left.text()} on top, idle, for what is left behind, until it is deleted"
        return f"idle {_text(self.idle)}; at max capacity {_text(self.at_max)} USD a month{left}"

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values."""

        def plain(amounts: tuple[Amount, Amount] | None) -> dict[str, Any] | None:
            return None if amounts is None else {"before": amounts[0].as_json(), "after": amounts[1].as_json()}

        return {
            "environment": self.environment,
            "idle": plain(self.idle),
            "at_max_capacity": plain(self.at_max),
            "left_behind": None if self.left is None else self.left.as_json(),
            "unknown": self.unknown,
        }


def cost_changes(
    before: Path,
    after: Path,
    environments: Sequence[str],
    *,
    left: Mapping[str, Collection[str] | None] | None = None,
    removed: Collection[str] = (),
) -> Iterator[CostChange]:
    """The cost of each environment by its file in two folders. Both are read with this installation's settings.

    `left` has the stacks that stay behind, by environment; None for the whole environment. `removed` are those of
    `environments` that have no file in `after`.
    """
    behind = left or {}
    for name in environments:
        try:
            old = _cost(before, name)
            new = None if name in removed else _cost(after, name)
        except EnvironmentFileError as exc:
            yield CostChange(environment=name, unknown=str(exc).splitlines()[0])
            continue
        yield CostChange(
            environment=name,
            idle=(old.idle, new.idle if new else NOTHING),
            at_max=(old.at_max, new.at_max if new else NOTHING),
            left=_idle_of(old, behind[name]) if name in behind else None,
        )


def _cost(folder: Path, name: str) -> EnvironmentCost:
    return environment_cost(find_environment(folder, name), images_per_month=None, seconds_per_image=None)


def _idle_of(cost: EnvironmentCost, stacks: Collection[str] | None) -> Amount:
    """A month in which nobody asks for an image, of some stacks only; None: of all."""
    return cost.idle if stacks is None else total(item.idle for item in cost.items if item.stack in stacks)


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
