"""What marks cost an image of 1024x1024: settings and declaration, and the signature without the call of KMS."""

from __future__ import annotations

from benchmarks.function import VARIABLES
from benchmarks.measure import Measurement, run_python_for_json

DECLARATION_GOAL_MS = 0.5
SIGNING_GOAL_MS = 15.0
_GOALS = {
    "declaration": DECLARATION_GOAL_MS,
    "settings and declaration": DECLARATION_GOAL_MS,
    "signing": SIGNING_GOAL_MS,
}


def measure() -> list[Measurement]:
    """Measure each in a fresh process."""
    figures = run_python_for_json(["-m", "benchmarks.marked_images"], {**VARIABLES, "PYTHONPATH": "lambda:."})
    return [
        Measurement(
            name=f"Marks of a 1024x1024 image: {name}",
            value=seen["seconds"] * 1000,
            unit="ms",
            goal=next((goal for what, goal in _GOALS.items() if name.startswith(what)), None),
            detail=f"processor time, best of {seen['runs']:.0f}; adds {seen['added_bytes']:.0f} bytes to "
            f"{seen['megabytes']:.1f} MB",
        )
        for name, seen in figures.items()
    ]
