"""Amounts of money of which a part may be unknown."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Amount:
    """US dollars. `usd` is None where nothing is known; with `is_lower_bound`, something unknown comes on top."""

    usd: float | None
    is_lower_bound: bool = False

    @property
    def bound(self) -> str:
        """How the figure is to be read: `known`, `at least` or `unknown`."""
        if self.usd is None:
            return "unknown"
        return "at least" if self.is_lower_bound else "known"

    def times(self, factor: float) -> Amount:
        """Return this `factor` times. Nothing at all of something unknown costs nothing."""
        if factor == 0:
            return Amount(0.0)
        return self if self.usd is None else Amount(self.usd * factor, self.is_lower_bound)

    def text(self, digits: int = 2) -> str:
        """Return it for people, in USD."""
        if self.usd is None:
            return "unknown"
        return ("at least " if self.is_lower_bound else "") + f"{self.usd:,.{digits}f}"

    def as_json(self) -> dict[str, Any]:
        """Return it for scripts. Not rounded to cents: a single image costs less than one."""
        return {"usd": None if self.usd is None else round(self.usd, 6), "bound": self.bound}


UNKNOWN = Amount(None)
NOTHING = Amount(0.0)


def total(amounts: Iterable[Amount]) -> Amount:
    """Sum of the known parts: exact when all are known, a lower bound when some are not, unknown when none is."""
    parts = tuple(amounts)
    known = [part.usd for part in parts if part.usd is not None]
    if parts and not known:
        return UNKNOWN
    return Amount(sum(known), len(known) < len(parts) or any(part.is_lower_bound for part in parts))
