"""A child ends with its parent, even when the parent is killed."""

from __future__ import annotations

import os
import select
import subprocess
import sys

CHILD = """
import time
from emulator import lifeline
lifeline.end_with_parent()
print("up", flush=True)
time.sleep(60)
"""
PARENT = f"""
import os, pathlib, signal, subprocess, sys
from emulator import lifeline
child = lifeline.spawn(
    [sys.executable, "-c", {CHILD!r}],
    environment=dict(os.environ), directory=pathlib.Path.cwd(), output=sys.stdout.buffer,
)
sys.stdin.readline()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_child_ends_when_its_parent_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"up\n"

        parent.stdin.write(b"die\n")
        parent.stdin.flush()
        parent.wait(10)

        # The child holds the other end of this pipe: it can be read to its end only once the child is gone.
        readable, _, _ = select.select([parent.stdout], [], [], 10)
        assert readable
        assert os.read(parent.stdout.fileno(), 1) == b""
