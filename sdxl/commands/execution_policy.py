"""`sdxl pipeline execution-policy`: the policies that CloudFormation deploys with, made from the templates."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from sdxl.commands import completion
from sdxl.console import Progress, print_result, say
from sdxl.deployment.cdk import synthesize
from sdxl.diff.assemblies import Templates, read_assembly
from sdxl.errors import SdxlError, UsageError
from sdxl.project import ENVIRONMENTS, LOCAL, write_text
from sdxl.rollout.account_access import by_account, find_pipeline, policies_of
from sdxl.rollout.execution_policy import AccountPolicies, policy_size
from stacks.catalog import partition_of
from stacks.environment import Environment, EnvironmentFileError, load_environments
from stacks.environment.organization import WORKLOAD_BOUNDARY
from stacks.environment.pipeline import Pipeline


def execution_policy(
    *,
    env: Annotated[
        str | None,
        typer.Option("--env", help="The account of this environment.", autocompletion=completion.environments),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every account of the folder.")] = False,
    directory: Annotated[
        Path, typer.Option("--dir", help="Where the environments are.", show_default="environments/")
    ] = ENVIRONMENTS,
    assembly: Annotated[
        Path | None,
        typer.Option(help="Synthesized app (cdk.out). Default: it is synthesized now.", show_default=False),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Write a file for each policy, and print the commands.", show_default=False),
    ] = None,
    arns: Annotated[bool, typer.Option("--arns", help="Print only the policies' ARNs, for `cdk bootstrap`.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: the policies by account and name.")] = False,
) -> None:
    """Print the policies that CloudFormation needs to deploy, and the permissions boundary of the roles it makes.

    They allow what the templates' resource types need, on what the stacks make, and nothing that leads to more. An
    account's policies cover all environments of the folder in that account. Needs no AWS account.

      sdxl pipeline execution-policy --env dev --write policies

      sdxl pipeline execution-policy --all --json
    """
    if every == (env is not None):
        raise UsageError("Name one environment with --env, or all accounts with --all.")
    if sum((write is not None, arns, as_json)) > 1:
        raise UsageError("--write, --arns and --json exclude each other.")
    environments, pipeline = _environments(directory, env), _pipeline(directory)
    with tempfile.TemporaryDirectory(prefix="sdxl-policy-") as folder, Progress("Synthesizing"):
        if assembly is None:
            assembly = synthesize(directory, Path(folder), log_file=LOCAL / "execution-policy" / "synth.log")
        templates = read_assembly(assembly)
    accounts = {account: _policies(found, templates, pipeline) for account, found in by_account(environments).items()}
    if as_json:
        print_result(json.dumps({account: policies.documents for account, policies in accounts.items()}, indent=2))
        return
    for account, policies in accounts.items():
        found = [environment for environment in environments if environment.account == account]
        names = ", ".join(environment.name for environment in found)
        if arns:
            print_result(",".join(_arn(found[0], name) for name in policies.execution))
        elif write is not None:
            print_result(f"# {names}, with credentials of account {account}:")
            _write(policies, write if len(accounts) == 1 else write / account)
        else:
            print_result(f"# Account {account}: {names}")
            for name, document in policies.documents.items():
                print_result(f"# {name}, {policy_size(document)} characters")
                print_result(json.dumps(document, indent=2))
        _remind(found, policies)


def _environments(directory: Path, env: str | None) -> Sequence[Environment]:
    """All environments, or those in the account of one."""
    try:
        found = load_environments(directory)
    except EnvironmentFileError as exc:
        raise SdxlError(str(exc)) from exc
    if env is None:
        return found
    account = next((environment.account for environment in found if environment.name == env), None)
    if account is None:
        raise UsageError(f"--env {env}: {directory} has {', '.join(environment.name for environment in found)}.")
    return [environment for environment in found if environment.account == account]


def _pipeline(directory: Path) -> Pipeline | None:
    try:
        return find_pipeline(directory)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc


def _policies(environments: Sequence[Environment], templates: Templates, pipeline: Pipeline | None) -> AccountPolicies:
    missing = [environment.name for environment in environments if environment.name not in templates]
    if missing:
        raise UsageError(f"The synthesized app has no environment {missing[0]}: it has {', '.join(templates)}.")
    return policies_of(environments, templates, pipeline)


def _arn(environment: Environment, policy: str) -> str:
    return f"arn:{partition_of(environment.region)}:iam::{environment.account}:policy/{policy}"


def _write(policies: AccountPolicies, folder: Path) -> None:
    for name, document in policies.documents.items():
        path = folder / f"{name}.json"
        write_text(path, json.dumps(document, indent=2) + "\n")
        print_result(f"aws iam create-policy --policy-name {name} --policy-document file://{path}")


def _remind(environments: Sequence[Environment], policies: AccountPolicies) -> None:
    unbounded = [
        environment.name for environment in environments if environment.organization.permissions_boundary is None
    ]
    if unbounded and policies.boundary is not None:
        say(
            f"The roles of {', '.join(unbounded)} have no permissions boundary yet, and these policies demand one: "
            f"write `permissions_boundary: {WORKLOAD_BOUNDARY}` in environments/organization.yaml."
        )
