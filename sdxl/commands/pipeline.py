"""`sdxl pipeline`: checks pipeline.yaml, and makes from it what both ways of rolling out need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from sdxl.commands.execution_policy import execution_policy
from sdxl.console import print_result, say
from sdxl.errors import SdxlError
from sdxl.project import ENVIRONMENTS, ROOT
from sdxl.rollout.github import workflow_text
from stacks.catalog import partition_of
from stacks.environment import Environment, EnvironmentFileError
from stacks.environment.pipeline import PIPELINE_FILE, SCHEMA_FILE_NAME, Pipeline, load_pipeline, schema_text

app = typer.Typer(help="The rollout over several accounts: environments/pipeline.yaml.", no_args_is_help=True)
app.command("execution-policy")(execution_policy)

WORKFLOW = ROOT / ".github" / "workflows" / "rollout.yaml"
Directory = Annotated[
    Path, typer.Option("--dir", help="Where pipeline.yaml and the environments are.", show_default="environments/")
]


@app.command()
def check(*, directory: Directory = ENVIRONMENTS) -> None:
    """Check pipeline.yaml against the environments in its folder: every error with its line and what to do."""
    pipeline, _ = _load(directory)
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
    pipeline, _ = _load(directory)
    _print_or_write(workflow_text(pipeline, _named(directory)), WORKFLOW if write else None)


@app.command("bootstrap-commands")
def bootstrap_commands(*, directory: Directory = ENVIRONMENTS) -> None:
    """Print the commands that prepare every account and region of the rollout, with the accounts filled in."""
    pipeline, environments = _load(directory)
    for line in bootstrap_lines(pipeline, environments):
        print_result(line)


def bootstrap_lines(pipeline: Pipeline, environments: Mapping[str, Environment]) -> Iterator[str]:
    """Yield shell lines, the tooling account's first: one for each account and region, with its credentials."""
    partition = partition_of(pipeline.region)
    tooling = (pipeline.account, pipeline.region)
    yield f"# Tooling account {pipeline.account}, with credentials of it (self-mutation deploys the pipeline itself):"
    yield (
        f"npx cdk bootstrap aws://{pipeline.account}/{pipeline.region} "
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
                f"npx cdk bootstrap aws://{account}/{region} --trust {pipeline.account} "
                f"--trust-for-lookup {pipeline.account} --cloudformation-execution-policies "
                f"\"$(.venv/bin/sdxl pipeline execution-policy --env {name} --arns)\" --app ''"
            )


def _load(directory: Path) -> tuple[Pipeline, Mapping[str, Environment]]:
    try:
        return load_pipeline(directory / PIPELINE_FILE)
    except EnvironmentFileError as exc:
        raise SdxlError(str(exc)) from exc


def _named(directory: Path) -> str | None:
    """The folder as the workflow names it: relative to the repository, None for the usual one."""
    return None if directory.resolve() == ENVIRONMENTS else str(directory.resolve().relative_to(ROOT))


def _print_or_write(text: str, path: Path | None) -> None:
    if path is None:
        print_result(text.removesuffix("\n"))
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    say(f"{path}: written")
