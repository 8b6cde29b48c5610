"""`sdxl environments check --synth`: what it prints and how it ends, with tools that find what each test says."""

import contextlib
import json
import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest
from typer.testing import CliRunner

from sdxl.checks import templates
from sdxl.cli import app

FILE = 'account: "111122223333"\nregion: {region}\nmodel: {{source: open}}\n'
REGIONS = {"dev": "us-east-1", "prod": "eu-west-1", "test": "us-east-1"}
NAG = {
    "rule": "AwsSolutions-S1",
    "resource": "sdxl-prod/Extra/Bucket",
    "text": "The S3 Bucket has server\n access logs.",
}
BUCKET = {"Type": "AWS::S3::Bucket", "DeletionPolicy": "Delete", "Properties": {}}


def assembly(folder: Path, name: str, resources: dict) -> None:
    stage = folder / f"assembly-sdxl-{name}"
    stage.mkdir(parents=True)
    (folder / "manifest.json").write_text('{"artifacts": {}}')
    (stage / "Api.template.json").write_text(json.dumps({"Resources": resources}))
    artifact = {
        "type": "aws:cloudformation:stack",
        "displayName": f"sdxl-{name}/Api",
        "properties": {"templateFile": "Api.template.json"},
    }
    (stage / "manifest.json").write_text(json.dumps({"artifacts": {"a": artifact}}))


class FakeTools:
    """Stands in for the programs that the checks start: the synthesis with cdk-nag, and cfn-lint."""

    def __init__(self) -> None:
        self.errors: dict[str, str] = {}
        self.violations: dict[str, list[dict]] = {}
        self.resources: dict[str, dict] = {}
        self.lint: dict[str, tuple[str, str]] = {}
        self.linted: dict[str, list[str]] = {}
        self.ends_with = 0
        self.run_program = subprocess.run

    def run(self, command, **options):
        if "sdxl.checks.synthesis" in command:
            return self._synthesize(Path(command[4]), command[5:])
        if command[0].endswith("cfn-lint"):
            region, paths = command[command.index("--regions") + 1], command[command.index("--") + 1 :]
            return self._lint(region, paths)
        return self.run_program(command, **options)

    def _synthesize(self, output: Path, names: list[str]):
        for name in names:
            assembly(output / name, name, self.resources.get(name, {}))
        found = {name: {"error": self.errors.get(name), "violations": self.violations.get(name, [])} for name in names}
        (output / "findings.json").write_text(json.dumps(found))
        return SimpleNamespace(returncode=self.ends_with, stdout="", stderr="no module named cdk_nag")

    def _lint(self, region: str, paths: list[str]):
        self.linted[region] = [path.split("assembly-sdxl-")[1].partition("/")[0] for path in paths]
        matches = [
            {
                "Filename": path,
                "Message": text,
                "Rule": {"Id": rule},
                "Location": {"Path": ["Resources", "Topic", "Properties"]},
            }
            for path in paths
            for name, (rule, text) in self.lint.items()
            if f"assembly-sdxl-{name}/" in path
        ]
        return SimpleNamespace(returncode=2 if matches else 0, stdout=json.dumps(matches), stderr="")


@pytest.fixture
def tools(monkeypatch) -> FakeTools:
    tools = FakeTools()
    monkeypatch.setattr(subprocess, "run", tools.run)
    return tools


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, region in REGIONS.items():
        (tmp_path / f"{name}.yaml").write_text(FILE.format(region=region))
    return tmp_path


@pytest.fixture
def check(folder, tools):
    return lambda *arguments: CliRunner().invoke(
        app, ["environments", "check", "--synth", "--dir", str(folder), *arguments], env={"NO_COLOR": "1"}
    )


def test_every_environment_and_check_is_one_line(check, tools):
    done = check()

    assert done.exit_code == 0
    assert done.stdout.splitlines()[3:] == [
        f"{name}: {line}"
        for name, region in sorted(REGIONS.items())
        for line in (
            "synthesis: ok (1 stack)",
            f"cfn-lint: ok ({region})",
            "cdk-nag: ok (AwsSolutions, NIST 800-53 R5)",
            "iam: ok (actions and resources)",
        )
    ]
    # Then cfn-lint has read the templates of each region once
    assert tools.linted == {"us-east-1": ["dev", "test"], "eu-west-1": ["prod"]}


def test_only_the_named_environments_are_checked(check):
    done = check("prod")

    assert {line.partition(":")[0] for line in done.stdout.splitlines()[1:]} == {"prod"}


def test_findings_name_rule_template_resource_and_text_and_end_with_1(check, tools):
    tools.violations["prod"] = [NAG]
    tools.lint["dev"] = ("E3006", "Resource type 'AWS::SNS::Topic' does not exist in 'us-east-1'")

    done = check()

    assert done.exit_code == 1
    wrong = done.stderr.splitlines()
    assert "dev: cfn-lint: 1 finding (us-east-1)" in wrong
    assert (
        "  E3006 Api.template.json Resources/Topic/Properties: "
        "Resource type 'AWS::SNS::Topic' does not exist in 'us-east-1'" in wrong
    )
    assert "prod: cdk-nag: 1 finding (AwsSolutions, NIST 800-53 R5)" in wrong
    assert "  AwsSolutions-S1 sdxl-prod/Extra/Bucket: The S3 Bucket has server access logs." in wrong
    assert "2 findings in the templates." in wrong
    assert "prod: cfn-lint: ok (eu-west-1)" in done.stdout


