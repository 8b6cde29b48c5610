"""Synthesizes many environments side by side: each process a part, all of it one cloud assembly, as from one process.

The CDK's engine does one thing at a time, and environments share nothing. Only the standard library is imported here:
the other processes start before this one loads the CDK.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

# Below this many for each, starting another process takes longer than it saves.
ENVIRONMENTS_PER_PROCESS = 5
MOST_PROCESSES = 4

# How a process is told which part is its own: "2/3" is the second of three.
PART_VARIABLE = "SDXL_SYNTHESIS_PART"
_SETTINGS = ("CDK_OUTDIR", "CDK_CONTEXT_JSON")


class Part(NamedTuple):
    """The part numbered `number`, from 0, of so many `parts`."""

    number: int
    parts: int


@dataclass(frozen=True)
class _Process:
    process: subprocess.Popen[str]
    directory: Path


class ParallelSynthesis:
    """The parts of a synthesis: this process's own, and the processes that make the others."""

    def __init__(self, part: Part, output: Path | None, others: list[_Process]) -> None:
        self.part = part
        self._output = output
        self._others = others

    def finish(self, status: int) -> int:
        """Wait for the other processes and join their parts to this one's; returns the exit status of the whole.

        `status` is this process's own. What the others say goes to standard error.
        """
        statuses = [status]
        for other in self._others:
            _, said = other.process.communicate()
            sys.stderr.write(said)
            statuses.append(other.process.returncode)
        worst = max(map(abs, statuses))
        if self._others and self._output is not None:
            if not worst:
                _join(self._output, [other.directory for other in self._others])
            for other in self._others:
                shutil.rmtree(other.directory)
        return worst

    def abandon(self) -> None:
        """End the other processes and remove what they made."""
        for other in self._others:
            other.process.kill()
            other.process.communicate()
            shutil.rmtree(other.directory, ignore_errors=True)


def start(environments: Path, variables: Mapping[str, str] = os.environ) -> ParallelSynthesis:
    """Start a process for each part but the first, where there are environments enough and processors for it.

    `environments` is the folder of their files, unless the CDK's context (in `variables`, as the CLI sets it) names
    another. The processes are this very program with its arguments.
    """
    if PART_VARIABLE in variables:
        number, _, parts = variables[PART_VARIABLE].partition("/")
        return ParallelSynthesis(Part(int(number) - 1, int(parts)), None, [])
    count = _parts(environments, variables)
    if count == 1:
        return ParallelSynthesis(Part(0, 1), None, [])
    output = Path(variables["CDK_OUTDIR"])
    output.mkdir(parents=True, exist_ok=True)
    return ParallelSynthesis(
        Part(0, count), output, [_start(output, Part(number, count), variables) for number in range(1, count)]
    )


def _parts(environments: Path, variables: Mapping[str, str]) -> int:
    """How many processes are worth it. The CLI names an output folder; other callers are left alone."""
    if any(name not in variables for name in _SETTINGS):
        return 1
    context = json.loads(variables["CDK_CONTEXT_JSON"])
    if context.get("environment") is not None or context.get("pipeline") is not None:
        return 1
    files = sum(1 for _ in Path(context.get("environments_dir") or environments).glob("*.yaml"))
    return max(1, min(files // ENVIRONMENTS_PER_PROCESS, _processors(), MOST_PROCESSES))


def _processors() -> int:
    # What this process may use, where the system tells: a container has fewer than the machine.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start(output: Path, part: Part, variables: Mapping[str, str]) -> _Process:
    # Beside the others' folders, so that what is made there can be moved and not copied.
    directory = Path(tempfile.mkdtemp(prefix=f".part-{part.number + 1}-", dir=output))
    process = subprocess.Popen(  # noqa: S603 - this program itself
        [sys.executable, *sys.orig_argv[1:]],
        env={
            **variables,
            "CDK_OUTDIR": str(directory),
            PART_VARIABLE: f"{part.number + 1}/{part.parts}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    return _Process(process, directory)


def _join(output: Path, parts: list[Path]) -> None:
    """Move the parts' nested assemblies and assets to `output`, and name them in its manifest and its tree."""
    manifest, tree = _read(output / "manifest.json"), _read(output / "tree.json")
    nested = {name: item for name, item in manifest["artifacts"].items() if _is_nested(item)}
    rest = {name: item for name, item in manifest["artifacts"].items() if name not in nested}
    for part in parts:
        own = _read(part / "manifest.json")
        nested |= {name: item for name, item in own["artifacts"].items() if _is_nested(item)}
        children = _read(part / "tree.json")["tree"]["children"]
        tree["tree"]["children"] = _merged(tree["tree"]["children"], children)
        for name in (item["properties"]["directoryName"] for item in own["artifacts"].values() if _is_nested(item)):
            # An earlier synthesis may have left one of this name.
            shutil.rmtree(output / name, ignore_errors=True)
            (part / name).rename(output / name)
        for asset in part.glob("asset.*"):
            # Named by its content: what is there already is the same.
            if not (output / asset.name).exists():
                asset.rename(output / asset.name)
    manifest["artifacts"] = {**nested, **rest}
    (output / "manifest.json").write_text(json.dumps(manifest, indent=2))
    (output / "tree.json").write_text(json.dumps(tree, separators=(",", ":")))


def _merged(children: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """The children of both, in order; what the CDK adds to every app comes last."""
    return {**{name: child for name, child in children.items() if name not in others}, **others}


def _is_nested(artifact: dict[str, Any]) -> bool:
    return bool(artifact["type"] == "cdk:cloud-assembly")


def _read(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text())
    return found
