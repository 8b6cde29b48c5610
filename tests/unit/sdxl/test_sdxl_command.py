"""The `sdxl` command: what it lists is what it runs, and a command is imported when it is run."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sdxl import cli, project


@pytest.mark.parametrize("command", cli.COMMANDS.values(), ids=cli.COMMANDS)
def test_a_commands_help_starts_as_the_list_says(command):
    loaded = command.load()
    assert loaded.name == command.name
    assert " ".join(loaded.help.split()).startswith(command.help)


def test_help_imports_no_command():
    script = "import sys; from sdxl.cli import app; app(['--help'], standalone_mode=False); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    modules = done.stdout.splitlines()[-1].split()
    assert {"sdxl.cli", "sdxl.console"} <= set(modules)
    assert {
        name for name in modules if name.startswith(("sdxl.commands", "sdxl.client", "stacks", "boto", "httpx"))
    } == set()


def test_a_misspelled_command_is_an_error_that_names_the_right_one():
    done = CliRunner().invoke(cli.app, ["genrate"])
    assert done.exit_code == 2
    assert "Did you mean 'generate'?" in done.stderr


@pytest.fixture
def client_only(monkeypatch, tmp_path):
    monkeypatch.setattr(project, "ROOT", tmp_path)


@pytest.mark.parametrize(
    "arguments",
    [
        *([command.name] for command in cli.COMMANDS.values() if command.needs_clone),
        ["generate", "a fox"],
        ["presets", "--env", "prod"],
    ],
    ids=" ".join,
)
def test_without_a_clone_a_command_that_reads_it_says_how_to_get_one(client_only, monkeypatch, arguments):
    monkeypatch.delenv("SDXL_API_URL", raising=False)
    done = CliRunner().invoke(cli.app, arguments)
    assert done.exit_code == 2
    assert "Clone the project, run `make setup` there" in done.stderr


def test_without_the_extra_the_command_says_so_in_one_line():
    script = "import sys; sys.modules['typer'] = None; from sdxl.__main__ import main; main()"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "needs the extra `cli`" in done.stderr
