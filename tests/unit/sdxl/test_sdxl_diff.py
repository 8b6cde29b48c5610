"""`sdxl diff`: what a revision does to resources, permissions and cost, and what is refused; on small templates."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.diff.changes import changes_between
from sdxl.diff.cost_change import cost_changes
from sdxl.diff.permissions import permission_changes
from sdxl.diff.rules import allowed, refusals
from sdxl.errors import UsageError

Resource = dict[str, Any]
ROOT = Path(__file__).parents[3]
ENDPOINT = {"Type": "AWS::SageMaker::Endpoint", "Properties": {"EndpointName": "sdxl-dev", "EndpointConfigName": "c"}}
LOGS = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "a"}}
TARGET = {
    "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
    "Properties": {
        "ResourceId": "endpoint/sdxl-dev/variant/primary",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "ServiceNamespace": "sagemaker",
        "MinCapacity": 1,
        "MaxCapacity": 2,
    },
}


def templates(**resources: Resource) -> dict[str, Any]:
    return {"dev": {"Stack": {"Resources": resources}}}


def config(*types: str, variant: str = "primary") -> Resource:
    one = {"VariantName": variant, "ModelName": "m"}
    if len(types) == 1:
        one["InstanceType"] = types[0]
    else:
        one["InstancePools"] = [{"InstanceType": name, "Priority": number} for number, name in enumerate(types, 1)]
    return {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [one]}}


def resource(kind: str, policy: str | None = None, **properties: Any) -> Resource:
    found: Resource = {"Type": kind, "Properties": properties}
    if policy:
        found |= {"DeletionPolicy": policy, "UpdateReplacePolicy": policy}
    return found


def policy(*statements: Resource) -> Resource:
    return resource("AWS::IAM::ManagedPolicy", PolicyDocument={"Version": "2012-10-17", "Statement": list(statements)})


def statement(action: Any = "s3:GetObject", effect: str = "Allow", on: Any = "arn:a", **more: Any) -> Resource:
    return {"Effect": effect, "Action": action, "Resource": on, **more}


def refused(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    changes = changes_between(before, after)
    return [f"{item.what}: {item.why}. {item.remedy}" for item in refusals(before, after, changes)]


# Resources


def test_what_happens_to_each_resource_is_told() -> None:
    before = templates(
        Kept=resource("AWS::SNS::Topic", TopicName="a"),
        Changed=resource("AWS::Lambda::Function", MemorySize=1, Code={"S3Key": "a"}),
        Code=resource("AWS::Lambda::Function", Code={"S3Key": "a"}),
        Gone=resource("AWS::CloudWatch::Dashboard", DashboardBody="{}"),
        Left=resource("AWS::S3::Bucket", "Retain"),
        AlsoLeft=resource("AWS::S3::Bucket", "RetainExceptOnCreate"),
    )
    after = templates(
        Kept=resource("AWS::SNS::Topic", TopicName="a"),
        Changed=resource("AWS::Lambda::Function", MemorySize=2, Code={"S3Key": "a"}),
        Code=resource("AWS::Lambda::Function", Code={"S3Key": "b"}),
        New=resource("AWS::CloudWatch::Dashboard", DashboardBody="{}"),
    )

    found = {change.logical_id: change for change in changes_between(before, after)}

    assert {name: change.action for name, change in found.items()} == {
        "AlsoLeft": "remove",
        "Changed": "change",
        "Code": "change",
        "Gone": "remove",
        "Left": "remove",
        "New": "add",
    }
    assert found["Changed"].properties == ("MemorySize",)
    assert found["Code"].is_code_only
    assert found["Left"].is_retained
    assert found["AlsoLeft"].is_retained


def test_metadata_and_dependencies_are_no_change() -> None:
    one = resource("AWS::SNS::Topic", TopicName="a")

    assert changes_between(templates(A=one), templates(A={**one, "Metadata": {"aws:cdk:path": "b"}})) == ()


# Refusals


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (
            resource("AWS::S3::Bucket", "Retain", BucketName="a"),
            resource("AWS::S3::Bucket", "Retain", BucketName="b"),
            ["Stack/It (AWS::S3::Bucket) would be replaced, for another BucketName", "links to them break"],
        ),
        (
            resource("AWS::DynamoDB::Table", TableName="a", KeySchema=[]),
            None,
            ["Stack/It (AWS::DynamoDB::Table) would be removed", "its items are lost"],
        ),
        (
            ENDPOINT,
            {**ENDPOINT, "Properties": {"EndpointName": "other", "EndpointConfigName": "c"}},
            ["no image is drawn"],
        ),
        (
            resource("AWS::ApiGateway::RestApi", Name="a"),
            None,
            ["the API gets another address", "--allow-replacement It"],
        ),
        (
            resource("AWS::Logs::LogGroup", LogGroupName="a"),
            resource("AWS::Logs::LogGroup", LogGroupName="b"),
            ["logs"],
        ),
        (resource("AWS::KMS::Key", KeyPolicy={}), None, ["can only be read with the old key"]),
    ],
)
def test_losing_something_is_refused(before: Resource, after: Resource | None, told: list[str]) -> None:
    (text,) = refused(templates(It=before), templates(**({"It": after} if after else {})))

    assert [part for part in told if part not in text] == [], text


@pytest.mark.parametrize(
    ("before", "after"),
    [
        # It stays in the account, whole.
        (resource("AWS::S3::Bucket", "Retain", BucketName="a"), None),
        (resource("AWS::SNS::Topic", TopicName="a"), resource("AWS::SNS::Topic", TopicName="a", DisplayName="b")),
        (resource("AWS::CloudWatch::Dashboard", DashboardName="a"), None),
        (ENDPOINT, {**ENDPOINT, "Properties": {"EndpointName": "sdxl-dev", "EndpointConfigName": "other"}}),
    ],
)
def test_what_loses_nothing_is_not_refused(before: Resource, after: Resource | None) -> None:
    assert refused(templates(It=before), templates(**({"It": after} if after else {}))) == []


def test_another_instance_type_of_a_scaled_variant_is_refused_with_the_two_steps() -> None:
    (text,) = refused(
        templates(Config=config("ml.g5.4xlarge"), Target=TARGET),
        templates(Config=config("ml.g5.8xlarge", "ml.g5.4xlarge"), Target=TARGET),
    )

    assert "'primary' would move from ml.g5.4xlarge to ml.g5.8xlarge or ml.g5.4xlarge, while it is registered" in text
    assert "1. set scaling.detached: true" in text
    assert "2. make this change, without detached" in text


def test_removing_a_scaled_variant_is_refused() -> None:
    (text,) = refused(templates(Config=config("a"), Target=TARGET), templates(Config=config("a", variant="other")))

    assert "the variant 'primary' would be removed, while it is registered" in text


def test_each_of_the_two_steps_passes() -> None:
    scaled = templates(Config=config("a"), Target=TARGET)
    detached = templates(Config=config("a"))
    moved = templates(Config=config("b"), Target=TARGET)

    assert refused(scaled, detached) == []
    assert refused(detached, moved) == []


def test_what_is_allowed_by_name_type_or_all_is_not_refused() -> None:
    before, after = templates(It=resource("AWS::KMS::Key", KeyPolicy={})), templates()
    found = refusals(before, after, changes_between(before, after))

    assert [allowed(found, [name]) for name in ("It", "AWS::KMS::Key", "all")] == [(), (), ()]
    with pytest.raises(UsageError, match=r"--allow-replacement Other: nothing .* What is: AWS::KMS::Key, It"):
        allowed(found, ["Other"])
    with pytest.raises(UsageError, match="Nothing is: leave the option out"):
        allowed((), ["It"])


def test_the_two_steps_cannot_be_allowed_away() -> None:
    before = templates(Config=config("a"), Target=TARGET)
    after = templates(Config=config("b"), Target=TARGET)

    assert len(allowed(refusals(before, after, ()), ["all"])) == 1


# Permissions


def texts(before: Resource | None, after: Resource | None) -> list[tuple[str, str]]:
    found = permission_changes(*(templates(**({"It": item} if item else {})) for item in (before, after)))
    return [(item.direction, item.text) for item in found]


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (
            policy(statement()),
            policy(statement(["s3:GetObject", "s3:PutObject"])),
            [("wider", "Allow s3:PutObject on arn:a")],
        ),
        (
            policy(statement(on=["arn:a", "arn:b"])),
            policy(statement()),
            [("narrower", "no longer: Allow s3:GetObject on arn:b")],
        ),
        (None, policy(statement("x:Y", on="*")), [("wider", "Allow x:Y on *")]),
        (policy(statement(effect="Deny")), policy(), [("wider", "no longer: Deny s3:GetObject on arn:a")]),
        (policy(), policy(statement(effect="Deny")), [("narrower", "Deny s3:GetObject on arn:a")]),
        # A condition that goes is another grant, which is wider, and the old one goes.
        (
            policy(statement(Condition={"Bool": {"aws:SecureTransport": "true"}})),
            policy(statement()),
            [
                ("wider", "Allow s3:GetObject on arn:a"),
                ("narrower", 'no longer: Allow s3:GetObject on arn:a if {"Bool":{"aws:SecureTransport":"true"}}'),
            ],
        ),
        (
            policy({"Effect": "Allow", "NotAction": "iam:*", "Resource": "*"}),
            policy(),
            [("narrower", "no longer: Allow everything but iam:* on *")],
        ),
        (
            resource("AWS::IAM::Role", PermissionsBoundary="arn:boundary", AssumeRolePolicyDocument={}),
            resource("AWS::IAM::Role", AssumeRolePolicyDocument={}),
            [("wider", "no longer bounded by arn:boundary")],
        ),
        (
            resource("AWS::IAM::Role", AssumeRolePolicyDocument={}),
            resource(
                "AWS::IAM::Role", AssumeRolePolicyDocument={}, ManagedPolicyArns=["arn:aws:iam::aws:policy/Admin"]
            ),
            [("wider", "has the policy arn:aws:iam::aws:policy/Admin")],
        ),
        (
            resource("AWS::IAM::Role", AssumeRolePolicyDocument={"Statement": []}),
            resource(
                "AWS::IAM::Role",
                AssumeRolePolicyDocument={
                    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}]
                },
            ),
            [("wider", 'Allow sts:AssumeRole on itself to {"AWS":"*"}')],
        ),
        (
            None,
            resource("AWS::Lambda::Permission", Action="lambda:InvokeFunction", FunctionName="f", Principal="*"),
            [("wider", "Allow lambda:InvokeFunction on f to *")],
        ),
        (
            resource("AWS::S3::BucketPolicy", PolicyDocument={"Statement": [statement(effect="Deny", Principal="*")]}),
            resource("AWS::S3::BucketPolicy", PolicyDocument={"Statement": []}),
            [("wider", "no longer: Deny s3:GetObject on arn:a to *")],
        ),
        (policy(statement(["a:B", "c:D"])), policy(statement("c:D"), statement("a:B")), []),
    ],
)
def test_permissions_that_come_and_go(
    before: Resource | None, after: Resource | None, expected: list[tuple[str, str]]
) -> None:
    assert texts(before, after) == expected


# Cost


def write_environments(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "dev.yaml").write_text(f'account: "111122223333"\nregion: us-east-1\n{text}')
    return folder


def test_cost_is_compared_and_what_cannot_be_read_is_unknown(tmp_path: Path) -> None:
    one = write_environments(tmp_path / "a", "model: {source: open}\n")
    two = write_environments(tmp_path / "b", "model: {source: open}\nendpoint: {instance_count: 2}\n")
    odd = write_environments(tmp_path / "c", "model: {source: open}\nold_setting: 1\n")

    (more,) = cost_changes(one, two, ["dev"])
    (same,) = cost_changes(one, one, ["dev"])
    (unknown,) = cost_changes(odd, one, ["dev"])

    assert more.text().startswith("idle 1,497.73 -> 2,979.63 (+1,481.90); at max capacity")
    assert not same.is_change
    assert "unknown: " in unknown.text()
    assert "old_setting: unknown setting" in unknown.text()


# The command


def assembly(folder: Path, region: str = "us-east-1", **stages: dict[str, Any]) -> Path:
    folder.mkdir()
    (folder / "manifest.json").write_text('{"artifacts": {}}')
    for environment, resources in stages.items():
        stage = folder / f"assembly-sdxl-{environment}"
        stage.mkdir()
        (stage / "t.json").write_text(json.dumps({"Resources": resources}))
        artifact = {
            "type": "aws:cloudformation:stack",
            "displayName": f"sdxl-{environment}/Api",
            "environment": f"aws://111122223333/{region}",
            "properties": {"templateFile": "t.json"},
        }
        (stage / "manifest.json").write_text(json.dumps({"artifacts": {"a": artifact}}))
    return folder


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["diff", *arguments], env={"NO_COLOR": "1"})


@pytest.fixture
def sides(tmp_path: Path) -> list[str]:
    before = assembly(tmp_path / "a", dev={"Key": resource("AWS::KMS::Key", KeyPolicy={})}, old={})
    after = assembly(tmp_path / "b", dev={"P": policy(statement())}, new={})
    return ["--from-assembly", str(before), "--to-assembly", str(after)]


def test_the_command_refuses_with_exit_code_1_and_says_how_to_allow_it(sides: list[str]) -> None:
    result = run(*sides)

    assert result.exit_code == 1
    assert "1 REFUSED, 1 added, 1 removed, IAM wider in 1 point" in result.stdout
    assert "REFUSED  dev: Api/Key (AWS::KMS::Key) would be removed" in result.stdout
    assert "old: no longer there; what is deployed of it stays until it is destroyed" in result.stdout
    assert "new: a new environment" in result.stdout
    assert run(*sides, "--allow-replacement", "Key").exit_code == 0
    assert run(*sides, "--allow-replacement", "Key", "--fail-on-iam-widening").exit_code == 1


def test_another_region_is_a_move_which_is_refused_and_not_compared(tmp_path: Path) -> None:
    before = assembly(tmp_path / "a", dev={"Key": resource("AWS::KMS::Key", KeyPolicy={"a": 1})})
    after = assembly(tmp_path / "b", "eu-west-1", dev={"Key": resource("AWS::KMS::Key", KeyPolicy={"a": 2})})
    sides = ["--from-assembly", str(before), "--to-assembly", str(after)]

    refused_move, allowed_move = run(*sides), run(*sides, "--allow-replacement", "dev")

    assert (refused_move.exit_code, allowed_move.exit_code) == (1, 0)
    assert "dev moves from account 111122223333, us-east-1 to account 111122223333, eu-west-1" in refused_move.stdout
    assert "stays and goes on being billed" in allowed_move.stdout
    assert "KeyPolicy" not in refused_move.stdout
    assert json.loads(run(*sides, "--format", "json").stdout)["moved_environments"]["dev"]["to"] == {
        "account": "111122223333",
        "region": "eu-west-1",
    }


# Between stacks


def exporting(value: Any, **resources: Resource) -> dict[str, Any]:
    return {"Resources": resources, "Outputs": {"O": {"Value": value, "Export": {"Name": "Storage:O"}}}}


IMPORTING = {"Resources": {"A": resource("AWS::SSM::Parameter", Value={"Fn::ImportValue": "Storage:O"})}}
FREE = {"Resources": {"A": resource("AWS::SSM::Parameter", Value="a")}}


def test_an_export_that_another_stack_imports_is_dropped_by_deploying_that_stack_first() -> None:
    before = {"dev": {"Storage": exporting("a"), "Api": IMPORTING}}
    after = {"dev": {"Storage": {"Resources": {}}, "Api": FREE}}

    (refusal,) = refused(before, after)

    assert "sdxl-dev-Storage would delete or change 1 export(s) that sdxl-dev-Api import(s)" in refusal
    assert "1. deploy the stacks that import first: npx cdk deploy sdxl-dev/Api --exclusively; 2. deploy" in refusal


def test_an_export_that_a_leaving_stack_imports_is_dropped_after_that_stack() -> None:
    before = {"dev": {"Storage": exporting("a"), "Operations": IMPORTING}}
    after = {"dev": {"Storage": {"Resources": {}}}}

    (refusal,) = refused(before, after)

    assert "1. delete the stack that leaves: aws cloudformation delete-stack --stack-name sdxl-dev-Oper" in refusal


def test_an_export_of_a_replaced_resource_changes_under_its_importers() -> None:
    value = {"Ref": "Logs"}
    before = {"dev": {"Storage": exporting(value, Logs=LOGS), "Api": IMPORTING}}
    other = {**LOGS, "Properties": {"LogGroupName": "b"}}
    after = {"dev": {"Storage": exporting(value, Logs=other), "Api": IMPORTING}}

    assert any("would delete or change 1 export(s)" in refusal for refusal in refused(before, after))


def test_exports_that_stay_or_that_nobody_imports_are_free() -> None:
    stays = {"dev": {"Storage": exporting("a"), "Api": IMPORTING}}
    unused = {"dev": {"Storage": exporting("a"), "Api": FREE}}

    assert refused(stays, stays) == []
    assert refused(unused, {"dev": {"Storage": {"Resources": {}}, "Api": FREE}}) == []


def test_a_stack_that_leaves_stays_deployed_and_is_told_with_what_is_billed(tmp_path: Path) -> None:
    before = {"dev": {"Inference": {"Resources": {"Endpoint": ENDPOINT, "T": TARGET, "C": config("ml.g5.xlarge")}}}}
    after: dict[str, Any] = {"dev": {}}

    (refusal,) = refused(before, after)

    assert changes_between(before, after) == ()
    assert "sdxl-dev-Inference leaves the app and stays in the account with its 3 resources" in refusal
    assert "its endpoint goes on being billed" in refusal
    assert "delete-stack --stack-name sdxl-dev-Inference" in refusal
    assert allowed(refusals(before, after, ()), ["Inference"]) == ()


@pytest.mark.parametrize(
    ("stacks", "usd"),
    [
        (["Operations"], "4.70"),
        (["Inference"], "1,481.90"),
        (["Inference", "Operations"], "1,486.60"),
        (None, "1,497.73"),
    ],
    ids=["operations", "endpoint", "both", "everything"],
)
def test_what_is_left_behind_is_a_cost_on_top_of_its_own_size(
    tmp_path: Path, stacks: list[str] | None, usd: str
) -> None:
    folder = write_environments(tmp_path / "environments", "model: {source: open}\n")

    (cost,) = cost_changes(folder, folder, ["dev"], left={"dev": stacks})

    assert cost.is_change
    assert f"and {usd} on top, idle, for what is left behind" in cost.text()


def test_the_network_that_is_left_behind_costs_its_endpoints(tmp_path: Path) -> None:
    network = (
        "network: {vpc_id: vpc-0a1b2c3d, subnet_ids: [subnet-0a1b2c3d, subnet-1a1b2c3d], vpc_endpoints: create, "
        "route_table_ids: [rtb-0a1b2c3d]}\n"
    )
    before = write_environments(tmp_path / "a", f"model: {{source: open}}\n{network}")
    after = write_environments(tmp_path / "b", "model: {source: open}\n")

    (cost,) = cost_changes(before, after, ["dev"], left={"dev": ["Network"]})

    assert "and 29.20 on top" in cost.text()


def test_an_environment_without_its_file_costs_on_until_it_is_destroyed(tmp_path: Path) -> None:
    before = write_environments(tmp_path / "a", "model: {source: open}\n")
    (tmp_path / "b").mkdir()

    (cost,) = cost_changes(before, tmp_path / "b", ["dev"], left={"dev": None}, removed=["dev"])

    assert cost.text() == (
        "idle 1,497.73 -> 0.00 (-1,497.73); at max capacity at least 1,497.73 -> 0.00 (-1,497.73) USD a month; and "
        "1,497.73 on top, idle, for what is left behind, until it is deleted"
    )


def test_variants_change_in_an_unguarded_update_only() -> None:
    guarded = {**ENDPOINT, "Properties": {**ENDPOINT["Properties"], "DeploymentConfig": {}}}
    before = templates(C=config("ml.g5.xlarge"), E=guarded)

    (refusal,) = refused(before, templates(C=config("ml.g5.xlarge", variant="other"), E=guarded))

    assert "1. make this change with endpoint.update.traffic: unguarded and deploy" in refusal
    assert refused(before, templates(C=config("ml.g5.xlarge", variant="other"), E=ENDPOINT)) == []


def test_markdown_has_a_marker_and_folds_the_details(sides: list[str]) -> None:
    text = run(*sides, "--format", "markdown").stdout

    assert text.startswith("<!-- sdxl-diff -->\n### `sdxl diff`: 1 REFUSED")
    assert "> - **dev**: Api/Key (AWS::KMS::Key) would be removed" in text
    assert "<details><summary><b>dev</b>: 1 added, 1 removed</summary>" in text
    assert "| - | Api | Key (KMS::Key) | is removed |" in text


def test_json_is_whole(sides: list[str]) -> None:
    content = json.loads(run(*sides, "--format", "json").stdout)

    assert [item["allowed_by"] for item in content["refused"]] == [["Key", "AWS::KMS::Key"]]
    assert content["added_environments"] == ["new"]
    assert [item["direction"] for item in content["permissions"]] == ["wider"]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--from", "no-such-revision"], "There is no revision 'no-such-revision'"),
        (["--env", "production"], "--env production: neither revision has it. Environments are dev, new, old"),
        (["--from", "HEAD"], "given for the same side"),
        (["--allow-replacement", "Nothing"], "--allow-replacement Nothing: nothing of that name"),
        (["--format", "xml"], "text"),
    ],
)
def test_wrong_arguments_are_explained(arguments: list[str], told: str, sides: list[str]) -> None:
    result = run(*(arguments if "no-such-revision" in arguments else [*sides, *arguments]))

    assert result.exit_code == 2
    assert told in result.stderr


def test_a_folder_without_a_synthesized_app_is_explained(tmp_path: Path) -> None:
    result = run("--from-assembly", str(tmp_path), "--to-assembly", str(tmp_path))

    assert result.exit_code == 2
    assert "holds no synthesized app" in result.stderr


def test_a_folder_that_is_no_repository_is_explained(tmp_path: Path) -> None:
    from sdxl.diff.assemblies import default_base  # noqa: PLC0415 - only here

    with pytest.raises(UsageError, match="no git repository with a commit"):
        default_base(tmp_path)


def test_a_branch_is_compared_with_where_it_left_the_main_line(tmp_path: Path) -> None:
    from sdxl.diff.assemblies import checked_out, default_base  # noqa: PLC0415 - only here

    def git(*arguments: str) -> str:
        identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
        command = ["git", *identity, "-C", str(tmp_path), *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    git("init", "--quiet", "--initial-branch=main")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "--quiet", "-m", "one")
    base = git("rev-parse", "HEAD")
    git("checkout", "--quiet", "-b", "branch")
    (tmp_path / "a").write_text("2")
    git("commit", "--quiet", "-am", "two")

    assert default_base(tmp_path) == base
    with checked_out(base, tmp_path) as tree:
        assert (tree / "a").read_text() == "1"
    assert not tree.exists()
    assert len(git("worktree", "list").splitlines()) == 1


def test_the_project_may_be_in_a_folder_of_a_larger_repository(tmp_path: Path) -> None:
    from sdxl.diff.assemblies import checked_out, synthesize  # noqa: PLC0415 - only here

    project = tmp_path / "infra" / "sdxl"
    project.mkdir(parents=True)
    (project / "cdk.json").write_text("{}")
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "one"]):
        subprocess.run(["git", *identity, "-C", str(tmp_path), *arguments], check=True, capture_output=True)

    with checked_out("HEAD", project) as tree:
        assert (tree / "cdk.json").read_text() == "{}"
        assert tree.parts[-2:] == ("infra", "sdxl")
    with pytest.raises(UsageError, match="HEAD has no project"):
        synthesize(tmp_path, tmp_path / "out", name="HEAD")
