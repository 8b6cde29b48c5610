"""`sdxl environments`: output for people and scripts, exit codes."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from stacks.environment import EnvironmentFileError, load_environment, load_environments
from stacks.environment.pipeline import load_pipeline
from stacks.environment.schema import schema_text, settings_table

pytestmark = pytest.mark.disable_socket

runner = CliRunner()
THREE_ACCOUNTS = Path(__file__).parents[2] / "three_accounts"
BASE = 'account: "210987654321"\nregion: us-east-1\nmodel: {source: open}\n'


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "dev.yaml").write_text(BASE)
    (tmp_path / "prod.yaml").write_text(BASE.replace("open", "closed") + "surprise: 1\n")
    return tmp_path


def with_accounts_of_a_team(source: Path, target: Path) -> Path:
    """A folder's environments, in accounts that are not AWS's documentation's."""
    for path in source.glob("*.yaml"):
        text = re.sub(r'^account: "\d\d', 'account: "21', path.read_text(), flags=re.MULTILINE)
        (target / path.name).write_text(text)
    return target


def test_check_of_right_files_writes_nothing_to_stderr(tmp_path: Path) -> None:
    folder = with_accounts_of_a_team(THREE_ACCOUNTS, tmp_path)
    result = runner.invoke(app, ["environments", "check", "--dir", str(folder)])

    assert result.exit_code == 0
    named = [line.partition(": ok (")[0].rpartition("/")[2] for line in result.stdout.splitlines()]
    assert named == ["dev.yaml", "prod.yaml", "staging.yaml"]
    assert result.stderr == ""


def test_check_says_what_is_right_on_stdout_and_what_is_wrong_on_stderr(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "check", "--dir", str(directory)])

    assert result.exit_code == 1
    expected = f"{directory}/dev.yaml: ok (open in 210987654321/us-east-1, ml.g5.4xlarge)\n"
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
        "account": "210987654321",
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


@pytest.mark.parametrize("account", ["111122223333", "123456789012", "000000000000"])
def test_check_warns_of_accounts_of_aws_documentation(tmp_path: Path, account: str) -> None:
    (tmp_path / "dev.yaml").write_text(BASE.replace("210987654321", account))

    result = runner.invoke(app, ["environments", "check", "--dir", str(tmp_path)])
    content = json.loads(runner.invoke(app, ["environments", "check", "--dir", str(tmp_path), "--json"]).stdout)

    assert result.exit_code == 0
    assert f"warning: account {account} is of AWS's documentation" in result.stdout
    assert [account in warning for warning in content["files"][0]["warnings"]] == [True]


def test_an_error_of_a_shared_file_is_reported_once(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"e{number}.yaml").write_text(BASE)
    (tmp_path / "organization.yaml").write_text("permission_boundary: x\nrequired_tag: {}\n")

    result = runner.invoke(app, ["environments", "check", "--dir", str(tmp_path)])

    assert result.exit_code == 1
    assert result.stderr.count("unknown setting") == 2
    assert "2 errors." in result.stderr
    assert result.stdout.count(": ok (") == 5
    with pytest.raises(EnvironmentFileError) as raised:
        load_environments(tmp_path)
    assert {problem.file.name for problem in raised.value.problems} == {"organization.yaml"}
    assert len(raised.value.problems) == 2


NEW = ["environments", "new", "team-a", "--account", "210987654321"]


