"""Two new accounts: the printed commands prepare them, and GitHub's role rolls out with them; each test needs the last.

The first account is the tooling account and has an environment too, as that of a team with one account.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from deploy_harness import QUIET, ROOT, Account, running_emulator

from emulator.client import child_environment
from sdxl.rollout.github import workflow_text
from stacks.environment.pipeline import load_pipeline

pytestmark = pytest.mark.allow_loopback

TOOLING, OTHER = "100000000001", "100000000002"
REGION = "us-west-2"
ENVIRONMENT = """\
account: "{account}"
region: us-west-2
model:
  source: bedrock
  model_id: stability.sd3-5-large-v1:0
"""
FILES = {
    "dev.yaml": ENVIRONMENT.format(account=TOOLING),
    "prod.yaml": ENVIRONMENT.format(account=OTHER),
    "pipeline.yaml": f"""\
account: "{TOOLING}"
region: {REGION}
source:
  repository: example/sdxl
  connection_arn: arn:aws:codeconnections:{REGION}:{TOOLING}:connection/12345678-1234-1234-1234-123456789012
rings:
  - {{name: dev, environments: [dev]}}
  - {{name: prod, environments: [prod], approval: manual}}
github:
  identity_provider: create
""",
}
# A person answers on a terminal. The CLI takes its options from such variables too.
APPROVED = {"CDK_REQUIRE_APPROVAL": "never"}


@dataclass
class Place:
    """The emulator, an administrator of each account, and the folder of the files."""

    accounts: dict[str, Account]
    folder: Path

    @property
    def files(self) -> Path:
        return self.folder / "environments"

    def run(self, command: str, variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
        """Run a line in a shell at the project's root, as it is printed."""
        return subprocess.run(
            ["sh", "-eu", "-c", command],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def administrator(self, account: str) -> dict[str, str]:
        return self.accounts[account].variables() | APPROVED

    def rollout_role(self) -> dict[str, str]:
        """What the action aws-actions/configure-aws-credentials sets, with a session of the role."""
        tooling = self.accounts[TOOLING]
        assumed = tooling.client("sts").assume_role(
            RoleArn=f"arn:aws:iam::{TOOLING}:role/sdxl-rollout", RoleSessionName="GitHubActions", DurationSeconds=14400
        )["Credentials"]
        variables: dict[str, str] = child_environment(os.environ, tooling.emulator.aws_endpoint_url, TOOLING, REGION)
        return {
            **variables,
            **QUIET,
            "HOME": str(tooling.home),
            "AWS_ENDPOINT_URL_EXECUTE_API": tooling.emulator.gateway_url,
            "AWS_ACCESS_KEY_ID": assumed["AccessKeyId"],
            "AWS_SECRET_ACCESS_KEY": assumed["SecretAccessKey"],
            "AWS_SESSION_TOKEN": assumed["SessionToken"],
        }

    def attached(self, account: str, role: str) -> set[str]:
        iam = self.accounts[account].client("iam")
        return {one["PolicyArn"] for one in iam.list_attached_role_policies(RoleName=role)["AttachedPolicies"]}


@pytest.fixture(scope="module")
def place(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("access")
    (folder / "environments").mkdir()
    for name, text in FILES.items():
        (folder / "environments" / name).write_text(text)
    with running_emulator(folder) as emulator:
        yield Place({account: Account(emulator, account, home) for account in (TOOLING, OTHER)}, folder)


def test_the_printed_commands_prepare_both_accounts(place: Place) -> None:
    # When an administrator of each account runs what the command prints for it, in this order
    printed = place.run(f".venv/bin/sdxl pipeline bootstrap-commands --dir {place.files}", place.administrator(TOOLING))
    assert printed.returncode == 0, printed.stderr
    account, ran = "", []
    for line in printed.stdout.splitlines():
        if line.startswith("# Account "):
            account = line.split()[2].rstrip(",")
            continue
        done = place.run(line, place.administrator(account))
        assert done.returncode == 0, line + done.stdout + done.stderr
        ran.append((account, line.split()[2]))

    # Then each account has its access stack before its bootstrap
    assert ran == [(account, step) for account in (TOOLING, OTHER) for step in ("deploy", "bootstrap")]
    for account in (TOOLING, OTHER):
        # And CloudFormation deploys there with the stack's policies, and with no other
        outputs = place.accounts[account].outputs("sdxl-access", REGION)
        arns = set(outputs["ExecutionPolicyArns"].split(","))
        assert f"arn:aws:iam::{account}:policy/cloudformation-execution-sdxl-1" in arns
        assert place.attached(account, f"cdk-hnb659fds-cfn-exec-role-{account}-{REGION}") == arns
        assert outputs["WorkloadBoundaryArn"] == f"arn:aws:iam::{account}:policy/workload-boundary-sdxl"


def test_only_the_tooling_account_trusts_github(place: Place) -> None:
    providers = {
        account: [
            one["Arn"]
            for one in place.accounts[account]
            .client("iam")
            .list_open_id_connect_providers()["OpenIDConnectProviderList"]
        ]
        for account in (TOOLING, OTHER)
    }
    role = place.accounts[TOOLING].client("iam").get_role(RoleName="sdxl-rollout")["Role"]
    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]

    assert providers == {
        TOOLING: [f"arn:aws:iam::{TOOLING}:oidc-provider/token.actions.githubusercontent.com"],
        OTHER: [],
    }
    assert statement["Principal"] == {"Federated": providers[TOOLING][0]}
    assert place.attached(TOOLING, "sdxl-rollout") == {f"arn:aws:iam::{TOOLING}:policy/rollout-sdxl-1"}


def test_the_workflows_jobs_roll_out_with_the_role_alone(place: Place) -> None:
    # Given the jobs of the generated workflow, with its files in a folder of the test
    pipeline, _ = load_pipeline(place.files / "pipeline.yaml")
    jobs = yaml.safe_load(workflow_text(pipeline, str(place.files)))["jobs"]

    def step(job: str, text: str) -> str:
        (run,) = [one["run"] for one in jobs[job]["steps"] if text in one.get("run", "")]
        here = run.replace(" cdk.out", f" {place.folder / 'cdk.out'}")
        return str(here.replace(" rollout.json", f" {place.folder / 'rollout.json'}"))

    # When they run: one synthesizes without credentials, and each ring deploys with a session of the role
    nobody = {name: value for name, value in place.administrator(TOOLING).items() if not name.startswith("AWS_")}
    synthesized = place.run(step("synth", "cdk synth"), nobody)
    assert synthesized.returncode == 0, synthesized.stdout + synthesized.stderr
    for ring in ("dev", "prod"):
        done = place.run(step(f"ring-{ring}", "sdxl rollout"), place.rollout_role())

        # Then it deploys, and the API generates an image
        assert done.returncode == 0, done.stdout + done.stderr
        (outcome,) = json.loads((place.folder / "rollout.json").read_text())["environments"]
        assert (outcome["environment"], outcome["state"]) == (ring, "done")
        assert "an image of " in done.stderr
