"""The CDK app: one `SdxlStage` for each file in `environments/`, or for the one that `-c environment=<name>` names.

With `-c pipeline=<folder of pipeline.yaml>` it is the pipeline that deploys them, and nothing else.
"""

from __future__ import annotations

import gc

# A short program that keeps all it loads: looking for garbage in the CDK's modules takes a fifth of its time.
gc.disable()

import os  # noqa: E402
import sys  # noqa: E402
from pathlib import Path  # noqa: E402

from stacks import parallel_synthesis  # noqa: E402

if "CDK_DEBUG" not in os.environ:
    # With every construct the CDK takes down its engine's call stack, a twentieth of the time of many environments. All
    # that it says of it in the assembly is that none of our code is among those frames.
    os.environ.setdefault("NODE_OPTIONS", "--stack-trace-limit=1")

ENVIRONMENTS = Path(__file__).parent / "environments"
# Before the imports below, which take half of the time that one environment takes.
SYNTHESIS = parallel_synthesis.start(ENVIRONMENTS)

import aws_cdk as cdk  # noqa: E402

from stacks.constructs.image_function import FunctionVariablesError  # noqa: E402
from stacks.environment import (  # noqa: E402
    Environment,
    EnvironmentFileError,
    find_environment,
    load_environments,
)
from stacks.request_schema import RequestSchemaError  # noqa: E402
from stacks.sdxl_stage import SdxlStage  # noqa: E402


def main() -> int:
    """Synthesize this process's part; 1, after saying why, where files, request schema or layer do not allow it."""
    app = cdk.App(analytics_reporting=False)
    layer = app.node.try_get_context("layer_archive")
    pipeline = app.node.try_get_context("pipeline")
    try:
        if pipeline is not None:
            _add_pipeline(app, pipeline, layer and Path(layer))
            app.synth()
            return 0
        for environment in _environments(app):
            SdxlStage(app, f"sdxl-{environment.name}", environment=environment, layer_archive=layer and Path(layer))
    except (EnvironmentFileError, RequestSchemaError, FunctionVariablesError, FileNotFoundError) as exc:
        print(exc, file=sys.stderr)  # noqa: T201 - the CDK CLI shows it
        return 1
    app.synth()
    # Nor at exit.
    gc.freeze()
    return 0


def _environments(app: cdk.App) -> tuple[Environment, ...]:
    directory = Path(app.node.try_get_context("environments_dir") or ENVIRONMENTS)
    name = app.node.try_get_context("environment")
    return load_environments(directory, SYNTHESIS.part) if name is None else (find_environment(directory, name),)


def _add_pipeline(app: cdk.App, directory: str, layer: Path | None) -> None:
    from stacks.environment.pipeline import PIPELINE_FILE, load_pipeline  # noqa: PLC0415 - see below
    from stacks.pipeline_stack import PipelineStack  # noqa: PLC0415 - half a second that environments need not wait

    pipeline, environments = load_pipeline(Path(directory) / PIPELINE_FILE)
    PipelineStack(
        app, "sdxl-pipeline", pipeline=pipeline, environments=environments, directory=directory, layer_archive=layer
    )


if __name__ == "__main__":
    try:
        status = SYNTHESIS.finish(main())
    except BaseException:
        SYNTHESIS.abandon()
        raise
    sys.exit(status)
