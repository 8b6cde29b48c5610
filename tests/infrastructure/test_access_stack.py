"""The access stack of an account: its policies, whom the rollout's role trusts, and that it leads to nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from infrastructure_synthesis import Template, make_app, make_layer, no_network, resources, the
from test_rule_packs import Acknowledgments, findings
from test_template_linters import run_checkov

from emulator.iam.conditions import Context
from emulator.iam.documents import Kind, parse_policy
from emulator.iam.evaluation import Caller, NamedPolicy, evaluate
from sdxl.checks.iam_lint import lint_policies
from sdxl.checks.published import action_resources
from sdxl.errors import SdxlError
from sdxl.rollout import account_access
from sdxl.rollout.access import add_access
from sdxl.rollout.account_access import region_of_access, rollout_policies
from stacks.access_stack import AccessStack, RolloutRole
from stacks.environment import load_environments
from stacks.environment.pipeline import load_pipeline

TOOLING, OTHER = "210987654321", "321098765432"
ROLE = f"arn:aws:iam::{TOOLING}:role/sdxl-rollout"
ENVIRONMENTS = {
    # In the tooling account itself, as of a team with one account.
    "dev": f'account: "{TOOLING}"\nregion: us-east-1\nmodel: {{source: open}}\n',
    "prod": f'account: "{OTHER}"\nregion: eu-west-1\nmodel: {{source: open}}\n',
}
PIPELINE = f"""\
account: "{TOOLING}"
region: us-east-1
source:
  repository: example/sdxl
  branch: release
  connection_arn: arn:aws:codeconnections:us-east-1:{TOOLING}:connection/12345678-1234-1234-1234-123456789012
rings:
  - {{name: first, environments: [dev]}}
  - {{name: last, environments: [prod], approval: manual}}
