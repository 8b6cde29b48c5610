"""The two streams of every command: results on stdout, everything said about them on stderr."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Sequence
from itertools import zip_longest
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

# Between two columns of a table, and in front of a cell that has lines below its row.
_GAP = "  "
_INDENT = "    "
# A column is wrapped within the table if it keeps this many characters, and its longest cell gets this many lines.
_NARROWEST, _MOST_LINES = 8, 3


class _Stream:
    """The one console of a stream. Two consoles on one stream would not know of each other's animations."""

    def __init__(self, *, stderr: bool) -> None:
        self._stderr = stderr
        self._console: Console | None = None
        self._file: object = None

    def console(self) -> Console:
        """Return the console; a new one once tests or callers have replaced the stream."""
        file = sys.stderr if self._stderr else sys.stdout
        if self._console is None or self._file is not file:
            self._file = file
            self._console = Console(stderr=self._stderr, soft_wrap=True, highlight=False, markup=False, emoji=False)
        return self._console


_RESULTS, _PROGRESS = _Stream(stderr=False), _Stream(stderr=True)


def results() -> Console:
    """Return the console for results."""
    return _RESULTS.console()


def progress() -> Console:
    """Return the console for progress, notes and errors. Colour and animation only where a person is looking."""
    return _PROGRESS.console()


def print_result(line: str) -> None:
    """Print one line of the command's result. It is never wrapped: what is copied from it is whole."""
    results().print(line)


def print_wrapped(text: str, *, indent: str = "", style: str = "") -> None:
    """Print a paragraph of the result: between words, wrapped to a terminal's width; in a pipe, as one line."""
    console = results()
    lines = _wrapped(text, console.width, indent) if console.is_terminal else [indent + text]
    for line in lines:
        console.print(line, style=style)


def print_table(
    head: Sequence[str], rows: Sequence[Sequence[object]], *, styles: Sequence[str] = (), notes: Sequence[str] = ()
) -> None:
    """Print a table for people on a terminal; in a pipe, tab-separated lines that nothing wraps or cuts.

    `styles` has one style for the first cell of each row, and `notes` a text to be shown below each row on a terminal;
    both may be left out.
    """
    console = results()
    if not console.is_terminal:
        for row in (head, *rows):
            # Not through rich, which makes spaces of tabs.
            console.file.write("\t".join(" ".join(str(cell).split()) for cell in row) + "\n")
        return
    texts = [[" ".join(str(cell).split()) for cell in row] for row in rows]
    is_head = True
    for line, first in table_lines(head, texts, console.width, notes):
        is_head = is_head and first is None
        text = Text(line, style="bold" if is_head else "")
        if styles and first is not None:
            text.stylize(styles[first], 0, len(texts[first][0]))
        console.print(text)


def table_lines(
    head: Sequence[str], rows: Sequence[Sequence[str]], width: int, notes: Sequence[str] = ()
) -> Iterator[tuple[str, int | None]]:
    """Yield the lines of a table for `width` columns, each with its row's index if it is the row's first.

    Where the columns do not fit side by side, the widest one is wrapped between words; where it would become too narrow
    for that, it becomes lines below its row. No word is cut: one that is longer than the terminal's line goes on in the
    next, as terminals do it, and is copied as a whole.
    """
    widths = [max(len(row[column]) for row in (head, *rows)) for column in range(len(head))]
    side, below = [*range(len(head))], []
    while len(side) > 1 and (excess := sum(widths[one] for one in side) + len(_GAP) * (len(side) - 1) - width) > 0:
        widest = max(side[1:], key=lambda column: widths[column])
        words = [word for row in (head, *rows) for word in row[widest].split()]
        room = widths[widest] - excess
        if room >= max([_NARROWEST, *map(len, words)]) and widths[widest] <= _MOST_LINES * room:
            widths[widest] = room
        else:
            side.remove(widest)
            below.append(widest)
    below.sort()

    def side_by_side(row: Sequence[str]) -> Iterator[str]:
        cells = [_wrapped(row[column], widths[column], "") for column in side]
        for line in zip_longest(*cells, fillvalue=""):
            yield _GAP.join(text.ljust(widths[column]) for text, column in zip(line, side, strict=True)).rstrip()

    yield from ((line, None) for line in side_by_side(head))
    for index, row in enumerate(rows):
        yield from ((line, index if number == 0 else None) for number, line in enumerate(side_by_side(row)))
        for column in below:
            if row[column] not in {"", "-"}:
                yield from ((text, None) for text in _wrapped(f"{head[column]}: {row[column]}", width, _INDENT))
        if notes and notes[index]:
            yield from ((text, None) for text in _wrapped(notes[index], width, _INDENT))


def _wrapped(text: str, width: int, indent: str) -> list[str]:
    further = indent + _GAP if indent else ""
    return textwrap.wrap(
        text, width, initial_indent=indent, subsequent_indent=further, break_long_words=False, break_on_hyphens=False
    ) or [""]


def say(message: str, style: str = "") -> None:
    """Report what is going on: on a terminal wrapped between words, in a pipe as one line for each line of it."""
    console = progress()
    for line in message.split("\n"):
        fits = not console.is_terminal or len(line) <= console.width
        words = line.lstrip(" ")
        for one in [line] if fits else _wrapped(words, console.width, line[: len(line) - len(words)]):
            console.print(one, style=style)


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
