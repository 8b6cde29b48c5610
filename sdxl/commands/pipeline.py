"""`sdxl pipeline`: checks pipeline.yaml, and makes from it what both ways of rolling out need."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sdxl.console import print_result, say
from sdxl.errors import SdxlError
from sdxl.project import ENVIRONMENTS, ROOT

if TYPE_CHECKING:
    from stacks.environment import Environment
    from stacks.environment.pipeline import Pipeline

app = typer.Typer(help="The rollout over several accounts: environments/pipeline.yaml.", no_args_is_help=True)

WORKFLOW = ROOT / ".github" / "workflows" / "rollout.yaml"
Directory = Annotated[
    Path, typer.Option("--dir", help="Where pipeline.yaml and the environments are.", show_default="environments/")
]


@app.command()
def check(*, directory: Directory = ENVIRONMENTS) -> None:
    """Check pipeline.yaml against the environments beside it: every error with its line and what to do."""
    pipeline, _ = _load(directory)
    for ring in pipeline.rings:
        approval = ", manual approval" if ring.approval == "manual" else ""
        print_result(f"{ring.name}: {', '.join(ring.environments)} (smoke test {ring.smoke_test}{approval})")


@app.command()
def schema(
    *, write: Annotated[bool, typer.Option("--write", help="Write environments/pipeline.schema.json.")] = False
) -> None:
    """Print the JSON schema of pipeline.yaml, which editors complete and check with."""
    from stacks.environment.pipeline import SCHEMA_FILE_NAME, schema_text  # noqa: PLC0415 - pydantic

    _print_or_write(schema_text(), ENVIRONMENTS / SCHEMA_FILE_NAME if write else None)


@app.command()
def github(
    *,
    directory: Directory = ENVIRONMENTS,
    write: Annotated[bool, typer.Option("--write", help="Write .github/workflows/rollout.yaml.")] = False,
) -> None:
    """Print a workflow of GitHub Actions that rolls out in the same order, without stored AWS keys."""
    from sdxl.rollout.github import workflow_text  # noqa: PLC0415 - see schema

    pipeline, _ = _load(directory)
    _print_or_write(workflow_text(pipeline, _named(directory)), WORKFLOW if write else None)


@app.command("bootstrap-commands")
def bootstrap_commands(*, directory: Directory = ENVIRONMENTS) -> None:
    """Print the commands that prepare every account and region of the rollout, with the accounts filled in."""
    from sdxl.rollout.bootstrap import commands  # noqa: PLC0415 - see schema

    pipeline, environments = _load(directory)
    for line in commands(pipeline, environments):
        print_result(line)


def _load(directory: Path) -> tuple[Pipeline, Mapping[str, Environment]]:
    from stacks.environment import EnvironmentFileError  # noqa: PLC0415 - see schema
    from stacks.environment.pipeline import PIPELINE_FILE, load_pipeline  # noqa: PLC0415

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
