"""The program of a worker process: Lambda's runtime client on a path that has the deployed code, the standard library
and installed packages, but nothing of this repository.

Run by file and isolated (`python -I`), so that nothing of the emulator is imported here.
"""

from __future__ import annotations

import os
import runpy
import sys
import sysconfig
import threading


def _end_with_parent() -> None:
    # The same as emulator.lifeline, which cannot be imported here.
    lifeline = os.dup(0)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)

    def watch() -> None:
        while os.read(lifeline, 1):
            pass
        os._exit(1)

    threading.Thread(target=watch, name="lifeline", daemon=True).start()


def _path_as_on_lambda(task_root: str) -> list[str]:
    installed = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    library = [sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")]
    keep = [p for p in sys.path if any(p == home or p.startswith(home + os.sep) for home in [*library, *installed])]
    archives = [p for p in sys.path if p.endswith(".zip")]
    return [task_root, *archives, *keep]


if __name__ == "__main__":
    _end_with_parent()
    handler = os.environ["_HANDLER"]
    sys.path[:] = _path_as_on_lambda(os.environ["LAMBDA_TASK_ROOT"])
    sys.argv = ["awslambdaric", handler]
    runpy.run_module("awslambdaric", run_name="__main__")