def test_a_grant_without_effect_is_found(check, tools):
    statement = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:sqs:us-east-1:111122223333:pictures"}
    properties = {"PolicyDocument": {"Statement": [statement]}}
    tools.resources["dev"] = {"Extra": {"Type": "AWS::IAM::ManagedPolicy", "Properties": properties}}

    done = check("dev", "prod")

    assert done.exit_code == 1
    assert "dev: iam: 2 findings (actions and resources)" in done.stderr
    assert "  iam Api Extra/#1: s3:GetObject takes s3 accesspointobject, s3 object, not arn:aws:sqs" in done.stderr
    assert "prod: iam: ok" in done.stdout


def test_an_environment_that_does_not_synthesize_leaves_the_others_checked(check, tools):
    tools.errors["dev"] = "the layer is missing: run `make layer`"

    done = check()

    assert done.exit_code == 1
    assert "dev: synthesis: 1 finding (no templates)" in done.stderr
    assert "  synthesis: the layer is missing: run `make layer`" in done.stderr
    assert "dev: cfn-lint" not in done.output
    assert "test: cdk-nag: ok" in done.stdout


def test_a_wrong_file_comes_before_any_template(check, folder, tools):
    (folder / "prod.yaml").write_text(FILE.format(region="nowhere"))

    done = check()

    assert done.exit_code == 1
    assert "prod.yaml:2: region: received nowhere" in done.stderr
    assert "The templates are checked once every file is right." in done.stderr
    assert tools.linted == {}


def test_json_has_every_check_beside_the_files(check, tools):
    tools.violations["prod"] = [NAG]

    done = check("prod", "dev", "--json")

    assert done.exit_code == 1
    content = json.loads(done.stdout)
    assert content["ok"] is False
    assert [file["environment"] for file in content["files"]] == ["prod", "dev"]
    nag = next(one for one in content["checks"] if (one["environment"], one["check"]) == ("prod", "cdk-nag"))
    assert nag == {
        "environment": "prod",
        "check": "cdk-nag",
        "summary": "AwsSolutions, NIST 800-53 R5",
        "findings": [{**NAG, "template": ""}],
        "ok": False,
    }
    assert all(one["ok"] for one in content["checks"] if one is not nag)


def test_a_synthesis_that_does_not_run_is_an_error_and_no_finding(check, tools):
    tools.ends_with = 1

    done = check()

    assert done.exit_code == 1
    assert "no module named cdk_nag" in done.stderr


def test_the_comparison_needs_the_templates(folder):
    arguments = ["environments", "check", "--dir", str(folder)]

    alone = CliRunner().invoke(app, [*arguments, "--diff-from", "HEAD"])
    without_base = CliRunner().invoke(app, [*arguments, "--synth", "--allow-replacement", "all"])

    assert (alone.exit_code, without_base.exit_code) == (2, 2)


def test_files_outside_the_repository_have_no_base(check):
    done = check("--diff-from", "HEAD")

    assert done.exit_code == 2
    assert "is outside of it" in done.stderr


@pytest.fixture
def base(monkeypatch, tmp_path, tools):
    """A base revision in which dev has a bucket that it no longer has, and prod is as it is; test is new."""

    @contextlib.contextmanager
    def checked_out(revision: str):
        yield tmp_path

    def synthesize(tree: Path, output: Path, *, name: str, environments: Path) -> Path:
        assert environments == tmp_path
        assembly(output, "dev", {"Images": BUCKET})
        assembly(output, "prod", {"Images": BUCKET})
        return output

    tools.resources["prod"] = {"Images": BUCKET}
    monkeypatch.setattr(templates, "ROOT", tmp_path)
    monkeypatch.setattr(templates, "checked_out", checked_out)
    monkeypatch.setattr(templates, "synthesize", synthesize)


def test_what_the_comparison_refuses_is_a_finding(check, base):
    done = check("--diff-from", "v1")

    assert done.exit_code == 1
    assert "dev: diff: 1 finding (since v1: 1 REFUSED, 1 removed)" in done.stderr
    assert "  refused: Api/Images (AWS::S3::Bucket) would be removed: its objects stay in" in done.stderr
    assert "prod: diff: ok (since v1: no resource changes)" in done.stdout
    assert "test: diff: ok (a new environment since v1)" in done.stdout


def test_a_refused_change_is_allowed_by_name(check, base):
    done = check("--diff-from", "v1", "--allow-replacement", "Images")

    assert done.exit_code == 0
    assert "dev: diff: ok (since v1: 1 removed)" in done.stdout
