"""The pipeline.yaml that several commands begin with, and the one error of all of them when there is none."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from sdxl.errors import UsageError
from stacks.environment import Environment, EnvironmentFileError
from stacks.environment.pipeline import PIPELINE_FILE, Pipeline, load_pipeline

Directory = Annotated[
    Path, typer.Option("--dir", help="Where pipeline.yaml and the environments are.", show_default="environments/")
]


def load_pipeline_of(directory: Path) -> tuple[Pipeline, Mapping[str, Environment]]:
    """Return the pipeline of a folder and its environments by name. Raises UsageError with what to do."""
    path = directory / PIPELINE_FILE
    if not directory.is_dir():
        raise UsageError(f"--dir {directory}: there is no such folder. The usual one is environments/ of the project.")
    if not path.is_file():
        raise UsageError(
            f"There is no {path}, which says in which order the environments are deployed. `sdxl pipeline init` makes "
            "one from the environments there are; docs/rollout.md explains it."
        )
    try:
        return load_pipeline(path)
    except EnvironmentFileError as exc:
        raise UsageError(str(exc)) from exc
