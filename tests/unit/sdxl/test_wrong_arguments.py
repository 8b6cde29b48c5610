"""Values that a command cannot take: one line that names them, before anything is done, and no traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdxl import cli
from sdxl.commands import execution_policy as policy_command
from sdxl.deployment.aws import load_named_environment, make_session
from sdxl.errors import SdxlError, UsageError

ENVIRONMENT = 'account: "210987654321"\nregion: eu-north-1\nmodel: {source: open}\n'
PIPELINE = """\
account: "210987654321"
region: eu-north-1
source:
  repository: acme/images
  connection_arn: arn:aws:codeconnections:eu-north-1:210987654321:connection/12345678-1234-1234-1234-123456789012
rings:
  - name: dev
    environments: [dev]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "environments"
    made.mkdir()
    (made / "dev.yaml").write_text(ENVIRONMENT)
    (made / "pipeline.yaml").write_text(PIPELINE)
    return made


def run(*arguments: str) -> Any:
    return CliRunner().invoke(cli.app, [*map(str, arguments)])


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file, below which no folder can be made."""
    made = tmp_path / "a-file"
    made.write_text("")
    return made


@pytest.mark.parametrize("place", ["a file's folder", "a folder"])
def test_a_rollouts_summary_is_refused_before_anything_is_deployed(folder: Path, file: Path, place: str) -> None:
    summary = file / "rollout.json" if place == "a file's folder" else folder

    done = run("rollout", "--dir", folder, "--yes", "--json", summary)

    assert done.exit_code == 2
    assert f"--json {summary} cannot be written" in done.stderr
    assert "Synthesizing" not in done.stderr


def test_policies_that_cannot_be_written_are_one_line(
    folder: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(policy_command, "synthesize", lambda *_, **__: None)
    monkeypatch.setattr(policy_command, "read_assembly", lambda _: {"dev": {"Api": {"Resources": {}}}})

    done = run("pipeline", "execution-policy", "--env", "dev", "--dir", folder, "--write", file / "policies")

    assert done.exit_code == 2
    assert "cannot be written: Not a directory. Choose another place." in done.stderr


def test_a_workflow_of_environments_outside_the_project_is_refused(folder: Path) -> None:
    done = run("pipeline", "github", "--dir", folder, "--write")

    assert done.exit_code == 2
    assert f"--dir {folder} is outside the project {cli.__file__.removesuffix('/sdxl/cli.py')}" in done.stderr


@pytest.mark.parametrize(
    "command",
    [("rollout", "--dry-run"), ("pipeline", "check"), ("pipeline", "github"), ("pipeline", "bootstrap-commands")],
)
def test_a_folder_that_does_not_exist_is_named_by_every_command_of_the_rollout(
    command: tuple[str, ...], tmp_path: Path
) -> None:
    done = run(*command, "--dir", tmp_path / "nowhere")

    assert done.exit_code == 2
    assert f"--dir {tmp_path / 'nowhere'}: there is no such folder." in done.stderr


def test_a_folder_that_does_not_exist_is_no_empty_list(tmp_path: Path) -> None:
    done = run("environments", "list", "--dir", tmp_path / "nowhere")

    assert done.exit_code == 2
    assert "there is no such directory" in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("arn", ["reader", "arn:aws:iam::12:role/reader", "arn:aws:iam::210987654321:user/reader"])
def test_a_role_that_is_not_one_is_named_with_what_is_allowed(arn: str, folder: Path) -> None:
    environment = load_named_environment("dev", folder)

    with pytest.raises(UsageError) as error:
        make_session(environment, arn)

    assert f"{arn!r} is not the ARN of a role. Allowed is arn:<partition>:iam::<account>:role/<name>" in str(
        error.value
    )


def test_without_credentials_a_role_is_not_what_is_wrong(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("botocore.session.Session.get_credentials", lambda _: None)

    with pytest.raises(SdxlError, match=r"Unable to locate credentials\. Choose a profile") as error:
        make_session(load_named_environment("dev", folder), "arn:aws:iam::210987654321:role/reader")

    assert "trust" not in str(error.value)


def test_a_file_that_cannot_be_read_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(folder / "dev.yaml"))

    monkeypatch.setattr("sdxl.commands.environments._checked", fails)

    done = run("environments", "check")

    assert done.exit_code == 1
    assert done.stderr == f"error: {folder / 'dev.yaml'}: Permission denied.\n"
