"""Runs the CDK CLI to its end: its output goes to a log, its progress is shown in short, an interruption reaches it."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sdxl.errors import SdxlError
from sdxl.project import ENVIRONMENTS, NODE_PROGRAMS, ROOT, child_environment

CLI = NODE_PROGRAMS / "cdk"
# Node.js 20 has had no security fixes since April 2026, and aws-cdk-lib announces that at every start.
OLDEST_NODE = 22

# An event is "<stack> |  3/20 | <time> | <status> | <resource type> | <construct path>".
_EVENT = re.compile(r"^(?P<stack>\S+) \| +(?P<done>\d+)/(?P<total>\d+) \|[^|]*\| (?P<status>[A-Z_]+) +\| (?P<type>\S+)")
# The end of a stack is "✅  <path> (<stack>)", and " (no changes)" where there were none.
_STACK_DONE = re.compile(r"^ *✅ +(?P<path>\S+)( \((?P<stack>\S+)\))?(?P<unchanged> \(no changes\))?$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Show(Protocol):
    """Shows progress. What `is_lasting` stays on the screen."""

    def __call__(self, detail: str, *, is_lasting: bool) -> None:
        """Show `detail`."""


def show_progress(line: str, show: Show) -> None:
    """Pass on, in short, what a line of the CLI's output says about progress; most lines say nothing."""
    line = _COLOUR.sub("", line).rstrip()
    if event := _EVENT.match(line):
        kind = event["type"].removeprefix("AWS::")
        show(f"{event['stack']} {event['done']}/{event['total']} {kind}", is_lasting=False)
    elif done := _STACK_DONE.match(line):
        show(f"{done['stack'] or done['path']} {'is unchanged' if done['unchanged'] else 'deployed'}", is_lasting=True)


def silent(detail: str, *, is_lasting: bool) -> None:
    """Show nothing."""


def check_node() -> None:
    """Refuse a missing or old Node.js: the CDK CLI and the CDK's own engine run on it."""
    node = shutil.which("node", path=child_environment()["PATH"])
    if node is None:
        raise SdxlError(f"Node.js is not on the PATH. Install version {OLDEST_NODE} or later: https://nodejs.org")
    answer = subprocess.run([node, "--version"], check=False, capture_output=True, text=True).stdout.strip()  # noqa: S603
    version = re.match(r"v(\d+)\.", answer)
    if version is None or int(version[1]) < OLDEST_NODE:
        raise SdxlError(
            f"Node.js {answer or 'of unknown version'} at {node} is too old. `make setup` installs a newer one for "
            f"most platforms; on others, install {OLDEST_NODE} or later."
        )


def check_cli() -> None:
    """Refuse to go on without the pinned CDK CLI."""
    if not CLI.is_file():
        raise SdxlError(f"The CDK CLI is not installed at {CLI}. Run `make setup`.")


def synthesize(directory: Path, output: Path, *, log_file: Path) -> Path:
    """Synthesize every environment of `directory` into `output`, and return `output`.

    Raises SdxlError, with the end of the log, if the app or one of its files is wrong.
    """
    arguments = ["synth", "--quiet", "--output", str(output)]
    if directory.resolve() != ENVIRONMENTS:
        arguments += ["--context", f"environments_dir={directory.resolve()}"]
    run(arguments, silent, what="synth", log_file=log_file)
    return output


def run(
    arguments: Sequence[str], show: Show, *, what: str, log_file: Path, variables: Mapping[str, str] | None = None
) -> None:
    """Run the CLI to its end with its output in `log_file`. An interruption reaches it too, and is waited for.

    It runs in the clone's root, so that the app is that of cdk.json unless `arguments` give another: the CLI splits an
    `--app` with spaces at its own discretion. `variables` default to those of this process.

    Raises SdxlError, with the end of the log, if the CLI fails.
    """
    check_cli()
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [str(CLI), *arguments, "--no-color"],
            cwd=ROOT,
            env={"PYTHONUNBUFFERED": "1", **(child_environment() if variables is None else variables)},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
        )
        try:
            for line in process.stdout or ():
                log.write(line)
                show_progress(line, show)
            status = process.wait()
        except BaseException:
            # A terminal sends the interruption to both of us; a plain `kill -INT` reaches only this process.
            process.send_signal(signal.SIGINT)
            process.wait()
            raise
    if status:
        raise SdxlError(f"`cdk {what}` failed with status {status}. {last_log_lines(log_file, 25)}")


def last_log_lines(path: Path, count: int = 15) -> str:
    """Return the end of a log as part of an error message."""
    lines = path.read_text(errors="replace").splitlines()[-count:] if path.is_file() else []
    shown = "\n".join(f"  {line}" for line in lines)
    return f"The end of {path}:\n{shown}" if shown else f"{path} is empty."
