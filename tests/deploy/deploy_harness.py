"""An emulator in a process of its own, and the real CDK CLI against it, both apart from the user's files."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config

from emulator import testing
from emulator.client import DUMMY_SECRET, access_key_id, child_environment
from emulator.state_file import RunningEmulator
from sdxl.local import emulator_facts
from tools.build_layer import layer_archive, signing_layer_archive

ROOT = Path(__file__).resolve().parents[2]
CDK = ROOT / "node_modules" / ".bin" / "cdk"
REGION = "us-east-1"
# Eleven environments take 20 s on two idle cores, and minutes where other work shares them.
CDK_TIMEOUT_SECONDS = 280
QUIET = {
    "CDK_VALIDATION": "false",
    "CI": "1",
    "NO_COLOR": "1",
}


@contextlib.contextmanager
def running_emulator(directory: Path, *arguments: str) -> Iterator[RunningEmulator]:
    """An emulator that has what the catalog says AWS has."""
    facts = directory / "facts.json"
    emulator_facts.write(facts)
    with testing.running_emulator(directory, "--facts", str(facts), *arguments) as running:
        yield running


@dataclass(frozen=True)
class Account:
    """One account of a running emulator, with the CDK CLI and boto3 pointed at it."""

    emulator: RunningEmulator
    id: str
    home: Path

    def cdk(self, *arguments: str, app: str, context: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run the CDK CLI at the project's root; `app` is a command or a synthesized cdk.out."""
        flags = [part for name, value in (context or {}).items() for part in ("-c", f"{name}={value}")]
        return subprocess.run(
            [str(CDK), *arguments, "--app", app, *flags],
            cwd=ROOT,
            env=self.variables(),
            capture_output=True,
            text=True,
            timeout=CDK_TIMEOUT_SECONDS,
            check=False,
        )

    @contextlib.contextmanager
    def running_cdk(self, *arguments: str, app: str) -> Iterator[subprocess.Popen[bytes]]:
        """The CDK CLI while it runs; what still runs at the end is killed."""
        process = subprocess.Popen(
            [str(CDK), *arguments, "--app", app],
            cwd=ROOT,
            env=self.variables(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield process
        finally:
            process.kill()
            process.wait()

    def variables(self) -> dict[str, str]:
        """The environment variables that point a program at the account."""
        environment = child_environment(os.environ, self.emulator.aws_endpoint_url, self.id, REGION)
        return environment | QUIET | {"HOME": str(self.home)}

    def client(self, service: str, region: str = REGION) -> Any:
        """A boto3 client."""
        return boto3.session.Session().client(
            service,
            endpoint_url=self.emulator.aws_endpoint_url,
            region_name=region,
            aws_access_key_id=access_key_id(self.id),
            aws_secret_access_key=DUMMY_SECRET,
            config=Config(retries={"max_attempts": 0}),
        )

    def outputs(self, stack_name: str, region: str = REGION) -> dict[str, str]:
        """A stack's outputs."""
        stack = self.client("cloudformation", region).describe_stacks(StackName=stack_name)["Stacks"][0]
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}

    def api_url(self, stack_name: str, region: str = REGION) -> str:
        """Where the emulator serves the API of a stack, whatever else is deployed to the same emulator."""
        api = self.outputs(stack_name, region)["RestApiId"]
        return f"{self.emulator.gateway_url}/_aws/execute-api/{api}/api"


def synthesize(account: Account, directory: Path, name: str, *, root: Path = ROOT, environments: Path) -> str:
    """Synthesize the project's app, or a copy of it, with the real CLI; answers with the assembly's folder."""
    output = directory / name
    context = {
        "environments_dir": str(environments),
        "layer_archive": str(layer_archive()),
        "signing_layer_archive": str(signing_layer_archive()),
    }
    result = account.cdk(
        "synth", "--quiet", "--output", str(output), app=f"{sys.executable} {root / 'app.py'}", context=context
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return str(output)


def copy_of_app(directory: Path) -> Path:
    """A copy of what the app is synthesized from, to be edited."""
    target = directory / "app-copy"
    ignored = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for name in ("stacks", "lambda", "tools"):
        shutil.copytree(ROOT / name, target / name, ignore=ignored)
    for name in ("app.py", "styles.yaml"):
        shutil.copy(ROOT / name, target / name)
    return target
