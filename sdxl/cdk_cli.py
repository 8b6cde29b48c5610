"""Runs the real CDK CLI to its end: output to a log, progress in short to whoever looks, interruptions passed on."""

from __future__ import annotations

import re
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from sdxl.errors import SdxlError
from sdxl.project import ROOT

CLI = ROOT / "node_modules" / ".bin" / "cdk"

# An event is "<stack> |  3/20 | <time> | <status> | <resource type> | <construct path>".
_EVENT = re.compile(r"^(?P<stack>\S+) \| +(?P<done>\d+)/(?P<total>\d+) \|[^|]*\| (?P<status>[A-Z_]+) +\| (?P<type>\S+)")
# The end of a stack is "✅  <path> (<stack>)", and " (no changes)" where there were none.
_STACK_DONE = re.compile(r"^ *✅ +(?P<path>\S+)( \((?P<stack>\S+)\))?(?P<unchanged> \(no changes\))?$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Show(Protocol):
    """Takes a word on progress; what `is_lasting` stays to be read."""

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


def run(arguments: Sequence[str], variables: Mapping[str, str], show: Show, *, what: str, log_file: Path) -> None:
    """Run the CLI to its end with its output in `log_file`. An interruption reaches it too, and is waited for.

    Raises SdxlError, with the end of the log, if the CLI fails.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    with log_file.open("w", encoding="utf-8") as log:
        process = subprocess.Popen(  # noqa: S603 - our own arguments
            [str(CLI), *arguments],
            cwd=ROOT,
            env=dict(variables),
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
