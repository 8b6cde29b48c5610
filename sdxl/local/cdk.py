"""Runs the CDK CLI against the emulator, with nothing of the user's own AWS configuration."""

from __future__ import annotations

import os
from collections.abc import Mapping

from sdxl.deployment.aws import ENDPOINT_VARIABLE
from sdxl.deployment.cdk import Show, run, silent
from sdxl.deployment.record import LocalTarget
from sdxl.local.emulator import Emulator, aws_environment
from sdxl.project import LOCAL, local_environment
from stacks.environment import Environment

LOG_FILE = LOCAL / "deploy.log"
OUTPUT = LOCAL / "cdk.out"
# They would come before the emulator's dummy keys, and reach AWS.
OTHER_CREDENTIALS = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
)


def cli_environment(
    emulator: Emulator, environment: Environment, inherited: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Return the variables for the CLI and boto3: the emulator's address and keys, and no one else's."""
    return {
        **local_environment(inherited),
        # Keeps the CLI's memory of accounts, notices and telemetry out of the home folder.
        "CDK_HOME": str(LOCAL / "cdk-home"),
        # The template validator costs 2-3 s, and the tests run it.
        "CDK_VALIDATION": "false",
        **{
            name: value
            for name, value in aws_environment(emulator, environment.account, environment.region).items()
            # boto3 takes an empty variable for a value
            if value
        },
    }


def shell_variables(emulator: Emulator, target: LocalTarget) -> dict[str, str]:
    """Return the variables that point `aws`, `npx cdk`, boto3 and this project's commands at the emulator."""
    return {
        **aws_environment(emulator, target.account, target.region),
        ENDPOINT_VARIABLE: emulator.gateway_url,
        "CDK_HOME": str(LOCAL / "cdk-home"),
        # A proxy of the shell does not reach this machine.
        "NO_PROXY": "127.0.0.1,localhost",
        "no_proxy": "127.0.0.1,localhost",
    }


def point_this_process_at(emulator: Emulator, target: LocalTarget) -> None:
    """Set this process's environment so that its sessions reach the emulator, and nothing of AWS."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(shell_variables(emulator, target))


def bootstrap(environment: Environment, variables: Mapping[str, str]) -> None:
    """Make the buckets and roles that the CDK deploys through. `--app ""` keeps it from synthesizing."""
    arguments = ["bootstrap", f"aws://{environment.account}/{environment.region}", "--app", ""]
    run(arguments, silent, what="bootstrap", log_file=LOG_FILE, variables=variables)


def deploy(environment: Environment, variables: Mapping[str, str], show: Show) -> None:
    """Deploy the environment's stacks; `show` gets each stack's progress."""
    arguments = ["deploy", f"sdxl-{environment.name}/*", "--require-approval", "never"]
    arguments += ["--context", f"environment={environment.name}", "--output", str(OUTPUT)]
    arguments += ["--progress", "events"]
    run(arguments, show, what="deploy", log_file=LOG_FILE, variables=variables)
