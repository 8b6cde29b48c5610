"""The two streams of every command: results on stdout, everything said about them on stderr."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.table import Table
from rich.text import Text


def results() -> Console:
    """Return the console for results. Made anew, because tests and callers replace the streams."""
    return Console(soft_wrap=True, highlight=False, markup=False, emoji=False)


def progress() -> Console:
    """Return the console for progress, notes and errors. Colour and animation only where a person is looking."""
    return Console(stderr=True, soft_wrap=True, highlight=False, markup=False, emoji=False)


def print_result(line: str) -> None:
    """Print one line of the command's result."""
    results().print(line)


def print_table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print a table for people on a terminal; in a pipe, tab-separated lines that nothing wraps or cuts."""
    console = results()
    if not console.is_terminal:
        for row in (head, *rows):
            # Not through rich, which makes spaces of tabs.
            console.file.write("\t".join(str(cell) for cell in row) + "\n")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, title in enumerate(head):
        # A cell that is cut cannot be copied: long ones go on in the next line, the name in front stays whole.
        table.add_column(title, overflow="fold", no_wrap=index == 0)
    for row in rows:
        table.add_row(*(str(cell) for cell in row))
    console.print(table)


def say(message: str, style: str = "") -> None:
    """Tell the person what is going on."""
    progress().print(message, style=style)


class Progress:
    """Shows `message` while something takes time: animated on a terminal, plain lines in a pipe."""

    def __init__(self, message: str) -> None:
        """Keep the message for when the work starts."""
        self._message = message
        self._console = progress()
        self._status = Status(Text(message), console=self._console)

    def __enter__(self) -> Self:
        """Start showing."""
        if self._console.is_terminal:
            self._status.start()
        else:
            self._console.print(self._message)
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        """Clear the line."""
        self._status.stop()

    def show(self, detail: str, *, is_lasting: bool = False) -> None:
        """Say how far it is: on a terminal in place, and as a line that stays, in a pipe too, if it `is_lasting`."""
        if is_lasting:
            self._console.print(f"  {detail}")
        elif self._console.is_terminal:
            self._status.update(Text(f"{self._message}: {detail}"))
