"""The pipeline in the tooling account: order, roles, and that it deploys what a deployment by hand would."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from infrastructure_synthesis import (
    ROOT,
    Synthesis,
    contents,
    make_app,
    make_layer,
    no_network,
    resources,
    synthesize,
    the,
)
from test_rule_packs import findings
from test_template_linters import run_checkov

from sdxl.checks.iam_lint import PolicyFinding, lint_policies
from stacks.environment.organization import Organization
from stacks.environment.pipeline import load_pipeline
from stacks.pipeline_stack import PipelineStack

EXAMPLE = ROOT / "tests" / "pipelines" / "small"
PIPELINE, ENVIRONMENTS = load_pipeline(EXAMPLE / "pipeline.yaml")


def pipeline_app(directory: Path) -> Any:
    app = make_app(directory / "cdk.out")
    layer = make_layer(directory)
    PipelineStack(app, "sdxl-pipeline", pipeline=PIPELINE, environments=ENVIRONMENTS, layer_archive=layer)
    return app


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("pipeline")
    with no_network():
        pipeline_app(directory).synth()
    return directory / "cdk.out"


@pytest.fixture(scope="module")
def template(assembly: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((assembly / "sdxl-pipeline.template.json").read_text())
    return found


@pytest.fixture(scope="module")
def by_hand(tmp_path_factory: pytest.TempPathFactory) -> Synthesis:
    return synthesize(tmp_path_factory.mktemp("by-hand") / "cdk.out", *ENVIRONMENTS.values())


def stages(template: dict[str, Any]) -> dict[str, list[str]]:
    """Names of the actions of each stage, in the order in which they run."""
    found = the(template, "AWS::CodePipeline::Pipeline")["Stages"]
    return {
        stage["Name"]: [action["Name"] for action in sorted(stage["Actions"], key=lambda item: item["RunOrder"])]
        for stage in found
    }


def test_rings_follow_each_other_after_source_synthesis_and_self_mutation(template: dict[str, Any]) -> None:
    assert list(stages(template)) == [
        "Source",
        "Build",
        "UpdatePipeline",
        "Assets",
        # A wave of one is named after its environment.
        "sdxl-dev",
        "sdxl-staging",
        "sdxl-prod",
    ]
    assert the(template, "AWS::CodePipeline::Pipeline")["PipelineType"] == "V2"


def test_account_is_looked_at_before_and_tested_after_its_stacks(template: dict[str, Any]) -> None:
    actions = stages(template)["sdxl-dev"]

    assert "Preflight" in actions[0]
    assert "SmokeTest" in actions[-1]
    assert all("Deploy" in action for action in actions[1:-1])
    assert len(actions) >= 4


def test_person_approves_before_anything_happens_in_a_manual_ring(template: dict[str, Any]) -> None:
    (prod,) = (
        stage for stage in the(template, "AWS::CodePipeline::Pipeline")["Stages"] if stage["Name"] == "sdxl-prod"
    )
    orders = {action["Name"]: action["RunOrder"] for action in prod["Actions"]}

    assert {name for name, order in orders.items() if order == 1} == {"Approve-prod"}
    assert not any("Approve" in action for action in stages(template)["sdxl-dev"])


def test_environments_of_one_ring_wait_together_for_the_person(tmp_path: Path) -> None:
    ring = PIPELINE.rings[2].model_copy(update={"environments": ("dev", "staging", "prod")})
    app, layer = make_app(tmp_path / "cdk.out"), make_layer(tmp_path)
    pipeline = PIPELINE.model_copy(update={"rings": (ring,)})
    PipelineStack(app, "sdxl-pipeline", pipeline=pipeline, environments=ENVIRONMENTS, layer_archive=layer)
    app.synth()
    template = json.loads((tmp_path / "cdk.out" / "sdxl-pipeline.template.json").read_text())

    actions = stages(template)["Ring-prod"]
    assert actions[0] == "Approve-prod"
    assert sum("Preflight" in action for action in actions) == sum("SmokeTest" in action for action in actions) == 3


def test_builds_assume_only_the_lookup_role_of_their_own_account(template: dict[str, Any]) -> None:
    found = {
        json.dumps(statement["Resource"])
        for policy in resources(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Action"] == "sts:AssumeRole" and "lookup-role" in json.dumps(statement)
    }

    assert found == {
        f'"arn:aws:iam::{item.account}:role/cdk-hnb659fds-lookup-role-{item.account}-{item.region}"'
        for item in ENVIRONMENTS.values()
    }


def test_builds_assume_the_lookup_role_of_the_contexts_bootstrap(tmp_path: Path) -> None:
    app = make_app(tmp_path / "cdk.out")
    app.node.set_context("@aws-cdk/core:bootstrapQualifier", "platform")
    layer = make_layer(tmp_path)
    PipelineStack(app, "sdxl-pipeline", pipeline=PIPELINE, environments=ENVIRONMENTS, layer_archive=layer)
    with no_network():
        app.synth()

    text = (tmp_path / "cdk.out" / "sdxl-pipeline.template.json").read_text()
    assert "cdk-platform-lookup-role" in text
    assert "hnb659fds" not in text


def test_pipeline_has_the_boundary_of_the_organization_and_not_that_of_the_stacks_roles(tmp_path: Path) -> None:
    def bounded(name: str) -> str:
        environments = {
            key: item.model_copy(update={"organization": Organization(permissions_boundary=name)})
            for key, item in ENVIRONMENTS.items()
        }
        directory = tmp_path / name
        directory.mkdir()
        app, layer = make_app(directory / "cdk.out"), make_layer(directory)
        PipelineStack(app, "sdxl-pipeline", pipeline=PIPELINE, environments=environments, layer_archive=layer)
        with no_network():
            app.synth()
        return (directory / "cdk.out" / "sdxl-pipeline.template.json").read_text()

    # Roles with the access stack's boundary could not start a build.
    assert "PermissionsBoundary" not in bounded("workload-boundary-sdxl")
    assert f"::{PIPELINE.account}:policy/platform" in bounded("platform")


def test_source_may_use_the_connection_under_the_prefix_of_its_arn(template: dict[str, Any]) -> None:
    arn = PIPELINE.source.connection_arn
    statements = [
        statement
        for policy in resources(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Resource"] == arn
    ]

    assert arn.split(":")[2] == "codeconnections"
    assert "codeconnections:UseConnection" in {action for one in statements for action in one["Action"]}


def test_tools_that_builds_install_are_those_of_package_json(template: dict[str, Any]) -> None:
    packages = json.loads((ROOT / "package.json").read_text())["devDependencies"]
    installed = {
        command.removeprefix("npm install -g ")
        for project in resources(template, "AWS::CodeBuild::Project").values()
        for command in json.loads(project["Properties"]["Source"]["BuildSpec"])["phases"]["install"]["commands"]
        if command.startswith("npm")
    }

    assert installed == {f"{name}@{packages[name]}" for name in ("aws-cdk", "cdk-assets")}


def test_services_assume_roles_for_this_account_alone(template: dict[str, Any]) -> None:
    trusts = [
        statement
        for role in resources(template, "AWS::IAM::Role").values()
        for statement in role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        if "Service" in statement["Principal"]
    ]

    assert len(trusts) > 5
    assert {json.dumps(one.get("Condition")) for one in trusts} == {
        json.dumps({"StringEquals": {"aws:SourceAccount": PIPELINE.account}})
    }


def test_no_role_may_use_every_key(template: dict[str, Any], assembly: Path) -> None:
    statements = [
        statement
        for policy in resources(template, "AWS::IAM::Policy").values()
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if "kms:Decrypt" in statement["Action"]
    ]
    replica = json.loads((assembly / "cross-region-stack-100000000001_us-west-2.template.json").read_text())

    assert [one for one in statements if "*" in one["Resource"]] == []
    (conditioned,) = [one for one in statements if "Condition" in one]
    assert conditioned["Resource"] == [f"arn:aws:kms:us-west-2:{PIPELINE.account}:key/*"]
    assert conditioned["Condition"] == {
        "ForAnyValue:StringEquals": {"kms:ResourceAliases": [the(replica, "AWS::KMS::Alias")["AliasName"]]}
    }


def test_artifacts_expire_in_every_region(template: dict[str, Any], assembly: Path) -> None:
    replica = json.loads((assembly / "cross-region-stack-100000000001_us-west-2.template.json").read_text())

    for found in (template, replica):
        (rule,) = the(found, "AWS::S3::Bucket")["LifecycleConfiguration"]["Rules"]
        assert (rule["Status"], rule["ExpirationInDays"]) == ("Enabled", 90)
        assert rule["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}


def test_failed_first_deployment_leaves_nothing_behind(template: dict[str, Any]) -> None:
    kept = {
        resource["Type"]: resource["DeletionPolicy"]
        for resource in template["Resources"].values()
        if resource.get("DeletionPolicy", "Delete") != "Delete"
    }

    kinds = ("AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::S3::Bucket")
    assert kept == dict.fromkeys(kinds, "RetainExceptOnCreate")


def test_every_gate_runs_before_the_synthesis(template: dict[str, Any]) -> None:
    (synth,) = (
        project["Properties"]["Source"]["BuildSpec"]
        for name, project in resources(template, "AWS::CodeBuild::Project").items()
        if "Synth" in name
    )
    spec = json.loads(synth)

    assert spec["phases"]["install"]["runtime-versions"] == {"nodejs": "22", "python": "3.13"}
    assert spec["phases"]["install"]["commands"] == ["make setup"]
    commands = spec["phases"]["build"]["commands"]
    assert commands[0] == ".venv/bin/sdxl environments check --synth --dir environments"
    assert commands[-1] == "npx cdk synth --quiet -c pipeline=environments"


def test_artifacts_and_logs_are_encrypted_and_builds_log_for_so_long(template: dict[str, Any]) -> None:
    assert the(template, "AWS::KMS::Key")["EnableKeyRotation"] is True
    assert the(template, "AWS::Logs::LogGroup")["RetentionInDays"] == PIPELINE.log_retention_days
    assert "KmsKeyId" in the(template, "AWS::Logs::LogGroup")
    assert "aws:kms" in json.dumps(the(template, "AWS::S3::Bucket")["BucketEncryption"])
    assert "aws:SecureTransport" in json.dumps(the(template, "AWS::S3::BucketPolicy"))
    projects = resources(template, "AWS::CodeBuild::Project").values()
    assert all(project["Properties"]["LogsConfig"]["CloudWatchLogs"]["Status"] == "ENABLED" for project in projects)


def test_pipeline_deploys_what_a_deployment_by_hand_deploys(assembly: Path, by_hand: Synthesis) -> None:
    for name in ENVIRONMENTS:
        piped = {
            path.replace("sdxlpipeline", ""): json.loads(data)
            for path, data in sorted_contents(assembly / f"assembly-sdxl-pipeline-sdxl-{name}")
            if path.endswith(".template.json")
        }
        direct = {
            path: json.loads(data)
            for path, data in sorted_contents(by_hand.directory / f"assembly-sdxl-{name}")
            if path.endswith(".template.json")
        }
        assert [without_paths(item) for item in piped.values()] == [without_paths(item) for item in direct.values()]


def sorted_contents(folder: Path) -> list[tuple[str, bytes]]:
    return sorted(contents(folder).items())


def without_paths(template: dict[str, Any]) -> dict[str, Any]:
    """The template without the paths of constructs, which have the pipeline in front."""
    found: dict[str, Any] = json.loads(json.dumps(template).replace("sdxl-pipeline/", ""))
    return found


def test_rule_packs_find_nothing_that_is_not_acknowledged(tmp_path: Path) -> None:
    found = [
        finding for finding in findings(pipeline_app(tmp_path)) if not finding[0].startswith("sdxl-pipeline/sdxl-")
    ]

    # The environments' own stacks, which are the same as by hand, have their own tests.
    assert found == []


def test_templates_pass_cfn_lint(assembly: Path) -> None:
    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))
    paths = [str(path) for path in assembly.glob("*.template.json")]
    # E3703: CDK Pipelines joins where Fn::Sub would read better.
    command = [cfn_lint, "--ignore-checks", "W3005", "--ignore-checks", "E3703", "--", *paths]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert len(paths) == 2
    assert (done.returncode, done.stdout) == (0, "")


def test_checkov_finds_exactly_what_is_skipped_with_a_reason(assembly: Path, tmp_path: Path) -> None:
    skips = set()
    for path in assembly.glob("*.template.json"):
        template = json.loads(path.read_text())
        for name, resource in template["Resources"].items():
            for skip in resource.get("Metadata", {}).pop("checkov", {}).get("skip", []):
                assert len(skip["comment"]) > 30
                skips.add((path.name, name, skip["id"]))
        (tmp_path / path.name).write_text(json.dumps(template))

    failed = run_checkov(tmp_path)

    found = {(check["file_path"].strip("/"), check["resource"].split(".")[-1], check["check_id"]) for check in failed}
    assert found == skips


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


@pytest.fixture(scope="module")
def iam_findings(assembly: Path) -> list[PolicyFinding]:
    stacks = {path.name: json.loads(path.read_text()) for path in assembly.glob("*.template.json")}
    assert len(stacks) == 2
    return lint_policies(stacks, account=PIPELINE.account, region=PIPELINE.region, unnamed=GRANTED_BY_CDK_PIPELINES)


def test_every_policy_does_what_it_says(iam_findings: list[PolicyFinding]) -> None:
    assert iam_findings == []
