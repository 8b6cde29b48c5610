"""What a person sees on a terminal of 80 columns, and what a pipe gets: whole words, one console for each stream."""

import io
import re
import sys

import pytest
from rich.console import Console

from sdxl import console
from sdxl.console import Progress, print_table, say, table_lines

LONG = "s3://jumpstart-cache-prod-us-east-1/stabilityai-infer/prepack/v1.0.1/infer-prepack-model-imagegeneration.tar.gz"


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Opens a terminal in place of stderr. In the test itself, because pytest sets its own streams just before it."""

    def open_terminal():
        monkeypatch.setenv("COLUMNS", "80")
        monkeypatch.setenv("TERM", "xterm")
        stream = Terminal()
        monkeypatch.setattr(sys, "stderr", stream)
        return stream

    return open_terminal


def visible(stream):
    return re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", stream.getvalue())


@pytest.mark.parametrize("width", [40, 80, 120])
def test_a_table_cuts_no_word_and_keeps_to_the_width(width):
    head = ("role", "action", "resource", "why it was refused")
    rows = [
        ("image-api", "s3:GetObject", LONG, "no statement of the identity's policies allows it " * 3),
        ("b", "-", "", "x"),
    ]
    lines = [line for line, _ in table_lines(head, rows, width)]
    words = {word for row in (head, *rows) for cell in row for word in cell.split()} - {"-"}
    assert words <= {word.rstrip(":") for line in lines for word in line.split()}
    assert all(len(line) <= width or len(line.split()) == 1 or LONG in line for line in lines)
    assert sum(LONG in line for line in lines) == 1


def test_a_table_that_fits_is_a_line_for_each_row():
    assert [line for line, _ in table_lines(("a", "bb"), [("1", "2"), ("333", "4")], 80)] == [
        "a    bb",
        "1    2",
        "333  4",
    ]


def test_a_table_in_a_pipe_is_a_line_for_each_row_whatever_its_width(capsys):
    print_table(("a", "b"), [(LONG, "two\nlines")])
    assert capsys.readouterr().out == f"a\tb\n{LONG}\ttwo lines\n"


def test_a_message_is_wrapped_between_words(terminal):
    stderr = terminal()
    message = "The environment names what exists only in its account, and the emulator starts empty. " * 3
    say(f"error: {message}\n    allowed: {'ml.g5.xlarge, ' * 20}", style="red")
    lines = visible(stderr).splitlines()
    assert max(map(len, lines)) <= 80
    assert " ".join(" ".join(lines).split()) == " ".join(f"error: {message} allowed: {'ml.g5.xlarge, ' * 20}".split())


def test_a_stream_has_one_console_so_that_a_note_does_not_run_into_the_spinner(terminal):
    stderr = terminal()
    with Progress("Generating") as progress:
        assert console.progress() is console.progress()
        assert isinstance(console.progress(), Console)
        say("busy: trying again in 3 s")
        progress.show("half")
    assert any(line.strip() == "busy: trying again in 3 s" for line in re.split(r"[\r\n]", visible(stderr)))
