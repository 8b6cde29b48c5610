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
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

# Below this many for each, starting another process takes longer than it saves.
ENVIRONMENTS_PER_PROCESS = 5
MOST_PROCESSES = 4

# How a process is told which part is its own: "2/3" is the second of three.
PART_VARIABLE = "SDXL_SYNTHESIS_PART"
# What such a process says when it has made its part.
_MADE = "sdxl: part is made"
_SETTINGS = ("CDK_OUTDIR", "CDK_CONTEXT_JSON")


class Part(NamedTuple):
    """The part numbered `number`, from 0, of so many `parts`."""

    number: int
    parts: int


@dataclass(frozen=True)
class _Process:
    """Another process. What it says on standard error is kept, and it says on standard output when its part is made."""

    process: subprocess.Popen[str]
    directory: Path
    errors: IO[str]

    def has_made_its_part(self) -> bool:
        """Wait until it has, or has ended without. To end properly takes it longer than to join what it made."""
        assert self.process.stdout is not None  # noqa: S101 - a pipe
        return any(line.endswith(f"{_MADE}\n") for line in self.process.stdout)

    def end(self) -> int:
        """Wait until it has ended, pass on what it said, and remove what is left of it; returns its exit status."""
        with self.process, self.errors:
            status = self.process.wait()
            self.errors.seek(0)
            sys.stderr.write(self.errors.read())
        shutil.rmtree(self.directory, ignore_errors=True)
        return status


class ParallelSynthesis:
    """The parts of a synthesis: this process's own, and the processes that make the others."""

    def __init__(self, part: Part, output: Path | None = None, others: Sequence[_Process] = ()) -> None:
        self.part = part
        self._output = output
        self._others = others

    def finish(self, status: int) -> int:
        """Wait for the other processes and join their parts to this one's; returns the exit status of the whole.

        `status` is this process's own. What the others say goes to standard error.
        """
        if self.part.number and not status:
            print(_MADE, flush=True)  # noqa: T201 - for the process that started this one
        are_made = all(other.has_made_its_part() for other in self._others)
        if self._output is not None and are_made and not status:
            _join(self._output, [other.directory for other in self._others])
        worst = max([abs(status), *(abs(other.end()) for other in self._others)])
        if not worst and not are_made:
            sys.stderr.write("a process of the synthesis ended well, and without its part: run the command again\n")
            return 1
        return worst

    def abandon(self) -> None:
        """End the other processes and remove what they made."""
        for other in self._others:
            other.process.kill()
            other.end()


def start(environments: Path, variables: Mapping[str, str] = os.environ) -> ParallelSynthesis:
    """Start a process for each part but the first, where there are environments enough and processors for it.

    `environments` is the folder of their files, unless the CDK's context (in `variables`, as the CLI sets it) names
    another. The processes are this very program with its arguments.
    """
    if PART_VARIABLE in variables:
        number, _, parts = variables[PART_VARIABLE].partition("/")
        return ParallelSynthesis(Part(int(number) - 1, int(parts)))
    count = _parts(environments, variables)
    if count == 1:
        return ParallelSynthesis(Part(0, 1))
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
    # A file, so that however much it says, it never waits for somebody to read it.
    errors = tempfile.TemporaryFile("w+", dir=directory)  # noqa: SIM115 - closed when the process has ended
    process = subprocess.Popen(  # noqa: S603 - this program itself
        [sys.executable, *sys.orig_argv[1:]],
        env={
            **variables,
            "CDK_OUTDIR": str(directory),
            PART_VARIABLE: f"{part.number + 1}/{part.parts}",
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )
    return _Process(process, directory, errors)


def _join(output: Path, parts: list[Path]) -> None:
    """Move the parts' nested assemblies and assets to `output`, and name them in its manifest and its tree."""
    # By now the environments' files have loaded it. It takes a third of the standard library's time for a tree of
    # megabytes, and this is the one thing that is done while the other processors wait.
    from pydantic_core import to_json  # noqa: PLC0415

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
    (output / "tree.json").write_bytes(to_json(tree))


def _merged(children: dict[str, Any], others: dict[str, Any]) -> dict[str, Any]:
    """The children of both, in order; what the CDK adds to every app comes last."""
    return {**{name: child for name, child in children.items() if name not in others}, **others}


def _is_nested(artifact: dict[str, Any]) -> bool:
    return bool(artifact["type"] == "cdk:cloud-assembly")


def _read(path: Path) -> dict[str, Any]:
    from pydantic_core import from_json  # noqa: PLC0415 - see above

    found: dict[str, Any] = from_json(path.read_bytes())
    return found
