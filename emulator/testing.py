"""An emulator in another process, for tests."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from emulator import state_file
from emulator.state_file import RunningEmulator

START_SECONDS = 60.0
STOP_SECONDS = 20.0
_ROOT = Path(__file__).resolve().parents[1]


@contextlib.contextmanager
def running_emulator(directory: Path, *arguments: str) -> Iterator[RunningEmulator]:
    """Run an emulator on free ports, with its state file and log in `directory`.

    It ends with the calling process however that ends, because it holds the other end of a pipe.

    Raises:
        RuntimeError: it did not start; the message is its log.
    """
    state, log_path = directory / "emulator.json", directory / "emulator.log"
    command = [sys.executable, "-m", "emulator", "--port", "0", "--state-file", str(state), "--end-with-stdin"]
    with log_path.open("wb") as log:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter and arguments
            [*command, *arguments], cwd=_ROOT, stdin=subprocess.PIPE, stdout=log, stderr=log
        )
    try:
        yield _wait_for_state(state, process, log_path)
    finally:
        process.terminate()
        process.wait(STOP_SECONDS)
        if process.stdin is not None:
            process.stdin.close()


def _wait_for_state(path: Path, process: subprocess.Popen[bytes], log: Path) -> RunningEmulator:
    give_up_at = time.monotonic() + START_SECONDS
    while time.monotonic() < give_up_at:
        found = state_file.read(path)
        if found is not None:
            return found
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise RuntimeError(f"the emulator did not start: {log.read_text()}")
