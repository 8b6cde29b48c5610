"""How long synthesis takes: a one-bucket app, dev, and many environments with everything on, in the same run."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Measurement, best_in_turns, seconds_of
from sdxl.project import ROOT

RUNS = 3
MANY = 20
# Seconds within which nobody waits: more speed is not worth code that is harder to read.
GOAL_ONE_SECONDS = 5.0
GOAL_MANY_SECONDS = 20.0


def measure() -> list[Measurement]:
    """Measure whole processes. Validation is off, as in the unit tests and in `make up`; jsii's cache is warm."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for count in (1, MANY):
            environments = folder / f"environments-{count}"
            environments.mkdir()
            for number in range(count):
                shutil.copy(ROOT / "benchmarks" / "everything.yaml", environments / f"env-{number:02}.yaml")
        app, one_bucket = ROOT / "app.py", ROOT / "benchmarks" / "one_bucket_app.py"
        times = best_in_turns(
            RUNS,
            one_bucket=lambda: _synthesize(one_bucket, folder / "bucket"),
            one=lambda: _synthesize(app, folder / "one", environments_dir=str(folder / "environments-1")),
            many=lambda: _synthesize(app, folder / "many", environments_dir=str(folder / f"environments-{MANY}")),
        )
    detail = f"whole processes, best of {RUNS}"
    return [
        Measurement(
            name="Synthesis of a one-bucket app", value=times["one_bucket"], unit="s", goal=None, detail=detail
        ),
        Measurement(
            name="Synthesis of one environment with everything on",
            value=times["one"],
            unit="s",
            goal=GOAL_ONE_SECONDS,
            detail=detail,
        ),
        Measurement(
            name=f"Synthesis of {MANY} environments with everything on",
            value=times["many"],
            unit="s",
            goal=GOAL_MANY_SECONDS,
            detail=detail,
        ),
    ]


def _synthesize(app: Path, output: Path, **context: str) -> float:
    """Run an app as the CDK CLI does, with the feature flags of cdk.json, and return the seconds."""
    flags = json.loads((ROOT / "cdk.json").read_text()).get("context", {})
    variables = {
        "CDK_OUTDIR": str(output),
        "CDK_CONTEXT_JSON": json.dumps({**flags, **context}),
        "CDK_VALIDATION": "false",
        "PYTHONPATH": str(ROOT),
    }
    seconds = seconds_of([sys.executable, str(app)], variables)
    shutil.rmtree(output)
    return seconds
