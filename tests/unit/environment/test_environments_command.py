"""`sdxl environments`: output for people and scripts, exit codes."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from stacks.environment.schema import schema_text, settings_table

pytestmark = pytest.mark.disable_socket

runner = CliRunner()
THREE_ACCOUNTS = Path(__file__).parents[2] / "three_accounts"
BASE = 'account: "111122223333"\nregion: us-east-1\nmodel: {source: open}\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "prod.yaml").write_text(BASE.replace("open", "closed") + "surprise: 1\n")
    return tmp_path


def test_check_of_right_files_writes_nothing_to_stderr() -> None:
    result = runner.invoke(app, ["environments", "check", "--dir", str(THREE_ACCOUNTS)])

    assert result.exit_code == 0
    named = [line.partition(": ok (")[0].rpartition("/")[2] for line in result.stdout.splitlines()]
    assert named == ["dev.yaml", "prod.yaml", "staging.yaml"]
    assert result.stderr == ""


def test_check_says_what_is_right_on_stdout_and_what_is_wrong_on_stderr(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "--dir", str(directory)])

    assert result.exit_code == 1
    expected = f"{directory}/dev.yaml: ok (open in 111122223333/us-east-1, ml.g5.4xlarge)\n"
    assert result.stdout == expected
    assert "prod.yaml:3: model.source: received closed" in result.stderr
    assert "prod.yaml:4: surprise: unknown setting" in result.stderr
    assert "2 errors." in result.stderr


def test_check_of_one_name_leaves_the_others_alone(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "dev", "--dir", str(directory)])

    assert result.exit_code == 0
    assert result.stdout.count("\n") == 1


def test_check_as_json(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "--dir", str(directory), "--json"])

    content = json.loads(result.stdout)
    assert result.exit_code == 1
    assert content["ok"] is False
    right, wrong = content["files"]
    assert right == {
        "file": str(directory / "dev.yaml"),
        "ok": True,
        "environment": "dev",
        "account": "111122223333",
        "region": "us-east-1",
        "source": "open",
        "instance_types": ["ml.g5.4xlarge"],
        "errors": [],
        "warnings": [],
    }
    assert wrong["errors"][0] == {
        "file": str(directory / "prod.yaml"),
        "line": 3,
        "field": "model.source",
        "message": "received closed",
        "allowed": "optimized, open, bedrock",
        "remedy": "use one of these",
    }


def test_unknown_environment_ends_with_1_and_the_names_there_are(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "test", "--dir", str(directory)])

    assert result.exit_code == 1
    assert "there is no environment 'test'" in result.stderr
    assert "allowed: dev, prod" in result.stderr


def test_missing_directory_ends_with_1(tmp_path: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "--dir", str(tmp_path / "nowhere")])

    assert result.exit_code == 1
    assert "there is no such directory" in result.stderr


def test_output_in_a_pipe_has_no_escape_sequences(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "--dir", str(directory)], color=False)

    assert "\x1b" not in result.output


def test_schema_is_printed_as_it_is_committed() -> None:
    result = runner.invoke(app, ["environments", "schema"])

    assert result.exit_code == 0
    assert result.stdout == schema_text()


def test_schema_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdxl.commands.environments.ENVIRONMENTS", tmp_path)

    assert "written" in runner.invoke(app, ["environments", "schema", "--write"]).stderr
    assert "unchanged" in runner.invoke(app, ["environments", "schema", "--write"]).stderr
    assert (tmp_path / "schema.json").read_text() == schema_text()


def test_docs_print_the_table() -> None:
    assert runner.invoke(app, ["environments", "docs"]).stdout == settings_table()


def test_docs_renew_the_table_between_the_markers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "configuration.md"
    begin = "<!-- settings: begin (made by `sdxl environments docs --write`) -->"
    page.write_text(f"before\n{begin}\nold\n<!-- settings: end -->\nafter\n")
    monkeypatch.setattr("sdxl.commands.environments.DOCUMENTATION", page)

    result = runner.invoke(app, ["environments", "docs", "--write"])

    assert result.exit_code == 0
    assert page.read_text() == f"before\n{begin}\n{settings_table()}<!-- settings: end -->\nafter\n"


def test_docs_without_markers_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "configuration.md"
    page.write_text("nothing\n")
    monkeypatch.setattr("sdxl.commands.environments.DOCUMENTATION", page)

    result = runner.invoke(app, ["environments", "docs", "--write"])

    assert result.exit_code == 1
    assert "cannot be renewed" in result.stderr
