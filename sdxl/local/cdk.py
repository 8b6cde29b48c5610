"""Runs the real CDK CLI against the emulator, with nothing of the user's own AWS configuration."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from sdxl.errors import SdxlError
from sdxl.local.emulator import Emulator, last_log_lines
from sdxl.project import LOCAL, ROOT, child_environment

if TYPE_CHECKING:
    from stacks.environment import Environment


class Show(Protocol):
    """Takes a word on progress; what `is_lasting` stays to be read."""

    def __call__(self, detail: str, *, is_lasting: bool) -> None:
        """Show `detail`."""


CLI = ROOT / "node_modules" / ".bin" / "cdk"
LOG_FILE = LOCAL / "deploy.log"
OUTPUT = LOCAL / "cdk.out"

# An event is "<stack> |  3/20 | <time> | <status> | <resource type> | <construct path>".
_EVENT = re.compile(r"^(?P<stack>\S+) \| +(?P<done>\d+)/(?P<total>\d+) \|[^|]*\| (?P<status>[A-Z_]+) +\| (?P<type>\S+)")
# The end of a stack is "✅  <path> (<stack>)", and " (no changes)" where there were none.
_STACK_DONE = re.compile(r"^ *✅ +(?P<path>\S+)( \((?P<stack>\S+)\))?(?P<unchanged> \(no changes\))?$")
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def cli_environment(
    emulator: Emulator, environment: Environment, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the variables for the CLI and boto3: the emulator's address and keys, and no one else's."""
    from emulator.client import aws_environment  # noqa: PLC0415 - one of several packages beside this one

    kept = {
        name: value
        for name, value in child_environment(inherited).items()
        # Proxies are for the world outside; everything here is on this machine.
        if not name.startswith(("AWS_", "CDK_")) and name.lower() not in {"http_proxy", "https_proxy", "all_proxy"}
    }
    return {
        **kept,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}",
        # Keeps the CLI's memory of accounts, notices and telemetry out of the home folder.
        "CDK_HOME": str(LOCAL / "cdk-home"),
        # The template validator costs 2-3 s, and the tests run it.
        "CDK_VALIDATION": "false",
        "JSII_SILENCE_WARNING_DEPRECATED_NODE_VERSION": "1",
        "JSII_SILENCE_WARNING_END_OF_LIFE_NODE_VERSION": "20",
        # The AWS SDK inside the CLI announces the Node.js versions of next year.
        "NODE_NO_WARNINGS": "1",
        "PYTHONUNBUFFERED": "1",
        **{
            name: value
            for name, value in aws_environment(
                emulator.aws_endpoint_url, environment.account, environment.region
            ).items()
            # boto3 takes an empty variable for a value
            if value
        },
    }


def bootstrap(environment: Environment, variables: Mapping[str, str]) -> None:
    """Make the buckets and roles that the CDK deploys through. `--app ""` keeps it from synthesizing."""
    arguments = ["bootstrap", f"aws://{environment.account}/{environment.region}", "--app", "", "--no-notices"]
    _run(arguments, variables, _silent, what="bootstrap")


def deploy(environment: Environment, variables: Mapping[str, str], show: Show) -> None:
    """Deploy the environment's stacks; `show` is told each stack's progress."""
    arguments = ["deploy", f"sdxl-{environment.name}/*", "--require-approval", "never", "--no-notices"]
    arguments += ["--context", f"environment={environment.name}", "--output", str(OUTPUT)]
    arguments += ["--progress", "events", "--no-color", "--no-version-reporting"]
    _run(arguments, variables, show, what="deploy")


def show_progress(line: str, show: Show) -> None:
    """Pass on, in short, what a line of the CLI's output says about progress; most lines say nothing."""
    line = _COLOUR.sub("", line).rstrip()
    if event := _EVENT.match(line):
        kind = event["type"].removeprefix("AWS::")
        show(f"{event['stack']} {event['done']}/{event['total']} {kind}", is_lasting=False)
    elif done := _STACK_DONE.match(line):
        show(f"{done['stack'] or done['path']} {'is unchanged' if done['unchanged'] else 'deployed'}", is_lasting=True)


def _silent(detail: str, *, is_lasting: bool) -> None:
    """Show nothing."""


def _run(arguments: Sequence[str], variables: Mapping[str, str], show: Show, *, what: str) -> None:
    """Run the CLI to its end with its output in the log. An interruption reaches it too, and is waited for."""
    LOCAL.mkdir(parents=True, exist_ok=True)
    with LOG_FILE.open("w", encoding="utf-8") as log:
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
        raise SdxlError(f"`cdk {what}` failed with status {status}. {last_log_lines(LOG_FILE, 25)}")