"""
CREATE = "github: {identity_provider: create}\n"

Templates = dict[str, Template]


def folder_of(directory: Path, pipeline: str | None, organization: str = "") -> Path:
    folder = directory / "environments"
    folder.mkdir()
    for name, text in ENVIRONMENTS.items():
        (folder / f"{name}.yaml").write_text(text)
    if pipeline is not None:
        (folder / "pipeline.yaml").write_text(pipeline)
    if organization:
        (folder / "organization.yaml").write_text(organization)
    return folder


def access_app(directory: Path, pipeline: str | None, organization: str = "") -> cdk.App:
    app = make_app(directory / "cdk.out")
    add_access(app, folder_of(directory, pipeline, organization), make_layer(directory), make_layer(directory))
    return app


def synthesize(directory: Path, pipeline: str | None, organization: str = "") -> Templates:
    with no_network():
        access_app(directory, pipeline, organization).synth()
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in (directory / "cdk.out").glob("*.template.json")
    }


@pytest.fixture(scope="module")
def assembly(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("access")
    synthesize(directory, PIPELINE + CREATE)
    return directory / "cdk.out"


@pytest.fixture(scope="module")
def templates(assembly: Path) -> Templates:
    return {
        path.name.removesuffix(".template.json"): json.loads(path.read_text())
        for path in assembly.glob("*.template.json")
    }


@pytest.fixture(scope="module")
def tooling(templates: Templates) -> Template:
    return templates[f"sdxl-access-{TOOLING}"]


def policies(template: Template, prefix: str = "") -> dict[str, Any]:
    """The managed policies of a template by name."""
    found = [resource["Properties"] for resource in resources(template, "AWS::IAM::ManagedPolicy").values()]
    return {
        one["ManagedPolicyName"]: one["PolicyDocument"] for one in found if one["ManagedPolicyName"].startswith(prefix)
    }


def test_each_account_has_one_stack_and_the_rollouts_role_is_in_one(templates: Templates) -> None:
    assert set(templates) == {f"sdxl-access-{TOOLING}", f"sdxl-access-{OTHER}"}
    other = policies(templates[f"sdxl-access-{OTHER}"])
    assert list(other) == [
        "workload-boundary-sdxl",
        "cloudformation-execution-sdxl-1",
        "cloudformation-execution-sdxl-2",
    ]
    assert resources(templates[f"sdxl-access-{OTHER}"], "AWS::IAM::Role") == {}
    assert list(policies(templates[f"sdxl-access-{TOOLING}"])) == [*other, "rollout-sdxl-1"]


def test_stack_is_deployed_before_any_bootstrap(assembly: Path, templates: Templates) -> None:
    artifacts = json.loads((assembly / "manifest.json").read_text())["artifacts"]
    stacks = {name: item for name, item in artifacts.items() if item["type"] == "aws:cloudformation:stack"}

    assert set(stacks) == set(templates)
    assert {item["properties"]["stackName"] for item in stacks.values()} == {"sdxl-access"}
    assert stacks[f"sdxl-access-{OTHER}"]["environment"] == f"aws://{OTHER}/eu-west-1"
    for name, item in stacks.items():
        # No role, no bucket and no version of a bootstrap. It cannot be deleted by mistake.
        assert set(item["properties"]) == {"templateFile", "terminationProtection", "validateOnSynth", "stackName"}
        assert item["properties"]["terminationProtection"] is True
        assert "BootstrapVersion" not in json.dumps(templates[name])
        # The CDK CLI uploads larger templates to the bootstrap's bucket, which is not there yet.
        assert len(json.dumps(templates[name], indent=2)) < 50 * 1024


def test_role_trusts_the_rings_of_the_repository_on_its_branch_alone(tooling: Template) -> None:
    role = the(tooling, "AWS::IAM::Role")

    assert role["RoleName"] == "sdxl-rollout"
    assert role["MaxSessionDuration"] == 4 * 3600
    assert role["AssumeRolePolicyDocument"]["Statement"] == [
        {
            "Action": "sts:AssumeRoleWithWebIdentity",
            "Effect": "Allow",
            "Principal": {"Federated": {"Ref": "GitHubProvider"}},
            "Condition": {
                "StringEquals": {
                    "token.actions.githubusercontent.com:aud": "sts.amazonaws.com",
                    "token.actions.githubusercontent.com:sub": [
                        "repo:example/sdxl:environment:first",
                        "repo:example/sdxl:environment:last",
                    ],
                    "token.actions.githubusercontent.com:ref": "refs/heads/release",
                }
            },
        }
    ]


CLAIMS = {
    "aud": "sts.amazonaws.com",
    "sub": "repo:example/sdxl:environment:last",
    "ref": "refs/heads/release",
}


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("sub", "repo:example/sdxl:environment:other"),
        ("sub", "repo:example/sdxl:environment:first2"),
        ("sub", "repo:example/sdxl:ref:refs/heads/release"),
        ("sub", "repo:example/sdxl:pull_request"),
        ("sub", "repo:example/sdxl2:environment:last"),
        ("sub", "repo:elsewhere/sdxl:environment:last"),
        ("sub", "repo:Example/sdxl:environment:last"),
        # A repository of the same name, made anew: its tokens have numbers.
        ("sub", "repo:example@1/sdxl@2:environment:last"),
        ("ref", "refs/heads/feature"),
        ("ref", "refs/tags/release"),
        ("ref", ""),
        ("aud", "https://github.com/example"),
    ],
)
def test_no_other_token_is_trusted(tooling: Template, claim: str, value: str) -> None:
    assert is_trusted(tooling, CLAIMS)
    assert not is_trusted(tooling, {**CLAIMS, claim: value})


def is_trusted(template: Template, claims: dict[str, str]) -> bool:
    document = json.dumps(the(template, "AWS::IAM::Role")["AssumeRolePolicyDocument"])
    # Who may be named is a reference, and there is one provider.
    document = document.replace('{"Ref": "GitHubProvider"}', '"provider"')
    context = Context({f"token.actions.githubusercontent.com:{name}": value for name, value in claims.items()})
    return any(
        statement.speaks_of("sts:AssumeRoleWithWebIdentity", ROLE, context)
        for statement in parse_policy(document, Kind.TRUST)
    )


def test_numbers_of_owner_and_repository_are_in_the_subjects(tmp_path: Path) -> None:
    pipeline = PIPELINE + "github: {identity_provider: create, owner_id: 123456, repository_id: 456789}\n"
    template = synthesize(tmp_path, pipeline)[f"sdxl-access-{TOOLING}"]

    assert is_trusted(template, {**CLAIMS, "sub": "repo:example@123456/sdxl@456789:environment:last"})
    assert not is_trusted(template, CLAIMS)


def test_existing_provider_is_used_and_a_new_one_outlives_the_stack(tooling: Template, tmp_path: Path) -> None:
    provider = resources(tooling, "AWS::IAM::OIDCProvider")["GitHubProvider"]
    assert provider["Properties"] == {
        "Url": "https://token.actions.githubusercontent.com",
        "ClientIdList": ["sts.amazonaws.com"],
    }
    # So `create` can become `existing` later, and other repositories keep their access.
    assert (provider["DeletionPolicy"], provider["UpdateReplacePolicy"]) == ("RetainExceptOnCreate", "Retain")

    template = synthesize(tmp_path, PIPELINE + "github: {identity_provider: existing}\n")[f"sdxl-access-{TOOLING}"]

    assert resources(template, "AWS::IAM::OIDCProvider") == {}
    (statement,) = the(template, "AWS::IAM::Role")["AssumeRolePolicyDocument"]["Statement"]
    arn = f"arn:aws:iam::{TOOLING}:oidc-provider/token.actions.githubusercontent.com"
    assert statement["Principal"] == {"Federated": arn}


@pytest.mark.parametrize("pipeline", [None, PIPELINE])
def test_nobody_trusts_github_unless_the_file_says_so(pipeline: str | None, tmp_path: Path) -> None:
    found = synthesize(tmp_path, pipeline)

    assert set(found) == {f"sdxl-access-{TOOLING}", f"sdxl-access-{OTHER}"}
    for template in found.values():
        assert resources(template, "AWS::IAM::Role") == resources(template, "AWS::IAM::OIDCProvider") == {}
        assert len(policies(template, "cloudformation-execution-sdxl-")) == 2


def test_role_assumes_three_roles_of_each_account_and_does_nothing_else(tooling: Template) -> None:
    places = ((TOOLING, "us-east-1"), (OTHER, "eu-west-1"))

    assert policies(tooling, "rollout-sdxl-") == {
        "rollout-sdxl-1": {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": ["sts:AssumeRole"],
                    "Resource": [
                        f"arn:aws:iam::{account}:role/cdk-hnb659fds-{kind}-role-{account}-{region}"
                        for kind in ("deploy", "file-publishing", "lookup")
                    ],
                }
                for account, region in places
            ],
        }
    }
    assert the(tooling, "AWS::IAM::Role")["ManagedPolicyArns"] == [{"Ref": "RolloutPolicy1"}]
    assert resources(tooling, "AWS::IAM::Policy") == {}


def rollout(tooling: Template, action: str, resource: str, keys: dict[str, str] | None = None) -> bool:
    """Whether the rollout's role may do something, by the project's IAM engine."""
    caller = Caller(
        account=TOOLING,
        role_arn=ROLE,
        session_arn=f"arn:aws:sts::{TOOLING}:assumed-role/sdxl-rollout/GitHubActions",
        policies=tuple(
            NamedPolicy(name, json.dumps(document)) for name, document in policies(tooling, "rollout-sdxl-").items()
        ),
    )
    return evaluate(caller, action, resource, Context(keys or {})).allowed


@pytest.mark.parametrize("kind", ["deploy", "file-publishing", "lookup"])
def test_role_assumes_what_a_rollout_needs(tooling: Template, kind: str) -> None:
    assert rollout(tooling, "sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/cdk-hnb659fds-{kind}-role-{OTHER}-eu-west-1")


BOOTSTRAP = f"arn:aws:iam::{OTHER}:role/cdk-hnb659fds"
ESCALATIONS = {
    "CloudFormation's role": ("sts:AssumeRole", f"{BOOTSTRAP}-cfn-exec-role-{OTHER}-eu-west-1"),
    "another region": ("sts:AssumeRole", f"{BOOTSTRAP}-deploy-role-{OTHER}-us-east-1"),
    "an account that no ring has": (
        "sts:AssumeRole",
        "arn:aws:iam::987654321098:role/cdk-hnb659fds-deploy-role-987654321098-us-east-1",
    ),
    "another bootstrap": ("sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/cdk-other-deploy-role-{OTHER}-eu-west-1"),
    "an administrator": ("sts:AssumeRole", f"arn:aws:iam::{OTHER}:role/OrganizationAccountAccessRole"),
    "itself": ("sts:AssumeRole", ROLE),
    "more permissions": ("iam:AttachRolePolicy", ROLE),
    "another trust": ("iam:UpdateAssumeRolePolicy", ROLE),
    "another policy": ("iam:CreatePolicyVersion", f"arn:aws:iam::{TOOLING}:policy/rollout-sdxl-1"),
    "another provider": ("iam:CreateOpenIDConnectProvider", f"arn:aws:iam::{TOOLING}:oidc-provider/example.com"),
    "a service's role": ("iam:PassRole", f"{BOOTSTRAP}-cfn-exec-role-{OTHER}-eu-west-1"),
    "stacks": ("cloudformation:UpdateStack", f"arn:aws:cloudformation:us-east-1:{TOOLING}:stack/sdxl-access/1"),
    "API keys": ("apigateway:GET", "arn:aws:apigateway:us-east-1::/apikeys/abc123"),
    "a user": ("sts:GetFederationToken", f"arn:aws:sts::{TOOLING}:federated-user/x"),
}


@pytest.mark.parametrize("escalation", ESCALATIONS)
def test_role_reaches_nothing_else(tooling: Template, escalation: str) -> None:
    action, resource = ESCALATIONS[escalation]

    assert action_resources(action) is not None, "the action exists"
    assert not rollout(tooling, action, resource)


CHANGES = {
    "iam:AttachRolePolicy": ROLE,
    "iam:CreatePolicyVersion": f"arn:aws:iam::{TOOLING}:policy/rollout-sdxl-1",
    "iam:DeleteRole": ROLE,
    "iam:PassRole": ROLE,
    "iam:PutRolePolicy": ROLE,
    "iam:UpdateAssumeRolePolicy": ROLE,
    "iam:UpdateRole": ROLE,
}


@pytest.mark.parametrize("action", CHANGES)
def test_what_deploys_the_tooling_accounts_environments_cannot_change_the_role(tooling: Template, action: str) -> None:
    """The role's name begins as those of the stacks' roles, which CloudFormation may change."""
    administrator = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
    execution = policies(tooling, "cloudformation-execution-sdxl-")
    keys = {
        "iam:PermissionsBoundary": f"arn:aws:iam::{TOOLING}:policy/workload-boundary-sdxl",
        "iam:PolicyARN": f"arn:aws:iam::{TOOLING}:policy/sdxl-x",
        "iam:PassedToService": "lambda.amazonaws.com",
    }
    caller = Caller(
        account=TOOLING,
        role_arn=f"arn:aws:iam::{TOOLING}:role/cdk-hnb659fds-cfn-exec-role-{TOOLING}-us-east-1",
        session_arn=f"arn:aws:sts::{TOOLING}:assumed-role/cdk-hnb659fds-cfn-exec-role/AWSCloudFormation",
        policies=tuple(
            NamedPolicy(name, json.dumps(document))
            for name, document in {**execution, "administrator": administrator}.items()
        ),
    )
    context = Context(keys, absent=("aws:", "iam:", "ec2:", "apigateway:", "application-autoscaling:"))

    assert not evaluate(caller, action, CHANGES[action], context).allowed
    # The same calls on a role of a stack are allowed, so that the role alone makes the difference.
    own = CHANGES[action].replace("sdxl-rollout", "sdxl-dev-Api-Role").replace("rollout-sdxl-1", "sdxl-dev-Api")
    assert evaluate(caller, action, own, context).allowed


def test_only_one_account_guards_the_role(templates: Templates) -> None:
    assert "role/sdxl-rollout" not in json.dumps(templates[f"sdxl-access-{OTHER}"])


def test_boundary_of_the_organization_bounds_the_role_and_is_not_made(tmp_path: Path) -> None:
    found = synthesize(tmp_path, PIPELINE + CREATE, "permissions_boundary: platform/workload\n")

    role = the(found[f"sdxl-access-{TOOLING}"], "AWS::IAM::Role")
    assert role["PermissionsBoundary"].endswith(f"::{TOOLING}:policy/platform/workload")
    assert all("workload-boundary-sdxl" not in policies(template) for template in found.values())


def test_boundary_of_the_stacks_roles_is_made_and_does_not_bound_the_rollout(tmp_path: Path) -> None:
    found = synthesize(tmp_path, PIPELINE + CREATE, "permissions_boundary: workload-boundary-sdxl\n")

    assert "PermissionsBoundary" not in the(found[f"sdxl-access-{TOOLING}"], "AWS::IAM::Role")
    assert all("workload-boundary-sdxl" in policies(template) for template in found.values())


UNNAMED = {"cloudwatch:DescribeAlarms": "CloudFormation lists all alarms before it finds the one"}


def test_every_policy_does_what_it_says(templates: Templates) -> None:
    for account in (TOOLING, OTHER):
        stacks = {"sdxl-access": templates[f"sdxl-access-{account}"]}
        assert lint_policies(stacks, account=account, region="us-east-1", unnamed=UNNAMED) == []


def test_rule_packs_find_nothing_that_is_not_acknowledged_and_no_reason_is_idle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = access_app(tmp_path, PIPELINE + CREATE)
    assert list(findings(app)) == []

    recorded = Acknowledgments()
    monkeypatch.setattr(cdk, "Validations", recorded)
    (tmp_path / "second").mkdir()
    found = list(findings(access_app(tmp_path / "second", PIPELINE + CREATE)))

    here = {(path, rule): reason for (path, rule), reason in recorded.found.items() if path.startswith("sdxl-access-")}
    assert set(here) == set(found)
    assert len(found) > 20
    assert all(len(reason) > 30 for reason in here.values())


def test_linters_find_nothing(assembly: Path, tmp_path: Path) -> None:
    paths = sorted(assembly.glob("*.template.json"))
    program = str(Path(sys.executable).with_name("cfn-lint"))
    regions = ["--regions", "us-east-1", "eu-west-1", "--"]
    done = subprocess.run([program, *regions, *map(str, paths)], capture_output=True, text=True, check=False)
    for path in paths:
        (tmp_path / path.name).write_text(path.read_text())

    assert (done.returncode, done.stdout) == (0, "")
    assert run_checkov(tmp_path, at_least=20) == []


def test_stack_is_in_the_pipelines_region_where_the_account_uses_it(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, PIPELINE)
    environments, pipeline = load_environments(folder), load_pipeline(folder / "pipeline.yaml")[0]

    assert region_of_access(TOOLING, environments, pipeline) == "us-east-1"
    assert region_of_access(OTHER, environments, pipeline) == "eu-west-1"
    assert region_of_access(TOOLING, environments, pipeline.model_copy(update={"region": "us-west-2"})) == "us-west-2"
    assert region_of_access(TOOLING, environments, None) == "us-east-1"


@pytest.mark.parametrize(
    ("region", "partition", "claims"),
    [("us-gov-west-1", "aws-us-gov", ["aud", "sub"]), ("us-east-1", "aws", ["aud", "sub", "ref"])],
)
def test_branch_is_compared_where_iam_knows_the_claim(
    tmp_path: Path, region: str, partition: str, claims: list[str]
) -> None:
    app = make_app(tmp_path / "cdk.out")
    AccessStack(
        app,
        "sdxl-access",
        account=TOOLING,
        region=region,
        execution_policies={},
        workload_boundary=None,
        rollout_role=RolloutRole(
            name="rolls-out",
            policies={},
            subjects=("repo:example/sdxl:environment:prod",),
            branch="main",
            provider_is_made=False,
        ),
    )
    app.synth()
    role = the(json.loads((tmp_path / "cdk.out" / "sdxl-access.template.json").read_text()), "AWS::IAM::Role")

    (statement,) = role["AssumeRolePolicyDocument"]["Statement"]
    arn = f"arn:{partition}:iam::{TOOLING}:oidc-provider/token.actions.githubusercontent.com"
    assert statement["Principal"] == {"Federated": arn}
    compared = statement["Condition"]["StringEquals"]
    assert [name.rpartition(":")[2] for name in compared] == claims


def test_more_accounts_than_a_role_holds_are_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = folder_of(tmp_path, PIPELINE)
    pipeline, environments = load_pipeline(folder / "pipeline.yaml")
    monkeypatch.setattr(account_access, "ATTACHED_POLICIES", 0)

    with pytest.raises(SdxlError, match="needs 1 managed policies for 2 accounts and regions, and a role has 0"):
        rollout_policies(pipeline, environments)
