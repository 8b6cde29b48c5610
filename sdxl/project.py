"""Where things are in the repository that `sdxl` is installed from."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "environments"
LOCAL = ROOT / ".local"


def child_environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for our own Python processes: those of this one, and bytecode kept between starts.

    Where PYTHONDONTWRITEBYTECODE is set for a whole machine, every start of the CDK would compile it anew, for 3 s.
    """
    return {name: value for name, value in inherited.items() if name != "PYTHONDONTWRITEBYTECODE"}


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` so that a reader sees the old file or the new one, never half; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(value, indent=2) + "\n")
    unfinished.replace(path)
