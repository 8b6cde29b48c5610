"""Processes of this machine: which one holds a port, whether one is alive, and its end."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


def port_is_free(port: int, host: str = "127.0.0.1") -> bool:
    """Whether a server could listen on this port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: a connection of the last run that is still closing does not block the port.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def port_holder(port: int) -> str:
    """Return "name (process 123)" of what listens on a port, or "another process" where the system does not say."""
    pid = _pid_by_proc(port) if _PROC.is_dir() else _pid_by_lsof(port)
    if pid is None:
        return "another process"
    return f"{command_of(pid).split(' ', 1)[0].rsplit('/', 1)[-1] or 'a program'} (process {pid})"


def command_of(pid: int) -> str:
    """Return a process's command line, or "" if it has ended."""
    if _PROC.is_dir():
        try:
            return (_PROC / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace").strip()
        except OSError:
            return ""
    return _output("ps", "-o", "command=", "-p", str(pid))


def is_alive(pid: int) -> bool:
    """Whether a process runs. One that has ended and waits to be collected does not."""
    return bool(command_of(pid))


def end(pid: int, *, patience_seconds: float = 15.0) -> bool:
    """Ask a process to end; after `patience_seconds` end it and its session. Returns whether it is gone."""
    try:
        os.kill(pid, signal.SIGTERM)
        if _is_gone(pid, patience_seconds):
            return True
        # It leads a session, with the model servers and functions in it.
        (os.killpg if os.getpgid(pid) == pid else os.kill)(pid, signal.SIGKILL)
    except ProcessLookupError:
        return True
    return _is_gone(pid, 5.0)


def _is_gone(pid: int, seconds: float) -> bool:
    give_up_at = time.monotonic() + seconds
    while is_alive(pid):
        if time.monotonic() > give_up_at:
            return False
        time.sleep(0.05)
    return True


def _pid_by_proc(port: int) -> int | None:
    """Find the listener as the kernel lists it: port to socket in net/tcp, socket to process in */fd."""
    sockets = set()
    for table in ("tcp", "tcp6"):
        path = _PROC / "net" / table
        for line in path.read_text().splitlines()[1:] if path.is_file() else ():
            fields = line.split()
            if fields[3] == _LISTENING and int(fields[1].rsplit(":", 1)[1], 16) == port:
                sockets.add(f"socket:[{fields[9]}]")
    for descriptor in _PROC.glob("[0-9]*/fd/*"):
        try:
            if str(descriptor.readlink()) in sockets:
                return int(descriptor.parts[2])
        except OSError:  # ended meanwhile, or another user's
            continue
    return None


def _pid_by_lsof(port: int) -> int | None:
    found = _output("lsof", "-nP", "-t", f"-iTCP:{port}", "-sTCP:LISTEN").split()
    return int(found[0]) if found else None


def _output(program: str, *arguments: str) -> str:
    executable = shutil.which(program)
    if executable is None:
        return ""
    finished = subprocess.run([executable, *arguments], check=False, capture_output=True, text=True)  # noqa: S603
    return finished.stdout.strip()
