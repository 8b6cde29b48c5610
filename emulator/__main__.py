"""Command line of the emulator: runs in the foreground until a signal stops it."""

from __future__ import annotations

import argparse
import logging
import os
import re
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

from emulator import state_file
from emulator.account.facts import AwsFacts, FactsError, read_aws_facts
from emulator.server import DEFAULT_PORT, PORT_VARIABLE, Emulator, PortInUseError, Settings

DEFAULT_ACCOUNT = "111111111111"
HIGHEST_PORT = 65534


def main(arguments: list[str] | None = None) -> int:
    """Run the emulator; answer with the exit code."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(stream=sys.stdout, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%H:%M:%S")
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    logging.getLogger("botocore").setLevel(logging.WARNING)
    stop = threading.Event()

    def on_signal(number: int, _: FrameType | None) -> None:
        if stop.is_set():
            # The second signal: do not wait for what would not stop. The children end with this process.
            os._exit(128 + number)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, on_signal)
    if options.end_with_stdin:
        threading.Thread(target=_stop_at_end_of_stdin, daemon=True).start()
    try:
        emulator = Emulator(
            Settings(account=options.account, port=options.port, facts=options.facts, state_path=options.state_file)
        )
    except PortInUseError as exc:
        sys.stderr.write(f"emulator: {exc}\n")
        return 1
    try:
        emulator.start()
        stop.wait()
    finally:
        emulator.stop()
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m emulator", description="AWS on this machine: gateway on PORT, AWS endpoint on PORT+1."
    )
    parser.add_argument(
        "--port",
        type=_port,
        default=os.environ.get(PORT_VARIABLE, str(DEFAULT_PORT)),
        help=f"the gateway's port; 0 takes any two free ports (default: ${PORT_VARIABLE}, else {DEFAULT_PORT})",
    )
    parser.add_argument(
        "--state-file",
        type=Path,
        default=state_file.DEFAULT_PATH,
        help="written when the emulator is ready, removed when it stops (default: %(default)s)",
    )
    parser.add_argument(
        "--account",
        type=_account,
        default=DEFAULT_ACCOUNT,
        help="the account of access keys that carry none (default: %(default)s)",
    )
    parser.add_argument(
        "--facts",
        type=_facts,
        default=AwsFacts(),
        metavar="FILE",
        help="JSON file of what AWS offers: quotas, models, images (default: nothing; see emulator/README.md)",
    )
    parser.add_argument("--end-with-stdin", action="store_true", help="stop when standard input is closed")
    return parser


def _stop_at_end_of_stdin() -> None:
    while os.read(0, 1):
        pass
    os.kill(os.getpid(), signal.SIGTERM)


def _port(text: str) -> int:
    if not text.isdigit() or int(text) > HIGHEST_PORT:
        message = f"port {text!r} is not a number from 0 to {HIGHEST_PORT} (--port or ${PORT_VARIABLE})"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _facts(text: str) -> AwsFacts:
    try:
        return read_aws_facts(Path(text))
    except FactsError as exc:
        raise argparse.ArgumentTypeError(str(exc)) from exc


def _account(text: str) -> str:
    if not re.fullmatch(r"\d{12}", text):
        message = f"account {text!r} is not 12 digits"
        raise argparse.ArgumentTypeError(message)
    return text


if __name__ == "__main__":
    sys.exit(main())
