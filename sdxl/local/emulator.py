"""The door to the emulator: a process that this module starts detached, finds by its state file and stops by its id.

No other module of the toolkit imports from the `emulator` package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from sdxl.deployment.cdk import last_log_lines
from sdxl.errors import SdxlError, UsageError
from sdxl.local import processes
from sdxl.project import LOCAL, ROOT, local_environment

STATE_FILE = LOCAL / "emulator.json"
LOG_FILE = LOCAL / "emulator.log"
FACTS_FILE = LOCAL / "emulator-facts.json"
PORT_VARIABLE = "SDXL_LOCAL_PORT"
DEFAULT_PORT = 4580
START_SECONDS = 60.0


@dataclass(frozen=True, kw_only=True)
class Emulator:
    """A running emulator, as its state file describes it."""

    pid: int
    gateway_url: str
    aws_endpoint_url: str
    account: str


def wanted_port() -> int:
    """Return the gateway's port: SDXL_LOCAL_PORT, or 4580. The AWS endpoint takes the next."""
    value = os.environ.get(PORT_VARIABLE, "").strip() or str(DEFAULT_PORT)
    if not value.isdecimal() or not 1024 <= int(value) <= 65534:
        raise UsageError(f"{PORT_VARIABLE} is {value!r}. It must be a port number from 1024 to 65534.")
    return int(value)


def read_state(path: Path = STATE_FILE) -> Emulator | None:
    """Return what the state file says, or None if there is none. It may be of an emulator that has ended."""
    try:
        state = json.loads(path.read_text())
        return Emulator(
            pid=int(state["pid"]),
            gateway_url=str(state["gateway_url"]),
            aws_endpoint_url=str(state["aws_endpoint_url"]),
            account=str(state["account"]),
        )
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def answers(emulator: Emulator) -> bool:
    """Whether the emulator of the state file, and no other process, answers at its address."""
    try:
        answer = httpx2.get(f"{emulator.aws_endpoint_url}/_emulator/health", timeout=5.0, trust_env=False)
        return answer.is_success and answer.json().get("pid") == emulator.pid
    except (httpx2.HTTPError, ValueError, AttributeError):
        return False


def is_emulator(pid: int) -> bool:
    """Whether a process is an emulator, going by its command line: a process id is used again after its process."""
    return "-m emulator" in processes.command_of(pid)


def find_running() -> Emulator | None:
    """Return the emulator if it runs and answers."""
    emulator = read_state()
    return emulator if emulator is not None and answers(emulator) else None


def aws_environment(emulator: Emulator, account: str, region: str) -> dict[str, str]:
    """Return the variables that point the CDK CLI and boto3 at an account and region of the emulator."""
    from emulator import client  # noqa: PLC0415 - the emulator is not installed with the client alone

    return client.aws_environment(emulator.aws_endpoint_url, account, region)


def check_ports(port: int) -> None:
    """Refuse, naming who holds it, a port that the emulator needs and cannot have."""
    for needed, purpose in ((port, "the API"), (port + 1, "the AWS endpoint")):
        if not processes.port_is_free(needed):
            raise SdxlError(
                f"Port {needed}, for {purpose}, is taken by {processes.port_holder(needed)}. Stop that, or choose "
                f"another port: {PORT_VARIABLE}={port + 100} make up"
            )


def start(port: int, account: str) -> Emulator:
    """Start the emulator in a new session and return once it answers.

    An interruption while it starts ends it again: there is a ready emulator with a state file, or nothing.
    """
    from sdxl.local import emulator_facts  # noqa: PLC0415 - the catalog is not installed with the client alone

    LOCAL.mkdir(parents=True, exist_ok=True)
    STATE_FILE.unlink(missing_ok=True)
    emulator_facts.write(FACTS_FILE)
    command = [sys.executable, "-m", "emulator", "--port", str(port)]
    command += ["--state-file", str(STATE_FILE), "--account", account, "--facts", str(FACTS_FILE)]
    with LOG_FILE.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            command,
            cwd=ROOT,
            env=local_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        return _wait_until_ready(process)
    except BaseException:
        processes.end(process.pid)
        process.wait()
        STATE_FILE.unlink(missing_ok=True)
        raise


def _wait_until_ready(process: subprocess.Popen[bytes]) -> Emulator:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        if process.poll() is not None:
            raise SdxlError(f"The emulator ended at once (status {process.returncode}). {last_log_lines(LOG_FILE)}")
        emulator = read_state()
        if emulator is not None and emulator.pid == process.pid and answers(emulator):
            return emulator
        time.sleep(0.1)
    raise SdxlError(f"The emulator was not ready after {START_SECONDS:g} s. {last_log_lines(LOG_FILE)}")


def stop(say: Callable[[str], None]) -> bool:
    """Stop the emulator and return whether there was one. A process that is not ours is never touched."""
    emulator = read_state()
    if emulator is None:
        return False
    is_ours = answers(emulator) or is_emulator(emulator.pid)
    if is_ours and not processes.end(emulator.pid):
        raise SdxlError(f"The emulator (process {emulator.pid}) does not end. Its log is {LOG_FILE}.")
    if not is_ours:
        say(f"The emulator (process {emulator.pid}) had ended already.")
    STATE_FILE.unlink(missing_ok=True)
    return is_ours
