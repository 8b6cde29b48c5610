"""The bootstrap that cdk.json names: one place for the qualifier, which everything reads."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from preflight_fakes import FakeAws, environment, refused

from sdxl.commands.pipeline import bootstrap_lines
from sdxl.deployment.aws import lookup_role_arn
from sdxl.preflight.access import check_bootstrap
from sdxl.preflight.account import Account
from stacks.bootstrap import Bootstrap, BootstrapError, read_bootstrap
from stacks.environment.pipeline import load_pipeline

ROOT = Path(__file__).resolve().parents[3]
PIPELINE, ENVIRONMENTS = load_pipeline(ROOT / "tests" / "pipelines" / "small" / "pipeline.yaml")


@pytest.fixture
def own_bootstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """cdk.json of an organization with a qualifier and a stack name of its own."""
    file = tmp_path / "cdk.json"
    file.write_text(
        json.dumps({"toolkitStackName": "PlatformToolkit", "context": {"@aws-cdk/core:bootstrapQualifier": "platform"}})
    )
    monkeypatch.setattr("stacks.bootstrap.CDK_FILE", file)


def test_names_are_the_cdks_own_where_cdk_json_says_nothing(tmp_path: Path) -> None:
    file = tmp_path / "cdk.json"
    file.write_text('{"app": "python app.py"}')

    found = read_bootstrap(file)

    assert found == Bootstrap(qualifier="hnb659fds", stack_name="CDKToolkit")
    assert found.version_parameter == "/cdk-bootstrap/hnb659fds/version"
    assert found.options == ""


def test_role_is_of_the_regions_partition() -> None:
    arn = Bootstrap(qualifier="q1").lookup_role_arn("111122223333", "cn-north-1")

    assert arn == "arn:aws-cn:iam::111122223333:role/cdk-q1-lookup-role-111122223333-cn-north-1"


@pytest.mark.parametrize("qualifier", ["", "elevenchars", "with space", "a/b"])
def test_qualifier_that_the_cdk_refuses_is_an_error(qualifier: str) -> None:
    with pytest.raises(BootstrapError, match="1 to 10 letters"):
        Bootstrap(qualifier=qualifier)


@pytest.mark.usefixtures("own_bootstrap")
def test_roles_and_options_have_the_qualifier_of_cdk_json() -> None:
    target = environment()

    assert lookup_role_arn(target).startswith(f"arn:aws:iam::{target.account}:role/cdk-platform-lookup-role-")
    commands = [line for line in bootstrap_lines(PIPELINE, ENVIRONMENTS) if line.startswith("npx cdk bootstrap")]
    assert len(commands) > 1
    assert all(" --qualifier platform --toolkit-stack-name PlatformToolkit " in line for line in commands)
    assert read_bootstrap().options == " --qualifier platform --toolkit-stack-name PlatformToolkit"


@pytest.mark.usefixtures("own_bootstrap")
def test_preflight_looks_for_the_bootstrap_of_cdk_json() -> None:
    aws = FakeAws()
    aws.stacks = {"PlatformToolkit": "CREATE_COMPLETE"}

    (found,) = check_bootstrap(Account(environment(), aws))

    assert found.status == "ok"
    assert aws.called("GetParameter") == [{"Name": "/cdk-bootstrap/platform/version"}]
    assert aws.called("DescribeStacks") == [{"StackName": "PlatformToolkit"}]


@pytest.mark.usefixtures("own_bootstrap")
def test_missing_bootstrap_is_reported_with_the_command_that_makes_this_one() -> None:
    aws = FakeAws()
    aws.stacks = {}
    aws.answers["GetParameter"] = refused("ParameterNotFound")

    (found,) = check_bootstrap(Account(environment(), aws))

    assert "no stack PlatformToolkit" in found.found
    assert found.remedy.endswith(" --qualifier platform --toolkit-stack-name PlatformToolkit")
