"""What a check found: one line each, with what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Status = Literal["ok", "warning", "failed", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of one check.

    `unknown` is what could not be seen, for want of a permission or of an answer: it is neither good nor bad.
    `remedy` is empty only where there is nothing to do. `details` are the figures behind it, for scripts.
    """

    name: str
    status: Status
    found: str
    remedy: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return what `--json` prints."""
        return {
            "name": self.name,
            "status": self.status,
            "found": self.found,
            "remedy": self.remedy,
            "details": dict(self.details),
        }
