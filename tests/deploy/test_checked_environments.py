"""`sdxl environments check --synth` for real: right files, and a team's own code."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from deploy_harness import QUIET, ROOT, copy_of_app

from sdxl.project import child_environment

OPEN = 'account: "111122223333"\nregion: {region}\nmodel: {{source: open}}\n'
BEDROCK = """
account: "111122223333"
region: eu-north-1
model: {source: bedrock, region: us-west-2, model_id: stability.sd3-5-large-v1:0}
"""
# What a team may add to its copy: a bucket that the rule packs refuse, and a type that Stockholm does not have.
OWN_STACK = """

class _WithOwnStack(SdxlStage):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        own = cdk.Stack(self, "Own")
        cdk.aws_s3.CfnBucket(own, "Pictures")
        budget = {"BudgetType": "COST", "TimeUnit": "MONTHLY"}
        cdk.CfnResource(own, "Budget", type="AWS::Budgets::Budget", properties={"Budget": budget})


SdxlStage = _WithOwnStack
"""


def check(root: Path, *arguments: str) -> tuple[int, dict[tuple[str, str], dict[str, Any]]]:
    """Run the command of a copy of the project; return its exit code and its results by environment and check."""
    program = [sys.executable, "-c", "from sdxl.__main__ import main; main()"]
    done = subprocess.run(
        [*program, "environments", "check", "--synth", "--json", *arguments],
        cwd=root,
        env=child_environment() | QUIET | {"PYTHONPATH": f"{root}:{root / 'lambda'}"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.stdout, done.stderr
    return done.returncode, {(one["environment"], one["check"]): one for one in json.loads(done.stdout)["checks"]}


def rules(result: dict[str, Any]) -> set[str]:
    return {finding["rule"] for finding in result["findings"]}


def test_files_that_are_right_pass(tmp_path: Path) -> None:
    shutil.copy(ROOT / "tests" / "environments" / "bedrock.yaml", tmp_path)
    (tmp_path / "weights.yaml").write_text(OPEN.format(region="eu-west-1"))

    status, results = check(ROOT, "--dir", str(tmp_path))

    assert status == 0
    assert [key for key, result in results.items() if not result["ok"]] == []
    assert len(results) == 8


@pytest.fixture
def fork(tmp_path: Path) -> Path:
    """A repository with the project as its only commit, and one environment."""
    root = copy_of_app(tmp_path)
    shutil.copytree(ROOT / "sdxl", root / "sdxl", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "cdk.json", root)
    for name in ("node_modules", ".local"):
        (root / name).symlink_to(ROOT / name)
    (root / "environments").mkdir()
    (root / "environments" / "dev.yaml").write_text(OPEN.format(region="eu-north-1"))
    (root / ".gitignore").write_text("__pycache__/\nnode_modules\n.local\n")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet", "--initial-branch=main"], ["add", "-A"], [*identity, "commit", "-qm", "one"]):
        subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)
    return root


def test_a_teams_own_code_is_checked_and_compared_with_its_base(fork: Path) -> None:
    # Given a bucket without what the rule packs ask for, a type that the region lacks, and a model source that takes
    # the endpoint away
    stage = fork / "stacks" / "sdxl_stage.py"
    stage.write_text(stage.read_text() + OWN_STACK)
    (fork / "environments" / "dev.yaml").write_text(BEDROCK)

    status, results = check(fork, "--diff-from", "HEAD")

    assert status == 1
    assert results["dev", "synthesis"]["ok"]
    nag = results["dev", "cdk-nag"]
    assert {"AwsSolutions-S1", "AwsSolutions-S10"} < rules(nag)
    assert {finding["resource"] for finding in nag["findings"]} == {"sdxl-dev/Own/Pictures"}
    (finding,) = results["dev", "cfn-lint"]["findings"]
    assert finding["rule"] == "E3006"
    assert "AWS::Budgets::Budget' does not exist in 'eu-north-1'" in finding["text"]
    assert finding["template"].endswith(".template.json")
    diff = results["dev", "diff"]
    assert rules(diff) == {"refused"}
    assert any("sdxl-dev-Inference leaves the app" in finding["text"] for finding in diff["findings"])
