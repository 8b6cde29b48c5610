"""`sdxl preflight` as a person or a pipeline sees it: output, JSON and exit codes."""

import json

import pytest
import yaml
from preflight_fakes import ACCOUNT, SCALING, quota, refused
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.commands import preflight as command

SETTINGS = {"account": ACCOUNT, "region": "us-east-1", "model": {"source": "open"}, "scaling": SCALING}


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(SETTINGS))
    return str(tmp_path)


@pytest.fixture
def run(aws, monkeypatch, folder):
    monkeypatch.setattr(command, "make_session", lambda *_: aws)
    return lambda *arguments: CliRunner().invoke(app, ["preflight", "--dir", folder, *arguments])


def test_the_command_on_a_clean_account(run):
    result = run("--env", "dev")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "status\tcheck\tfound\twhat to do"
    assert all(line.count("\t") == 3 and line.startswith("ok\t") for line in lines[1:])
    assert "\x1b" not in result.output


def test_the_command_fails_with_what_failed(run, aws):
    quota("ml.g5.4xlarge", 0)(aws)
    result = run()
    assert result.exit_code == 1
    assert "failed\tquota of ml.g5.4xlarge\t0 (L-" in result.stdout
    assert "1 failed" in result.stderr


def test_warnings_and_unknown_do_not_fail_the_command(run, aws):
    aws.answers["GetRole"] = refused("NoSuchEntity")
    aws.answers["HeadObject"] = refused("403")
    result = run()
    assert result.exit_code == 0
    assert "1 warning, 1 unknown" in result.stderr


def test_json_for_pipelines(run, aws):
    quota("ml.g5.4xlarge", 1)(aws)
    result = run("--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert (content["ok"], content["account"], content["region"]) == (False, ACCOUNT, "us-east-1")
    assert content["counts"] == {"ok": len(content["findings"]) - 1, "warning": 0, "failed": 1, "unknown": 0}
    (failed,) = [finding for finding in content["findings"] if finding["status"] == "failed"]
    assert (failed["details"]["current"], failed["details"]["wanted"]) == (1.0, 4)
    assert failed["details"]["command"].startswith("aws service-quotas request-service-quota-increase")


@pytest.mark.parametrize(("variable", "has_colour"), [("FORCE_COLOR", True), ("NO_COLOR", False)])
def test_a_terminal_gets_a_table_in_colour_unless_it_wants_none(run, aws, monkeypatch, variable, has_colour):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv(variable, "1")
    quota("ml.g5.4xlarge", 0)(aws)
    result = run()
    assert "→ Ask for more" in result.stdout
    assert ("\x1b[31m" in result.stdout) == has_colour


def test_a_wrong_environment_file_is_a_wrong_argument(folder):
    result = CliRunner().invoke(app, ["preflight", "--env", "nowhere", "--dir", folder])
    assert result.exit_code == 2


def test_a_profile_that_is_not_there_is_one_clear_error(monkeypatch, folder):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    result = CliRunner().invoke(app, ["preflight", "--dir", folder])
    assert result.exit_code == 1
    assert "nobody" in result.stderr
