"""The clone that `sdxl` is installed from: where things are in it, and what its processes are started with."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl.errors import UsageError

ROOT = Path(__file__).resolve().parents[1]
ENVIRONMENTS = ROOT / "environments"
LOCAL = ROOT / ".local"
NODE_PROGRAMS = ROOT / "node_modules" / ".bin"


def is_clone() -> bool:
    """Return whether `sdxl` runs from a clone. `pip install` brings the package alone, without stacks/ and the rest."""
    return (ROOT / "cdk.json").is_file()


def require_clone(what: str) -> None:
    """Raise UsageError unless `sdxl` runs from a clone. `what` is the subject of the error's first sentence."""
    if not is_clone():
        raise UsageError(
            f"{what} reads the environment files and stacks of the project, and this installation has only the client. "
            "Clone the project, run `make setup` there, and use its .venv/bin/sdxl."
        )


def child_environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return the variables for our own processes: those of this one, the pinned Node.js, and bytecode kept.

    The CDK and its engine start the `node` of the PATH. Where PYTHONDONTWRITEBYTECODE is set for a whole machine, every
    start of the CDK would compile it anew, for 3 s.
    """
    kept = {name: value for name, value in inherited.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return {**kept, "PATH": f"{NODE_PROGRAMS}{os.pathsep}{kept.get('PATH', os.defpath)}"}


def local_environment(inherited: Mapping[str, str] = os.environ) -> dict[str, str]:
    """Return `child_environment` without what points at AWS, at another CDK account or at a proxy.

    For processes that reach this machine only: a profile that does not exist must not end them.
    """
    return {
        name: value
        for name, value in child_environment(inherited).items()
        if not name.startswith(("AWS_", "CDK_")) and name.lower() not in {"http_proxy", "https_proxy", "all_proxy"}
    }


def write_text(path: Path, text: str) -> None:
    """Write a file that a command was asked for, and its folder. Raises UsageError where that is not possible."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as exc:
        raise UsageError(f"{path} cannot be written: {exc.strerror}. Choose another place.") from exc


def write_json(path: Path, value: dict[str, Any]) -> None:
    """Write `value` so that a reader sees the old file or the new one, never half; readable by its owner only."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.touch(mode=0o600)
    unfinished.write_text(json.dumps(value, indent=2) + "\n")
    unfinished.replace(path)
