"""Ends a child process when the emulator ends, however it ends: the child's standard input is a pipe that only the
emulator holds open.

A pipe and not PR_SET_PDEATHSIG: that signal follows the thread that started the child, and request threads end early.
"""

from __future__ import annotations

import os
import subprocess
import threading
from pathlib import Path
from typing import IO


def spawn(
    command: list[str], *, environment: dict[str, str], directory: Path, output: int | IO[bytes]
) -> subprocess.Popen[bytes]:
    """Start a child that calls `end_with_parent()`; its standard output and error go to `output`."""
    return subprocess.Popen(  # noqa: S603 - the emulator's own commands
        command, env=environment, cwd=directory, stdin=subprocess.PIPE, stdout=output, stderr=subprocess.STDOUT
    )


def stop(process: subprocess.Popen[bytes], *, grace_seconds: float) -> None:
    """Ask the child to end by SIGTERM, then make it after the grace, as SageMaker and Lambda do."""
    if process.poll() is None:
        if grace_seconds > 0:
            process.terminate()
        else:
            process.kill()
        try:
            process.wait(max(grace_seconds, 5))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdin:
        process.stdin.close()


def end_with_parent() -> None:
    """In the child: end at once when the parent is gone, and leave an empty standard input to the program."""
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()
