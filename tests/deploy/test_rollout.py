"""A rollout over three accounts with the real CDK CLI and one tooling account's keys: each test stands on the last."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from deploy_harness import QUIET, ROOT, Account, running_emulator

from emulator.client import child_environment

pytestmark = pytest.mark.allow_loopback

TOOLING = "100000000001"
ACCOUNTS = {"dev": "100000000002", "staging": "100000000003", "prod": "100000000004"}
REGION = "us-west-2"
MODEL = "stability.sd3-5-large-v1:0"
EXAMPLE = ROOT / "tests" / "pipelines" / "small"


@dataclass
class Place:
    """The emulator, the accounts in it, and the command run with the tooling account's keys alone."""

    tooling: Account
    accounts: dict[str, Account]
    folder: Path

    def environment(self) -> dict[str, str]:
        variables: dict[str, str] = child_environment(
            os.environ, self.tooling.emulator.aws_endpoint_url, TOOLING, REGION
        )
        gateway = {"AWS_ENDPOINT_URL_EXECUTE_API": self.tooling.emulator.gateway_url}
        found: dict[str, str] = (
            variables | QUIET | gateway | {"HOME": str(self.tooling.home), "CDK_HOME": str(self.tooling.home)}
        )
        return found

    def rollout(self, *arguments: str, assembly: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run the command; without `assembly` as its documentation shows it, so that it synthesizes."""
        given = [] if assembly is None else ["--assembly", str(assembly)]
        return subprocess.run(
            self.command(*arguments, *given),
            cwd=ROOT,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=170,
            check=False,
        )

    def command(self, *arguments: str) -> list[str]:
        sdxl = str(Path(sys.executable).with_name("sdxl"))
        fixed = ["--dir", str(EXAMPLE), "--yes", "--wait", "6", "--json", str(self.summary_file)]
        return [sdxl, "rollout", *fixed, *arguments]

    @property
    def assembly(self) -> Path:
        return self.folder / "cdk.out"

    @property
    def summary_file(self) -> Path:
        return self.folder / "summary.json"

    def states(self) -> dict[str, str]:
        content = json.loads(self.summary_file.read_text())
        return {item["environment"]: item["state"] for item in content["environments"]}

    def stacks(self, name: str) -> set[str]:
        """The environment's stacks that are there and whole."""
        found = self.accounts[name].client("cloudformation", REGION).describe_stacks()["Stacks"]
        prefix = f"sdxl-{name}-"
        return {
            stack["StackName"].removeprefix(prefix)
            for stack in found
            if stack["StackName"].startswith(prefix) and stack["StackStatus"].endswith("_COMPLETE")
        }

    def all_stacks(self, name: str) -> set[str]:
        """The environment's stacks as they are synthesized."""
        manifest = json.loads((self.assembly / f"assembly-sdxl-{name}" / "manifest.json").read_text())
        stacks = [item for item in manifest["artifacts"].values() if item["type"] == "aws:cloudformation:stack"]
        assert len(stacks) >= 2
        return {item["properties"]["stackName"].removeprefix(f"sdxl-{name}-") for item in stacks}

    def describe(self, name: str, facts: dict[str, Any] | None) -> None:
        """Say what the account is like, or that it is clean again."""
        url = f"{self.tooling.emulator.aws_endpoint_url}/_emulator/account?id={ACCOUNTS[name]}"
        answer = httpx2.put(url, json=facts) if facts else httpx2.delete(url)
        assert answer.status_code < 300, answer.text

    def fault(self, fault: dict[str, Any] | None) -> None:
        url = f"{self.tooling.emulator.aws_endpoint_url}/_emulator/faults"
        answer = httpx2.put(url, json=fault) if fault else httpx2.delete(url)
        assert answer.status_code < 300, answer.text


@pytest.fixture(scope="module")
def place(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    folder = tmp_path_factory.mktemp("rollout")
    with running_emulator(folder) as emulator:
        tooling = Account(emulator, TOOLING, home)
        accounts = {name: Account(emulator, account, home) for name, account in ACCOUNTS.items()}
        found = Place(tooling, accounts, folder)

        def bootstrap(account: Account) -> None:
            trust = ["--trust", TOOLING, "--trust-for-lookup", TOOLING]
            policies = ["--cloudformation-execution-policies", "arn:aws:iam::aws:policy/AdministratorAccess"]
            done = account.cdk("bootstrap", f"aws://{account.id}/{REGION}", *trust, *policies, app="")
            assert done.returncode == 0, done.stdout + done.stderr

        def synthesize() -> None:
            done = tooling.cdk(
                "synth",
                "--quiet",
                "--output",
                str(found.assembly),
                app=f"{sys.executable} app.py",
                context={"environments_dir": str(EXAMPLE)},
            )
            assert done.returncode == 0, done.stdout + done.stderr

        with ThreadPoolExecutor(2) as pool:
            steps = [pool.submit(synthesize), *(pool.submit(bootstrap, account) for account in accounts.values())]
            for step in steps:
                step.result()
        yield found


def test_a_rollout_cut_off_half_way_is_finished_by_the_same_command(place: Place) -> None:
    # Given a rollout whose whole process group is killed while it deploys the first ring
    process = subprocess.Popen(
        place.command("--ring", "dev", "--assembly", str(place.assembly)),
        cwd=ROOT,
        env=place.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    deadline = time.monotonic() + 60
    while not place.stacks("dev") and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert place.stacks("dev") < place.all_stacks("dev")

    # When it is run again
    done = place.rollout("--ring", "dev", assembly=place.assembly)

    # Then the ring is complete, and no other account has a stack
    assert done.returncode == 0, done.stdout + done.stderr
    assert place.stacks("dev") == place.all_stacks("dev")
    assert place.states() == {"dev": "done"}
    assert place.stacks("staging") == place.stacks("prod") == set()


def test_a_failing_preflight_stops_the_rollout_before_anything_is_deployed_there(place: Place) -> None:
    # Given an account that may not use the model
    place.describe("staging", {"bedrock_models": {MODEL: {"authorization": "NOT_AUTHORIZED"}}})

    done = place.rollout("--from-ring", "staging", assembly=place.assembly)

    # Then neither it nor the next has a stack
    assert done.returncode == 1, done.stdout + done.stderr
    assert place.states() == {"staging": "failed", "prod": "untouched"}
    assert f"failed     staging/staging ({ACCOUNTS['staging']}, {REGION}): at its preflight" in done.stdout
    assert MODEL in done.stdout + done.stderr
    assert place.stacks("staging") == place.stacks("prod") == set()

    place.describe("staging", None)


def test_a_failing_smoke_test_stops_the_rollout_before_the_next_account(place: Place) -> None:
    place.fault({"fault": "server_error"})

    done = place.rollout("--from-ring", "staging", assembly=place.assembly)

    assert done.returncode == 1, done.stdout + done.stderr
    assert place.states() == {"staging": "failed", "prod": "untouched"}
    assert f"failed     staging/staging ({ACCOUNTS['staging']}, {REGION}): at its smoke test" in done.stdout
    assert f"untouched  prod/prod ({ACCOUNTS['prod']}, {REGION})" in done.stdout
    assert "sdxl rollout --from-ring staging" in done.stderr
    assert place.stacks("staging") == place.all_stacks("staging")
    assert place.stacks("prod") == set()


def test_the_command_alone_resumes_once_the_cause_is_gone(place: Place) -> None:
    place.fault(None)

    done = place.rollout()

    assert done.returncode == 0, done.stdout + done.stderr
    assert place.states() == dict.fromkeys(ACCOUNTS, "done")
    count = len(place.all_stacks("dev"))
    assert f"dev: deploy ok: {count} stacks, {count} unchanged" in done.stderr
    assert f"staging: deploy ok: {count} stacks, {count} unchanged" in done.stderr
    assert place.stacks("prod") == place.all_stacks("prod")


def test_destroying_one_environment_leaves_the_other_accounts_alone(place: Place) -> None:
    done = place.tooling.cdk("destroy", "sdxl-staging/*", "--force", app=str(place.assembly))

    assert done.returncode == 0, done.stdout + done.stderr
    assert place.stacks("staging") == set()
    assert place.stacks("dev") == place.all_stacks("dev")
    assert place.stacks("prod") == place.all_stacks("prod")
