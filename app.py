"""The CDK app: one `SdxlStage` for each file in `environments/`, or for the one that `-c environment=<name>` names.

With `-c pipeline=<folder of pipeline.yaml>` it is the pipeline that deploys them, and nothing else. With
`-c access=<folder of the environments>` it is the access stack of each account, and nothing else.
"""

from __future__ import annotations

import gc

# A short program that keeps all it loads: looking for garbage in the CDK's modules takes a fifth of its time.
gc.disable()

import sys  # noqa: E402
from importlib.util import find_spec  # noqa: E402
from pathlib import Path  # noqa: E402

if find_spec("aws_cdk") is None:
    sys.exit(f"error: {sys.executable} has no aws-cdk-lib. Run `make setup`, then use .venv/bin/python.")

import aws_cdk as cdk  # noqa: E402

from sdxl.errors import SdxlError  # noqa: E402
from sdxl.rollout.access import add_access  # noqa: E402
from stacks.constructs.functions import FunctionVariablesError  # noqa: E402
from stacks.environment import EnvironmentFileError, find_environment, load_environments  # noqa: E402
from stacks.pipeline_stack import add_pipeline  # noqa: E402
from stacks.sdxl_stage import SdxlStage  # noqa: E402
from tools.build_layer import layer_archive, signing_layer_archive  # noqa: E402
from tools.repository import folder_in_repository  # noqa: E402

app = cdk.App(analytics_reporting=False)
layer = Path(app.node.try_get_context("layer_archive") or layer_archive())
signing_layer = Path(app.node.try_get_context("signing_layer_archive") or signing_layer_archive())
directory = Path(app.node.try_get_context("environments_dir") or Path(__file__).parent / "environments")
name, pipeline = app.node.try_get_context("environment"), app.node.try_get_context("pipeline")
access = app.node.try_get_context("access")
try:
    if pipeline is not None and access is not None:
        sys.exit("error: give -c access or -c pipeline, not both. Deploy the access stacks first, then the pipeline.")
    if pipeline is not None and (folder := folder_in_repository()):
        sys.exit(
            f"error: CodePipeline builds at the root of the repository, and the project is in {folder}. Roll out with "
            "GitHub Actions (`sdxl pipeline github --write`) or `sdxl rollout`, or give the project its own repository."
        )
    if pipeline is not None:
        add_pipeline(app, pipeline, layer, signing_layer)
    elif access is not None:
        add_access(app, Path(access), layer, signing_layer)
    else:
        for environment in load_environments(directory) if name is None else [find_environment(directory, name)]:
            SdxlStage(
                app,
                f"sdxl-{environment.name}",
                environment=environment,
                layer_archive=layer,
                signing_layer_archive=signing_layer,
            )
except (EnvironmentFileError, FunctionVariablesError, FileNotFoundError, SdxlError) as exc:
    sys.exit(str(exc))
app.synth()
