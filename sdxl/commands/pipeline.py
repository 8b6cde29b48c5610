"""`sdxl pipeline`: checks pipeline.yaml, and makes from it what both ways of rolling out need."""

from __future__ import annotations

import re
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
    _print_or_write(
        workflow_text(pipeline, _named(directory), folder=folder_in_repository()), WORKFLOW if write else None
    )


@app.command("bootstrap-commands")
def bootstrap_commands(*, directory: Directory = ENVIRONMENTS) -> None:
    """Print the commands that prepare every account and region of the rollout, with the accounts filled in."""
    pipeline, environments = load_pipeline_of(directory)
    for line in bootstrap_lines(pipeline, environments):
        print_result(line)


def bootstrap_lines(pipeline: Pipeline, environments: Mapping[str, Environment]) -> Iterator[str]:
    """Yield shell lines, the tooling account's first: one for each account and region, with its credentials."""
    partition, options = partition_of(pipeline.region), read_bootstrap().options
    tooling = (pipeline.account, pipeline.region)
    yield f"# Tooling account {pipeline.account}, with credentials of it (self-mutation deploys the pipeline itself):"
    yield (
        f"npx cdk bootstrap aws://{pipeline.account}/{pipeline.region}{options} "
        f"--cloudformation-execution-policies arn:{partition}:iam::aws:policy/AdministratorAccess --app ''"
    )
    done = {tooling}
    for ring in pipeline.rings:
        for name in ring.environments:
            account, region = environments[name].account, environments[name].region
            if (account, region) in done:
                continue
            done.add((account, region))
            yield f"# {name}, with credentials of account {account}, after its policies (execution-policy --write DIR):"
            yield (
                f"npx cdk bootstrap aws://{account}/{region}{options} --trust {pipeline.account} "
                f"--trust-for-lookup {pipeline.account} --cloudformation-execution-policies "
                f"\"$(.venv/bin/sdxl pipeline execution-policy --env {name} --arns)\" --app ''"
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
    """The folder as the workflow names it: relative to the repository, None for the usual one."""
    folder = directory.resolve()
    if not folder.is_relative_to(ROOT):
        raise UsageError(
            f"--dir {directory} is outside of {ROOT}, and a workflow can read only what its repository has. Put the "
            "folder below the project's."
        )
    return None if folder == ENVIRONMENTS else str(folder.relative_to(ROOT))


def _print_or_write(text: str, path: Path | None) -> None:
    if path is None:
        print_result(text.removesuffix("\n"))
        return
    write_text(path, text)
    say(f"{path}: written")
