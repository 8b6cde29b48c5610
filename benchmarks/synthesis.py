"""How long synthesis takes: one environment against a one-bucket app, and how that grows with environments."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks.measure import Measurement, best_in_turns, seconds_of
from sdxl.project import ROOT

RUNS = 5
COUNTS = (1, 5, 20)


def measure() -> list[Measurement]:
    """Measure both. Validation is off, as in the unit tests and in `make up`; jsii's package cache is warm."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_against_one_bucket(Path(folder)), *_growth(Path(folder))]


def _against_one_bucket(folder: Path) -> list[Measurement]:
    one_bucket = ROOT / "benchmarks" / "one_bucket_app.py"
    times = best_in_turns(
        RUNS,
        dev=lambda: _synthesize(ROOT / "app.py", folder / "dev", environment="dev"),
        bucket=lambda: _synthesize(one_bucket, folder / "bucket"),
    )
    return [
        Measurement(
            name="Synthesis of dev / of a one-bucket app",
            value=times["dev"] / times["bucket"],
            unit="x",
            goal=2.0,
            detail=f"{times['dev']:.2f} s / {times['bucket']:.2f} s, whole processes, best of {RUNS}",
        )
    ]


def _growth(folder: Path) -> list[Measurement]:
    """Synthesize copies of one environment with everything on."""
    for count in COUNTS:
        directory = folder / f"environments-{count}"
        directory.mkdir()
        for number in range(count):
            shutil.copy(ROOT / "benchmarks" / "everything.yaml", directory / f"env-{number:02}.yaml")
    times = best_in_turns(
        RUNS,
        **{
            str(count): lambda count=count: _synthesize(
                ROOT / "app.py", folder / f"out-{count}", environments_dir=str(folder / f"environments-{count}")
            )
            for count in COUNTS
        },
    )
    first, last = times[str(COUNTS[0])], times[str(COUNTS[-1])]
    seen = ", ".join(f"{count}: {times[str(count)]:.2f} s" for count in COUNTS)
    return [
        Measurement(
            name=f"Synthesis of {COUNTS[-1]} environments with everything on / of one",
            value=last / first,
            unit="x",
            goal=3.0,
            detail=f"{seen}; on {len(os.sched_getaffinity(0))} processors",
        ),
        Measurement(
            name="Synthesis of each further environment",
            value=(last - first) / (COUNTS[-1] - COUNTS[0]),
            unit="s",
            goal=0.3,
            detail=seen,
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
