"""The file that says where a running emulator is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_PATH = Path(".local/emulator.json")


@dataclass(frozen=True)
class RunningEmulator:
    """Where a running emulator is, and the account that it was started for."""

    pid: int
    gateway_url: str
    aws_endpoint_url: str
    account: str


def write(path: Path, emulator: RunningEmulator) -> None:
    """Write the file in one step: a reader finds the whole of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    draft.write_text(json.dumps(asdict(emulator), indent=2) + "\n")
    draft.replace(path)


def read(path: Path = DEFAULT_PATH) -> RunningEmulator | None:
    """What the file says, or None where there is none."""
    try:
        return RunningEmulator(**json.loads(path.read_text()))
    except FileNotFoundError:
        return None


def remove(path: Path) -> None:
    """Remove the file if it is this process's own."""
    emulator = read(path)
    if emulator is not None and emulator.pid == os.getpid():
        path.unlink(missing_ok=True)
