"""Every policy of every example environment, and of the pipeline, does what it says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from infrastructure_synthesis import (
    ROOT,
    Synthesis,
    access_environments,
    example_environments,
    make_app,
    make_layer,
    no_network,
)

from sdxl.checks.arns import UNKNOWN_ARN, stack_values
from sdxl.checks.iam_lint import PolicyFinding, as_list, lint_policies, policies_in
from stacks.environment.pipeline import load_pipeline
from stacks.pipeline_stack import PipelineStack

# CDK Pipelines grants these on *, and takes no narrower resource.
GRANTED_BY_CDK_PIPELINES = {
    "cloudformation:DescribeStacks": "self-mutation looks for the stacks that the assembly names",
    "codebuild:BatchGetBuilds": "the action's role starts the projects of the pipeline",
    "codebuild:StartBuild": "the action's role starts the projects of the pipeline",
    "codebuild:StopBuild": "the action's role starts the projects of the pipeline",
    "s3:ListBucket": "self-mutation looks for the bootstrap bucket",
    "kms:Decrypt": "the key of the artifacts in another region, which the pipeline's stack cannot refer to",
    "kms:DescribeKey": "the key of the artifacts in another region, which the pipeline's stack cannot refer to",
    "kms:Encrypt": "the key of the artifacts in another region, which the pipeline's stack cannot refer to",
    "kms:GenerateDataKey*": "the key of the artifacts in another region, which the pipeline's stack cannot refer to",
    "kms:ReEncrypt*": "the key of the artifacts in another region, which the pipeline's stack cannot refer to",
}


def test_every_policy_of_the_environments_does_what_it_says(examples: Synthesis, access: Synthesis) -> None:
    for environment in (*example_environments(), *access_environments()):
        synthesis = examples if environment.name in examples.templates else access
        stacks = {f"sdxl-{environment.name}-{name}": one for name, one in synthesis.templates[environment.name].items()}

        assert lint_policies(stacks, account=environment.account, region=environment.region) == []


def test_every_arn_in_a_policy_is_of_a_known_type(examples: Synthesis, access: Synthesis) -> None:
    for stacks in (*examples.templates.values(), *access.templates.values()):
        for values in stack_values(stacks, account="111122223333", region="us-east-1").values():
            for resource in values.template["Resources"].values():
                for document in policies_in(resource.get("Properties", {})):
                    for statement in document["Statement"]:
                        assert UNKNOWN_ARN not in map(values.text, as_list(statement.get("Resource", []))), resource


@pytest.fixture(scope="module")
def pipeline_findings(tmp_path_factory: pytest.TempPathFactory) -> list[PolicyFinding]:
    directory = tmp_path_factory.mktemp("pipeline")
    pipeline, environments = load_pipeline(ROOT / "tests" / "pipelines" / "small" / "pipeline.yaml")
    app, layer = make_app(directory / "cdk.out"), make_layer(directory)
    with no_network():
        PipelineStack(app, "sdxl-pipeline", pipeline=pipeline, environments=environments, layer_archive=layer)
        app.synth()
    stacks = _templates(directory / "cdk.out")
    assert len(stacks) == 2
    return lint_policies(stacks, account=pipeline.account, region=pipeline.region, unnamed=GRANTED_BY_CDK_PIPELINES)


def _templates(assembly: Path) -> dict[str, dict[str, object]]:
    suffix = ".template.json"
    return {path.name.removesuffix(suffix): json.loads(path.read_text()) for path in assembly.glob(f"*{suffix}")}


@pytest.mark.xfail(strict=True, reason="the source stage lacks codeconnections:UseConnection on its connection")
def test_every_policy_of_the_pipeline_does_what_it_says(pipeline_findings: list[PolicyFinding]) -> None:
    assert pipeline_findings == []


def test_nothing_else_is_wrong_with_the_pipeline(pipeline_findings: list[PolicyFinding]) -> None:
    assert [finding for finding in pipeline_findings if "codestar-connections" not in finding.text] == []