@pytest.mark.parametrize(
    ("source", "region"), [("open", "eu-west-1"), ("optimized", "us-east-1"), ("bedrock", "us-west-2")]
)
def test_a_new_environment_passes_the_check_and_is_not_written_over(tmp_path: Path, source: str, region: str) -> None:
    arguments = [*NEW, "--region", region, "--source", source, "--dir", str(tmp_path)]
    printed = runner.invoke(app, arguments)
    assert printed.exit_code == 0
    assert not (tmp_path / "team-a.yaml").exists()

    written = runner.invoke(app, [*arguments, "--write"])

    assert written.exit_code == 0
    assert (tmp_path / "team-a.yaml").read_text() == printed.stdout
    environment = load_environment(tmp_path / "team-a.yaml")
    assert (environment.account, environment.region, environment.model.source) == ("210987654321", region, source)
    assert printed.stdout.count("#") > 5
    (tmp_path / "team-a.yaml").write_text("mine")
    again = runner.invoke(app, [*arguments, "--write"])
    assert (again.exit_code, "exists already" in again.stderr) == (2, True)
    assert (tmp_path / "team-a.yaml").read_text() == "mine"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--account", "12"], "team-a.yaml:.*account: received"),
        (["--region", "mars-1"], "region: .*mars-1"),
        (["--source", "closed"], "model.source: received closed"),
        (["--source", "bedrock", "--region", "eu-north-1"], "Regions that have one are us-west-2"),
        (["--tag", "novalue"], "KEY=VALUE"),
    ],
)
def test_a_new_environment_that_cannot_work_is_refused_as_the_check_would(
    tmp_path: Path, arguments: list[str], message: str
) -> None:
    given = [*NEW, "--region", "eu-west-1", "--dir", str(tmp_path), "--write", *arguments]

    result = runner.invoke(app, given)

    assert result.exit_code == 2
    assert re.search(message, result.stderr)
    assert [*tmp_path.iterdir()] == []


def test_a_new_environment_has_what_the_organization_demands(tmp_path: Path) -> None:
    (tmp_path / "organization.yaml").write_text("required_tags:\n  CostCenter: any\n")
    arguments = [*NEW, "--region", "eu-west-1", "--dir", str(tmp_path)]

    assert "CostCenter" in runner.invoke(app, arguments).stderr
    result = runner.invoke(app, [*arguments, "--tag", "CostCenter=0815", "--write"])

    assert result.exit_code == 0
    assert load_environment(tmp_path / "team-a.yaml").tags["CostCenter"] == "0815"


def test_list_shows_every_environment_and_names_wrong_files(directory: Path) -> None:
    result = runner.invoke(app, ["environments", "list", "--dir", str(directory)])
    content = json.loads(runner.invoke(app, ["environments", "list", "--dir", str(directory), "--json"]).stdout)

    assert result.stdout.splitlines()[1].split("\t") == ["dev", "210987654321", "us-east-1", "open", "ml.g5.4xlarge"]
    assert (result.exit_code, "prod.yaml" in result.stderr) == (1, True)
    assert [one["environment"] for one in content["environments"]] == ["dev"]
    assert content["files_with_errors"] == [str(directory / "prod.yaml")]


@pytest.mark.parametrize(
    "command",
    [["rollout", "--dry-run"], ["pipeline", "check"], ["pipeline", "github"], ["pipeline", "bootstrap-commands"]],
    ids=" ".join,
)
def test_without_a_pipeline_file_every_command_says_the_same(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "dev.yaml").write_text(BASE)

    result = runner.invoke(app, [*command, "--dir", str(tmp_path)])

    assert result.exit_code == 2
    assert result.stderr.startswith(f"error: There is no {tmp_path / 'pipeline.yaml'}, ")
    assert "`sdxl pipeline init`" in result.stderr


def test_a_new_pipeline_has_each_environment_once_with_production_last(tmp_path: Path) -> None:
    for name in ("prod", "dev", "staging", "team-a"):
        (tmp_path / f"{name}.yaml").write_text(BASE)
    (tmp_path / "iam.yaml").write_text(BASE + "api: {auth: {mode: iam}}\n")
    arguments = ["pipeline", "init", "--repository", "team/sdxl", "--dir", str(tmp_path)]

    printed, written = (runner.invoke(app, [*arguments, *more]) for more in ([], ["--write"]))

    assert (printed.exit_code, written.exit_code) == (0, 0)
    assert (tmp_path / "pipeline.yaml").read_text() == printed.stdout
    pipeline, _ = load_pipeline(tmp_path / "pipeline.yaml")
    assert [ring.environments for ring in pipeline.rings] == [("dev",), ("iam",), ("team-a",), ("staging",), ("prod",)]
    assert [ring.approval for ring in pipeline.rings] == ["none"] * 4 + ["manual"]
    assert {ring.name: ring.smoke_test for ring in pipeline.rings}["iam"] == "health"
    assert (pipeline.account, pipeline.region, pipeline.source.repository) == ("210987654321", "us-east-1", "team/sdxl")
    assert runner.invoke(app, ["pipeline", "check", "--dir", str(tmp_path)]).exit_code == 0
    assert runner.invoke(app, [*arguments, "--write"]).exit_code == 2
