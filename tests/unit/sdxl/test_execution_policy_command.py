"""`sdxl pipeline execution-policy`: which accounts, which forms, and what it reminds of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdxl.cli import app

FILE = 'account: "{account}"\nregion: {region}\nmodel: {{source: open}}\n'
ROLE = {
    "Type": "AWS::IAM::Role",
    "Properties": {
        "AssumeRolePolicyDocument": {
            "Statement": [
                {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}}
            ]
        }
    },
}
PERMISSIONS = {
    "Type": "AWS::IAM::ManagedPolicy",
    "Properties": {
        "PolicyDocument": {
            "Statement": [{"Effect": "Allow", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::sdxl-dev-images/*"}]
        }
    },
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    directory = tmp_path / "environments"
    directory.mkdir()
    for name, account, region in (
        ("dev", "111122223333", "us-east-1"),
        ("test", "111122223333", "eu-west-1"),
        ("prod", "444455556666", "us-east-1"),
    ):
        (directory / f"{name}.yaml").write_text(FILE.format(account=account, region=region))
        stage = tmp_path / "cdk.out" / f"assembly-sdxl-{name}"
        stage.mkdir(parents=True)
        (stage / "Api.template.json").write_text(json.dumps({"Resources": {"Role": ROLE, "Policy": PERMISSIONS}}))
        artifact = {
            "type": "aws:cloudformation:stack",
            "displayName": f"sdxl-{name}/Api",
            "properties": {"templateFile": "Api.template.json"},
        }
        (stage / "manifest.json").write_text(json.dumps({"artifacts": {"a": artifact}}))
    (tmp_path / "cdk.out" / "manifest.json").write_text('{"artifacts": {}}')
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Any:
    arguments = ["pipeline", "execution-policy", "--dir", str(folder / "environments")]
    return lambda *more: CliRunner().invoke(app, [*arguments, "--assembly", str(folder / "cdk.out"), *more])


def test_policies_of_an_account_cover_all_its_environments(run: Any) -> None:
    done = run("--env", "dev", "--json")

    assert done.exit_code == 0, done.stderr
    content = json.loads(done.stdout)
    assert list(content) == ["111122223333"]
    assert list(content["111122223333"]) == ["workload-boundary-sdxl", "cloudformation-execution-sdxl-1"]
    text = json.dumps(content)
    assert "arn:aws:ssm:us-east-1:" in text
    assert "arn:aws:ssm:eu-west-1:" in text
    assert "444455556666" not in text


def test_all_accounts_have_their_own(run: Any) -> None:
    assert list(json.loads(run("--all", "--json").stdout)) == ["111122223333", "444455556666"]


def test_arns_are_one_line_for_the_bootstrap(run: Any) -> None:
    done = run("--env", "prod", "--arns")

    assert done.stdout == "arn:aws:iam::444455556666:policy/cloudformation-execution-sdxl-1\n"


def test_files_are_written_with_the_commands_that_make_the_policies(run: Any, tmp_path: Path) -> None:
    done = run("--env", "prod", "--write", str(tmp_path / "policies"))

    assert done.stdout.splitlines() == [
        "# prod, with credentials of account 444455556666:",
        *(
            f"aws iam create-policy --policy-name {name} --policy-document file://{tmp_path}/policies/{name}.json"
            for name in ("workload-boundary-sdxl", "cloudformation-execution-sdxl-1")
        ),
    ]
    boundary = json.loads((tmp_path / "policies" / "workload-boundary-sdxl.json").read_text())
    assert boundary["Statement"] == [
        {"Effect": "Allow", "Action": ["s3:PutObject"], "Resource": ["arn:aws:s3:::sdxl-*"]}
    ]


def test_roles_without_a_boundary_are_said(run: Any, folder: Path) -> None:
    warned = run("--env", "prod", "--arns")
    (folder / "environments" / "organization.yaml").write_text("permissions_boundary: workload-boundary-sdxl\n")
    bounded = run("--env", "prod", "--arns")

    assert "The roles of prod have no permissions boundary yet" in warned.stderr
    assert "permissions boundary" not in bounded.stderr


def test_boundary_of_the_organization_is_demanded_and_not_made(run: Any, folder: Path) -> None:
    (folder / "environments" / "organization.yaml").write_text("permissions_boundary: boundaries/workload\n")

    content = json.loads(run("--env", "prod", "--json").stdout)["444455556666"]

    assert list(content) == ["cloudformation-execution-sdxl-1"]
    assert "arn:aws:iam::444455556666:policy/boundaries/workload" in json.dumps(content)


def test_boundary_named_by_its_arn_is_still_the_one_that_is_made(run: Any, folder: Path) -> None:
    (folder / "environments" / "prod.yaml").unlink()
    (folder / "environments" / "organization.yaml").write_text(
        "permissions_boundary: arn:aws:iam::111122223333:policy/workload-boundary-sdxl\n"
    )

    assert "workload-boundary-sdxl" in json.loads(run("--env", "dev", "--json").stdout)["111122223333"]


def test_role_of_the_rollout_is_guarded_in_the_tooling_account(run: Any, folder: Path) -> None:
    (folder / "environments" / "pipeline.yaml").write_text(
        """\
account: "444455556666"
region: us-east-1
source:
  repository: example/sdxl
  connection_arn: arn:aws:codeconnections:us-east-1:444455556666:connection/12345678-1234-1234-1234-123456789012
rings: [{name: all, environments: [dev, test, prod]}]
github: {role_name: sdxl-deploys}
"""
    )

    content = json.loads(run("--all", "--json").stdout)

    assert "arn:aws:iam::444455556666:role/sdxl-deploys" in json.dumps(content["444455556666"])
    assert "sdxl-deploys" not in json.dumps(content["111122223333"])


def test_wrong_pipeline_file_ends_the_command_with_its_error(run: Any, folder: Path) -> None:
    (folder / "environments" / "pipeline.yaml").write_text("account: x\n")

    done = run("--all", "--json")

    assert (done.exit_code, done.stdout) == (2, "")
    assert "pipeline.yaml" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((), "Name one environment with --env, or all accounts with --all"),
        (("--env", "dev", "--all"), "Name one environment with --env, or all accounts with --all"),
        (("--env", "dve"), "--env dve: "),
        (("--env", "dev", "--json", "--arns"), "exclude each other"),
    ],
)
def test_wrong_arguments_say_what_is_allowed(run: Any, arguments: tuple[str, ...], text: str) -> None:
    done = run(*arguments)

    assert done.exit_code == 2
    assert text in done.stderr
    assert done.stdout == ""
