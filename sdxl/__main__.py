"""Starts the `sdxl` command, or says what it lacks: the client installs without it."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command; exit code 1 without the packages of the extra `cli`."""
    try:
        from sdxl.cli import app  # noqa: PLC0415 - the import is what may fail
    except ModuleNotFoundError as exc:
        if exc.name not in {"rich", "typer"}:
            raise
        sys.stderr.write("error: the sdxl command needs the extra `cli`: install the package as '.[cli]'.\n")
        sys.exit(1)
    app()


if __name__ == "__main__":
    main()
