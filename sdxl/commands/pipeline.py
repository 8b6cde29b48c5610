"""`sdxl pipeline`: checks pipeline.yaml, and makes from it what both ways of rolling out need."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sdxl.commands import completion
from sdxl.commands.environments import write_new
from sdxl.commands.execution_policy import execution_policy
from sdxl.commands.pipeline_file import Directory, load_pipeline_of
from sdxl.console import print_result, say
from sdxl.errors import UsageError
from sdxl.new_files import UNKNOWN_CONNECTION, UNKNOWN_REPOSITORY, pipeline_text
from sdxl.project import ENVIRONMENTS, ROOT, write_text
from sdxl.rollout.github import workflow_text
from stacks.bootstrap import read_bootstrap
from stacks.catalog import partition_of
from stacks.environment import Environment, EnvironmentFileError, load_environments
from stacks.environment.pipeline import PIPELINE_FILE, SCHEMA_FILE_NAME, Pipeline, schema_text
from tools.repository import folder_in_repository, repository_root

app = typer.Typer(help="The rollout over several accounts: environments/pipeline.yaml.", no_args_is_help=True)
app.command("execution-policy")(execution_policy)

# GitHub reads workflows at the root of the repository only.
WORKFLOW = repository_root() / ".github" / "workflows" / "rollout.yaml"


@app.command()
def init(
    *,
    account: Annotated[
        str | None,
        typer.Option(
            help="Tooling account, in which the pipeline runs: 12 digits. Default: that of the first environment.",
            show_default=False,
        ),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(
            help="Region of the pipeline. Default: that of the first environment.",
            show_default=False,
            autocompletion=completion.regions,
        ),
    ] = None,
    repository: Annotated[
        str | None,
        typer.Option(help="Repository, as owner/name. Default: that of git's remote `origin`.", show_default=False),
    ] = None,
    branch: Annotated[str, typer.Option(help="Branch that is rolled out.")] = "main",
    directory: Directory = ENVIRONMENTS,
    write: Annotated[bool, typer.Option("--write", help="Write pipeline.yaml; it must not exist.")] = False,
) -> None:
    """Print a pipeline.yaml with a ring for each environment there is, production last and with an approval.

    sdxl pipeline init --account 210987654321 --region eu-west-1 --write
    """
    try:
        environments = load_environments(directory)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc
    text = pipeline_text(
        environments,
        account=account,
        region=region,
        repository=repository or _origin(),
        branch=branch,
        directory=directory,
    )
    for setting, value in (("source.repository", UNKNOWN_REPOSITORY), ("source.connection_arn", UNKNOWN_CONNECTION)):
        if value in text:
            say(f"{setting}: {value} holds the place of yours.", style="yellow")
    if not write:
        print_result(text.removesuffix("\n"))
        return
    write_new(directory / PIPELINE_FILE, text)
    say(f"{directory / PIPELINE_FILE}: written. Next: sdxl pipeline check")


@app.command()
def check(*, directory: Directory = ENVIRONMENTS) -> None:
    """Check pipeline.yaml against the environments in its folder: every error with its line and what to do."""
    pipeline, _ = load_pipeline_of(directory)
    for ring in pipeline.rings:
        approval = ", manual approval" if ring.approval == "manual" else ""
        print_result(f"{ring.name}: {', '.join(ring.environments)} (smoke test {ring.smoke_test}{approval})")


@app.command()
def schema(
    *, write: Annotated[bool, typer.Option("--write", help="Write environments/pipeline.schema.json.")] = False
) -> None:
    """Print the JSON schema of pipeline.yaml, which editors complete and check with."""
    _print_or_write(schema_text(), ENVIRONMENTS / SCHEMA_FILE_NAME if write else None)


@app.command()
def github(
    *,
    directory: Directory = ENVIRONMENTS,
    write: Annotated[bool, typer.Option("--write", help="Write .github/workflows/rollout.yaml.")] = False,
) -> None:
    """Print a workflow of GitHub Actions that rolls out in the same order, without stored AWS keys."""
    pipeline, _ = load_pipeline_of(directory)
    if pipeline.github.identity_provider is None:
        say(
            f"The role {pipeline.github.role_name} of account {pipeline.account}, which the jobs assume, is yours to "
            "make. With `identity_provider: create` under `github` of pipeline.yaml, the access stack makes it "
            "(docs/rollout.md).",
            style="yellow",
        )
    _print_or_write(
        workflow_text(pipeline, _named(directory), folder=folder_in_repository()), WORKFLOW if write else None
    )


@app.command("bootstrap-commands")
def bootstrap_commands(*, directory: Directory = ENVIRONMENTS) -> None:
    """Print the commands that prepare every account and region of the rollout, with the accounts filled in."""
    pipeline, environments = load_pipeline_of(directory)
    for line in bootstrap_lines(pipeline, environments, _as_typed(directory)):
        print_result(line)


def bootstrap_lines(
    pipeline: Pipeline, environments: Mapping[str, Environment], directory: str | None = None
) -> Iterator[str]:
    """Yield shell lines, the tooling account's first: for each account its access stack, for each region its bootstrap.

    `directory` is where pipeline.yaml is; None is the usual place.
    """
    partition, options = partition_of(pipeline.region), read_bootstrap().options
    deployed = [environments[name] for ring in pipeline.rings for name in ring.environments]
    context, option = directory or ENVIRONMENTS.name, "" if directory is None else f" --dir {directory}"
    done: set[tuple[str, str]] = set()
    accounts = list(dict.fromkeys(environment.account for environment in deployed))
    if pipeline.github.identity_provider is None:
        yield f"# Tooling account {pipeline.account}, with credentials of it: CodePipeline deploys itself."
        yield (
            f"npx cdk bootstrap aws://{pipeline.account}/{pipeline.region}{options} "
            f"--cloudformation-execution-policies arn:{partition}:iam::aws:policy/AdministratorAccess --app ''"
        )
        done.add((pipeline.account, pipeline.region))
    else:
        # Before all others: their bootstrap trusts this account.
        accounts = list(dict.fromkeys([pipeline.account, *accounts]))
    for account in accounts:
        yield f"# Account {account}, with an administrator's credentials of it: the access stack comes first."
        yield f"npx cdk deploy sdxl-access-{account} -c access={context}"
        for environment in deployed:
            place = (environment.account, environment.region)
            if environment.account == account and place not in done:
                done.add(place)
                yield (
                    f"npx cdk bootstrap aws://{account}/{environment.region}{options} --trust {pipeline.account} "
                    f"--trust-for-lookup {pipeline.account} --cloudformation-execution-policies "
                    f"\"$(.venv/bin/sdxl pipeline execution-policy --env {environment.name} --arns{option})\" --app ''"
                )


def _origin() -> str | None:
    """Return owner/name of git's remote `origin`, as pipeline.yaml names a repository; None if nothing says it."""
    done = subprocess.run(  # noqa: S603 - our own arguments
        ["git", "-C", str(ROOT), "remote", "get-url", "origin"],  # noqa: S607 - the git of the PATH
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.fullmatch(r"(?:https?://|ssh://|[\w.-]+@)\S+?[:/]([\w.-]+/[\w.-]+?)(?:\.git)?/?", done.stdout.strip())
    return found[1] if done.returncode == 0 and found else None


def _named(directory: Path) -> str | None:
    """The folder as the workflow names it: relative to the project, None for the usual one."""
    found = directory.resolve()
    if found == ENVIRONMENTS:
        return None
    if not found.is_relative_to(ROOT):
        raise UsageError(
            f"--dir {directory} is outside the project {ROOT}, and the jobs check out nothing else. Move it there."
        )
    return str(found.relative_to(ROOT))


def _as_typed(directory: Path) -> str | None:
    """The folder as an option names it, None for the usual one."""
    return None if directory.resolve() == ENVIRONMENTS else shlex.quote(str(directory))


def _print_or_write(text: str, path: Path | None) -> None:
    if path is None:
        print_result(text.removesuffix("\n"))
        return
    write_text(path, text)
    say(f"{path}: written")
