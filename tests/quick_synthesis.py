"""Synthesizes revisions of an environment in this process, which loads the CDK once for all of them.

`deploy_harness.synthesize` does the same as a user does it, with the CLI, and takes 5 s more each time. Import this
where it is used: the CDK takes seconds to load, and every worker imports every test file.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from sdxl.diff.assemblies import read_assembly
from sdxl.project import ROOT
from stacks.catalog import load_catalog, reader
from stacks.environment import Environment, load_environments
from stacks.sdxl_stage import SdxlStage
from tools.build_layer import layer_archive, signing_layer_archive

# What the CLI adds to cdk.json's context: without it a template differs from the CLI's in its metadata.
CLI_CONTEXT = {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}


def synthesize_here(output: Path, environments: Path) -> str:
    """Synthesize every environment of a folder into `output`; return it as text."""
    _synthesize(output, load_environments(environments))
    return str(output)


def templates_of(environment: Environment, output: Path) -> dict[str, dict[str, Any]]:
    """Synthesize one environment into `output`; answers with its templates by the names of their stacks."""
    _synthesize(output, [environment])
    return dict(read_assembly(output)[environment.name])


def _synthesize(output: Path, environments: Iterable[Environment]) -> None:
    context = {**json.loads((ROOT / "cdk.json").read_text())["context"], **CLI_CONTEXT}
    app = cdk.App(
        outdir=str(output), context=context, analytics_reporting=False, builtin_cloud_formation_validation=False
    )
    for environment in environments:
        SdxlStage(
            app,
            f"sdxl-{environment.name}",
            environment=environment,
            layer_archive=layer_archive(),
            signing_layer_archive=signing_layer_archive(),
        )
    app.synth()


@contextlib.contextmanager
def catalog_with(folder: Path, old: str, new: str) -> Iterator[None]:
    """The catalog with another version of the open model's image. `folder` is for the changed files."""
    directory = folder / "catalog"
    shutil.copytree(reader.CATALOG_DIRECTORY, directory, ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    file = directory / "sdxl_open.json"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reader, "CATALOG_DIRECTORY", directory)
        load_catalog.cache_clear()
        try:
            yield
        finally:
            load_catalog.cache_clear()
