"""The CDK app: one `SdxlStage` for each file in `environments/`, or for the one that `-c environment=<name>` names."""

from __future__ import annotations

import gc

# A short program that keeps all it loads: looking for garbage in the CDK's modules takes a fifth of its time.
gc.disable()

import sys  # noqa: E402
from pathlib import Path  # noqa: E402

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

ENVIRONMENTS = Path(__file__).parent / "environments"


def main() -> int:
    """Synthesize; 1 where the environment files, the request schema or the layer do not allow it, after saying why."""
    app = cdk.App(analytics_reporting=False)
    layer = app.node.try_get_context("layer_archive")
    try:
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
    return load_environments(directory) if name is None else (find_environment(directory, name),)


if __name__ == "__main__":
    sys.exit(main())
