"""The `sdxl` command: what it lists is what it runs, and a command is imported when it is run."""

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from sdxl import cli, project
from sdxl.commands import completion


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


def test_no_command_starts_the_engine_of_the_cdk():
    script = (
        "import sys; from sdxl.cli import COMMANDS; from sdxl.commands import execution_policy; "
        "[command.load() for command in COMMANDS.values()]; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert {"jsii", "aws_cdk", "constructs"} & set(done.stdout.split()) == set()
    assert done.stderr == ""


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


@pytest.mark.parametrize("command", ["", *cli.COMMANDS])
def test_help_shows_no_type_for_a_flag(command):
    for arguments in ([command, "--help"] if command else ["--help"],):
        done = CliRunner().invoke(cli.app, arguments)
        assert done.exit_code == 0
        assert "<bool>" not in done.stdout


@pytest.mark.parametrize(
    "command", [["local", "status"], ["environments", "check"], ["pipeline", "init"]], ids=" ".join
)
def test_help_of_a_command_below_another_shows_no_type_for_a_flag(command):
    done = CliRunner().invoke(cli.app, [*command, "--help"])
    assert "--help" in done.stdout
    assert "<bool>" not in done.stdout


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        (["generate", "x", "--size", "wide"], {"widescreen"}),
        (["generate", "x", "--style", "photo"], {"photographic"}),
        (["generate", "x", "--sampler", "K_DPMPP_2M"], {"K_DPMPP_2M"}),
        (["generate", "x", "--env", ""], {"dev", "prod"}),
        (["preflight", "--env", "d"], {"dev"}),
        (["cost", "--env", "a"], {"all"}),
        (["plan", "--env", "d"], {"dev"}),
        (["plan", "--mode", "a"], {"asynchronous"}),
        (["local", "up", "--env", "d"], {"dev"}),
        (["environments", "check", "p"], {"prod"}),
        (["environments", "destroy", "d"], {"dev"}),
        (["environments", "new", "x", "--region", "eu-w"], {"eu-west-1"}),
        (["environments", "new", "x", "--source", "b"], {"bedrock"}),
        (["connect", "--env", "d"], {"dev"}),
        (["rollout", "--ring", "f"], {"first"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_shell_completes_values(monkeypatch, tmp_path, typed, offered):
    for name in ("dev", "prod", "pipeline", "organization"):
        (tmp_path / f"{name}.yaml").write_text("rings:\n  - name: first\n")
    monkeypatch.setattr(completion, "ENVIRONMENTS", tmp_path)
    words = " ".join(["sdxl", *(word or '""' for word in typed)])
    variables = {"_SDXL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(typed))}
    done = CliRunner().invoke(cli.app, [], env=variables, prog_name="sdxl")
    found = set(done.stdout.split())
    assert offered <= found
    assert not {"pipeline", "organization"} & found
