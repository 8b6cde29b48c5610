"""`python -m benchmarks`: runs all of them and prints a table, or with `--json` a list for scripts."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table

from benchmarks import function, marks, synthesis
from benchmarks.measure import Measurement


def main() -> int:
    """Measure and print. Misses are shown, not errors: a busy machine misses too."""
    progress = Console(stderr=True)
    measurements: list[Measurement] = []
    for module, what in ((function, "the function"), (marks, "the marks of images"), (synthesis, "synthesis")):
        progress.print(f"Measuring {what}")
        measurements += module.measure()
    if "--json" in sys.argv[1:]:
        print(json.dumps([measurement.to_json() for measurement in measurements], indent=2))
        return 0
    table = Table("what", "measured", "goal", "verdict", "how")
    for measurement in measurements:
        unit = "" if measurement.unit == "x" else f" {measurement.unit}"
        table.add_row(
            measurement.name,
            f"{measurement.value:.2f}{unit}",
            "-" if measurement.goal is None else f"<= {measurement.goal:g}{unit}",
            "-" if measurement.goal is None else "met" if measurement.is_met else "MISSED",
            measurement.detail,
        )
    console = Console()
    # A pipe has no width of its own; the table is made to be read, and pasted, in one line per figure.
    (console if console.is_terminal else Console(width=200)).print(table)
    return 0


if __name__ == "__main__":
    sys.exit(main())
