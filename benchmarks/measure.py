"""What a measurement is, and how two things are compared fairly: in turns, each by its best run."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sdxl.project import ROOT, child_environment


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One figure with its goal, if it has one. The figure is a ratio, or a time where the goal is one."""

    name: str
    value: float
    unit: str
    goal: float | None
    detail: str

    @property
    def is_met(self) -> bool:
        """Whether the figure is within its goal."""
        return self.goal is None or self.value <= self.goal

    def to_json(self) -> dict[str, Any]:
        """Return the measurement for scripts."""
        return {**asdict(self), "value": round(self.value, 4), "is_met": self.is_met}


def best_in_turns(runs: int, **things: Callable[[], float]) -> dict[str, float]:
    """Run things in turns and return the shortest seconds of each.

    In turns, so that a machine that gets slower meanwhile slows all of them. The shortest, because whatever else the
    machine does only ever adds time.
    """
    times: dict[str, list[float]] = {name: [] for name in things}
    for _ in range(runs):
        for name, run in things.items():
            times[name].append(run())
    return {name: min(seconds) for name, seconds in times.items()}


def seconds_of(command: Sequence[str], variables: Mapping[str, str]) -> float:
    """Run a command to its end and return how long that took. Raises RuntimeError with its output if it fails."""
    started = time.perf_counter()
    run(command, variables)
    return time.perf_counter() - started


def run(command: Sequence[str], variables: Mapping[str, str]) -> str:
    """Run a command with added environment variables and return what it prints."""
    finished = subprocess.run(
        command, cwd=ROOT, env={**child_environment(), **variables}, check=False, capture_output=True, text=True
    )
    if finished.returncode:
        message = f"{' '.join(command[:3])} failed with status {finished.returncode}:\n{finished.stderr[-2000:]}"
        raise RuntimeError(message)
    return finished.stdout


def run_python_for_json(arguments: Sequence[str], variables: Mapping[str, str]) -> Any:
    """Run this Python with `arguments` and return the JSON of the last line that it prints."""
    return json.loads(run([sys.executable, *arguments], variables).strip().rsplit("\n", 1)[-1])
