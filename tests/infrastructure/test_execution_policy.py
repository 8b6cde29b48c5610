"""The policies that CloudFormation deploys with: what templates need is allowed, and nothing leads to more."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from typing import Any

import pytest
from infrastructure_synthesis import (
    ACCOUNT,
    Synthesis,
    Template,
    access_environments,
    example_environments,
    make_environment,
    synthesize,
)

from emulator.iam.conditions import Context
from emulator.iam.evaluation import Caller, Decision, NamedPolicy, evaluate
from sdxl.checks.published import action_resources, handler_actions
from sdxl.errors import SdxlError
from sdxl.rollout.execution_policy import (
    ATTACHED_POLICIES,
    POLICY_CHARACTERS,
    POLICY_NAME,
    AccountPolicies,
    Deployment,
    account_policies,
    policy_size,
)
from sdxl.rollout.execution_scopes import UNUSED
from stacks.environment import Environment
from stacks.environment.organization import WORKLOAD_BOUNDARY

REGION = "us-east-1"
BOUNDARY = f"arn:aws:iam::{ACCOUNT}:policy/{WORKLOAD_BOUNDARY}"
OWN_ROLE = f"arn:aws:iam::{ACCOUNT}:role/sdxl-test-Api-ImageFunctionRole-1A2B3C"
BOOTSTRAP_ROLE = f"arn:aws:iam::{ACCOUNT}:role/cdk-hnb659fds-cfn-exec-role-{ACCOUNT}-{REGION}"
FOREIGN_KEY = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/8f1c2b9e-0000-4000-8000-000000000000"
ADMINISTRATOR = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
KNOWN_KEYS = (
    "apigateway:Resource/ApiName",
    "application-autoscaling:service-namespace",
    "aws:RequestTag/",
    "aws:ResourceTag/",
    "ec2:CreateAction",
    "iam:AWSServiceName",
    "iam:PassedToService",
    "iam:PermissionsBoundary",
    "iam:PolicyARN",
)


def deployment(environment: Environment, templates: dict[str, Template]) -> Deployment:
    return Deployment(
        account=environment.account,
        region=environment.region,
        partition="aws",
        stacks={f"sdxl-{environment.name}-{name}": template for name, template in templates.items()},
    )


def decide(
    policies: dict[str, Any], action: str, resource: str, keys: dict[str, str] | None = None, account: str = ACCOUNT
) -> Decision:
    caller = Caller(
        account=account,
        role_arn=f"arn:aws:iam::{account}:role/cdk-hnb659fds-cfn-exec-role-{account}-{REGION}",
        session_arn=f"arn:aws:sts::{account}:assumed-role/cdk-hnb659fds-cfn-exec-role/AWSCloudFormation",
        policies=tuple(NamedPolicy(name, json.dumps(document)) for name, document in policies.items()),
    )
    return evaluate(caller, action, resource, Context(keys or {}, absent=KNOWN_KEYS))


def deployments(examples: Synthesis, access: Synthesis) -> Iterator[tuple[Environment, Deployment]]:
    for environment in (*example_environments(), *access_environments()):
        synthesis = examples if environment.name in examples.templates else access
        yield environment, deployment(environment, dict(synthesis.templates[environment.name]))


class Resources:
    """Concrete ARNs of a stack's resources, as CloudFormation and AWS would name them."""

    def __init__(self, stack: str, template: Template, where: Deployment) -> None:
        self.stack, self.template = stack, template
        self.regional = f"{where.region}:{where.account}"
        self.account, self.region = where.account, where.region

    def arns(self, action: str, logical_id: str) -> list[str]:
        kind = self.template["Resources"][logical_id]["Type"]
        properties = self.template["Resources"][logical_id].get("Properties", {})
        service, _, call = action.partition(":")
        name = self.generated(logical_id, properties)
        if service in ("s3", "lambda", "iam", "ec2", "sagemaker"):
            found = getattr(self, f"of_{service}")(call, logical_id, name)
            return [found] if isinstance(found, str) else list(found)
        arns = {
            "apigateway": f"arn:aws:apigateway:{self.region}::{self.path(kind)}",
            "application-autoscaling": f"arn:aws:application-autoscaling:{self.regional}:scalable-target/0ec5a1b2",
            "billing": f"arn:aws:billing::{self.account}:billingview/primary",
            "budgets": f"arn:aws:budgets::{self.account}:budget/{self.stack}-CostBudget-AbC123",
            "chatbot": f"arn:aws:chatbot::{self.account}:chat-configuration/slack-channel/sdxl-operations-alarms",
            "cloudwatch": f"arn:aws:cloudwatch:{self.regional}:alarm:{name}",
            "cognito-idp": f"arn:aws:cognito-idp:{self.regional}:userpool/{self.region}_AbCdEf123",
            "dynamodb": f"arn:aws:dynamodb:{self.regional}:table/{name}",
            "kms": f"arn:aws:kms:{self.regional}:key/1234abcd-12ab-34cd-56ef-1234567890ab",
            "logs": f"arn:aws:logs:{self.regional}:log-group:{name}",
            "sns": f"arn:aws:sns:{self.regional}:{name}",
            "wafv2": f"arn:aws:wafv2:{self.regional}:regional/webacl/sdxl-waf/1234abcd",
        }
        if call in ("PutDashboard", "GetDashboard", "DeleteDashboards"):
            return [f"arn:aws:cloudwatch::{self.account}:dashboard/{name}"]
        if kind == "AWS::WAFv2::WebACLAssociation" and call not in ("GetWebACL", "PutPermissionPolicy"):
            return [f"arn:aws:apigateway:{self.region}::/restapis/abc123/stages/api"]
        return [arns[service]]

    def generated(self, logical_id: str, properties: dict[str, Any]) -> str:
        names = [value for key, value in properties.items() if key.endswith("Name")]
        given = next((name for name in names if isinstance(name, str)), next(iter(names), None))
        if isinstance(given, str):
            return given
        if isinstance(given, dict) and "Fn::Join" in given:
            return "".join(part if isinstance(part, str) else "abc123" for part in given["Fn::Join"][1])
        if isinstance(given, dict) and "Ref" in given:
            return self.generated(given["Ref"], self.template["Resources"][given["Ref"]].get("Properties", {}))
        return f"{self.stack}-{logical_id}"[:50] + "-1A2B3C4D5E6F"

    def of_s3(self, call: str, logical_id: str, name: str) -> str:
        if call in ("GetObject", "GetObjectVersion"):
            return f"arn:aws:s3:::cdk-hnb659fds-assets-{self.account}-{self.region}/0123abcd.zip"
        return f"arn:aws:s3:::{name.lower()}"

    def of_lambda(self, call: str, logical_id: str, name: str) -> str:
        if "LayerVersion" in call:
            layers = [name for name, one in self.template["Resources"].items() if one["Type"].endswith("LayerVersion")]
            return f"arn:aws:lambda:{self.regional}:layer:{layers[0]}:7"
        return f"arn:aws:lambda:{self.regional}:function:{self.stack}-ImageFunction3592DD2A-1A2B3C4D5E6F"

    def of_iam(self, call: str, logical_id: str, name: str) -> str:
        if call == "CreateServiceLinkedRole":
            return (
                f"arn:aws:iam::{self.account}:role/aws-service-role/wafv2.amazonaws.com/AWSServiceRoleForWAFV2Logging"
            )
        is_policy = any(each.name == "policy" for each in action_resources(f"iam:{call}") or ())
        return f"arn:aws:iam::{self.account}:{'policy' if is_policy else 'role'}/{name}"

    def of_ec2(self, call: str, logical_id: str, name: str) -> Iterator[str]:
        ids = {"security-group": "sg-0a", "vpc": "vpc-0a", "vpc-endpoint": "vpce-0a", "subnet": "subnet-0a"}
        for each in action_resources(f"ec2:{call}") or ():
            if each.name in ids and not call.endswith("Tags"):
                yield f"arn:aws:ec2:{self.regional}:{each.name}/{ids[each.name]}"
        if call.endswith("Tags"):
            yield f"arn:aws:ec2:{self.regional}:security-group/sg-0a"

    def of_sagemaker(self, call: str, logical_id: str, name: str) -> str:
        kind = {
            "AWS::SageMaker::Endpoint": "endpoint",
            "AWS::SageMaker::EndpointConfig": "endpoint-config",
            "AWS::SageMaker::InferenceComponent": "inference-component",
            "AWS::SageMaker::Model": "model",
        }[self.template["Resources"][logical_id]["Type"]]
        # SageMaker writes names in ARNs in small letters. A generated one is of the logical id alone.
        given = name if not name.endswith("-1A2B3C4D5E6F") else f"{logical_id}-1A2B3C4D5E6F"
        return f"arn:aws:sagemaker:{self.regional}:{kind}/{given.lower()}"

    def path(self, kind: str) -> str:
        paths = {
            "AWS::ApiGateway::Account": "/account",
            "AWS::ApiGateway::ApiKey": "/apikeys/abc123",
            "AWS::ApiGateway::BasePathMapping": "/domainnames/images.example.com/basepathmappings/api",
            "AWS::ApiGateway::DomainName": "/domainnames/images.example.com",
            "AWS::ApiGateway::UsagePlan": "/usageplans/abc123",
            "AWS::ApiGateway::UsagePlanKey": "/usageplans/abc123/keys/abc123",
        }
        return paths.get(kind, "/restapis/abc123/stages/api" if kind.startswith("AWS::WAF") else "/restapis/abc123")


SERVICE_LINKED = {
    "AWS::ApplicationAutoScaling::ScalableTarget": "sagemaker.application-autoscaling.amazonaws.com",
    "AWS::Chatbot::SlackChannelConfiguration": "management.chatbot.amazonaws.com",
    "AWS::WAFv2::LoggingConfiguration": "wafv2.amazonaws.com",
}
# Types whose templates pass a role, and to whom. Other handlers pass one only if they are given one.
PASSED_TO = {
    "AWS::ApiGateway::Account": "apigateway.amazonaws.com",
    "AWS::Budgets::BudgetsAction": "budgets.amazonaws.com",
    "AWS::Chatbot::SlackChannelConfiguration": "chatbot.amazonaws.com",
    "AWS::Lambda::Function": "lambda.amazonaws.com",
    "AWS::SageMaker::EndpointConfig": "sagemaker.amazonaws.com",
    "AWS::SageMaker::Model": "sagemaker.amazonaws.com",
}
# What handlers call only for properties that no template has.
OTHER_PROPERTIES = {
    ("AWS::Cognito::UserPoolClient", "iam:PutRolePolicy"),
    ("AWS::Cognito::UserPoolClient", "iam:DeleteRolePolicy"),
    # The log of an import.
    *(
        ("AWS::DynamoDB::Table", f"logs:{call}")
        for call in ("CreateLogGroup", "DescribeLogStreams", "PutRetentionPolicy")
    ),
    ("AWS::ApplicationAutoScaling::ScalableTarget", "lambda:PutProvisionedConcurrencyConfig"),
    ("AWS::ApplicationAutoScaling::ScalableTarget", "lambda:GetProvisionedConcurrencyConfig"),
    ("AWS::ApplicationAutoScaling::ScalableTarget", "lambda:DeleteProvisionedConcurrencyConfig"),
}


def needed_actions(kind: str, region: str) -> Iterator[str]:
    for action in sorted(handler_actions(kind, region)):
        is_optional = (
            (kind, action) in OTHER_PROPERTIES
            or (action == "iam:PassRole" and kind not in PASSED_TO)
            or (action == "iam:CreateServiceLinkedRole" and kind not in SERVICE_LINKED)
            or any(fnmatch.fnmatchcase(action, pattern) for pattern in UNUSED)
        )
        if action_resources(action) is not None and not is_optional:
            yield action


def needed_calls(where: Deployment) -> Iterator[tuple[str, str, str]]:
    """Type, action and resource of each call that CloudFormation makes for a deployment."""
    for stack, template in where.stacks.items():
        resources = Resources(stack, template, where)
        for logical_id, resource in template["Resources"].items():
            for action in needed_actions(resource["Type"], where.region):
                for arn in resources.arns(action, logical_id) if action_resources(action) else ["*"]:
                    yield resource["Type"], action, arn


def test_everything_that_the_templates_need_is_allowed(examples: Synthesis, access: Synthesis) -> None:
    checked, refused = set(), []
    for environment, where in deployments(examples, access):
        policies = dict(account_policies([where]).execution)
        keys = {
            "aws:ResourceTag/sdxl:environment": environment.name,
            "aws:RequestTag/sdxl:environment": environment.name,
            "apigateway:Resource/ApiName": f"sdxl-{environment.name}",
            "application-autoscaling:service-namespace": "sagemaker",
            "iam:PermissionsBoundary": f"arn:aws:iam::{environment.account}:policy/{WORKLOAD_BOUNDARY}",
            "iam:PolicyARN": f"arn:aws:iam::{environment.account}:policy/sdxl-test-Api-Permissions-1A2B",
        }
        for kind, action, arn in sorted(set(needed_calls(where))):
            services = {
                "iam:PassedToService": PASSED_TO.get(kind, ""),
                "iam:AWSServiceName": SERVICE_LINKED.get(kind, ""),
            }
            decision = decide(policies, action, arn, {**keys, **services}, environment.account)
            checked.add((kind, action))
            if not decision.allowed:
                refused.append((environment.name, kind, action, arn, decision.reason))

    assert refused == []
    assert len(checked) > 300


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> AccountPolicies:
    """The policies of an account with a model, a VPC, alarms and a firewall."""
    environment = make_environment(
        model={"source": "open"},
        operations={},
        network={
            "vpc_id": "vpc-0123456789abcdef0",
            "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
            "vpc_endpoints": "create",
            "route_table_ids": ["rtb-0123456789abcdef0"],
            "prefix_list_ids": ["pl-0123456789abcdef0"],
        },
    )
    directory = tmp_path_factory.mktemp("execution") / "cdk.out"
    return account_policies([deployment(environment, dict(synthesize(directory, environment).templates["test"]))])


BOUNDED = {"iam:PermissionsBoundary": BOUNDARY}
ESCALATIONS: dict[str, tuple[str, str, dict[str, str]]] = {
    "attach AdministratorAccess to a role of ours": (
        "iam:AttachRolePolicy",
        OWN_ROLE,
        {**BOUNDED, "iam:PolicyARN": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "attach the execution policy to a role of ours": (
        "iam:AttachRolePolicy",
        OWN_ROLE,
        {**BOUNDED, "iam:PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/{POLICY_NAME}-1"},
    ),
    "make a role without a boundary": ("iam:CreateRole", OWN_ROLE, {}),
    "make a role with another boundary": (
        "iam:CreateRole",
        OWN_ROLE,
        {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "make a role of another name": ("iam:CreateRole", f"arn:aws:iam::{ACCOUNT}:role/admin", BOUNDED),
    "take a boundary away": ("iam:DeleteRolePermissionsBoundary", OWN_ROLE, BOUNDED),
    "change a boundary": (
        "iam:PutRolePermissionsBoundary",
        OWN_ROLE,
        {"iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess"},
    ),
    "put a policy on a role without a boundary": ("iam:PutRolePolicy", OWN_ROLE, {}),
    "put a policy on a bootstrap role": ("iam:PutRolePolicy", BOOTSTRAP_ROLE, BOUNDED),
    "attach a policy to a bootstrap role": (
        "iam:AttachRolePolicy",
        BOOTSTRAP_ROLE,
        {**BOUNDED, "iam:PolicyARN": f"arn:aws:iam::{ACCOUNT}:policy/sdxl-admin"},
    ),
    "trust somebody else with a bootstrap role": ("iam:UpdateAssumeRolePolicy", BOOTSTRAP_ROLE, {}),
    "pass a bootstrap role": ("iam:PassRole", BOOTSTRAP_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}),
    "pass a role of ours to EC2": ("iam:PassRole", OWN_ROLE, {"iam:PassedToService": "ec2.amazonaws.com"}),
    "pass a role of ours to CloudFormation": (
        "iam:PassRole",
        OWN_ROLE,
        {"iam:PassedToService": "cloudformation.amazonaws.com"},
    ),
    "widen the boundary": ("iam:CreatePolicyVersion", BOUNDARY, {}),
    "delete the boundary": ("iam:DeletePolicy", BOUNDARY, {}),
    "widen the execution policy": (
        "iam:CreatePolicyVersion",
        f"arn:aws:iam::{ACCOUNT}:policy/{POLICY_NAME}-1",
        {},
    ),
    "return to an older execution policy": (
        "iam:SetDefaultPolicyVersion",
        f"arn:aws:iam::{ACCOUNT}:policy/{POLICY_NAME}-2",
        {},
    ),
    "make a policy of another name": ("iam:CreatePolicy", f"arn:aws:iam::{ACCOUNT}:policy/admin", {}),
    "make a user": ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/sdxl-admin", BOUNDED),
    "make an access key": ("iam:CreateAccessKey", f"arn:aws:iam::{ACCOUNT}:user/admin", {}),
    "make a service's role for another service": (
        "iam:CreateServiceLinkedRole",
        f"arn:aws:iam::{ACCOUNT}:role/aws-service-role/organizations.amazonaws.com/AWSServiceRoleForOrganizations",
        {"iam:AWSServiceName": "organizations.amazonaws.com"},
    ),
    "change the policy of a foreign key": ("kms:PutKeyPolicy", FOREIGN_KEY, {}),
    "decrypt with a foreign key": ("kms:Decrypt", FOREIGN_KEY, {}),
    "delete a foreign key": ("kms:ScheduleKeyDeletion", FOREIGN_KEY, {"aws:ResourceTag/team": "payments"}),
    "read a foreign bucket": ("s3:GetObject", "arn:aws:s3:::payments/2026.csv", {}),
    "open a foreign bucket": ("s3:PutBucketPolicy", "arn:aws:s3:::payments", {}),
    "read what callers stored": ("dynamodb:GetItem", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/sdxl-test-x", {}),
    "change a foreign function": (
        "lambda:UpdateFunctionCode",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:payments",
        {},
    ),
    "let others call a foreign function": (
        "lambda:AddPermission",
        f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:payments",
        {},
    ),
    "delete a foreign table": ("dynamodb:DeleteTable", f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/payments", {}),
    "delete a foreign API": (
        "apigateway:DELETE",
        f"arn:aws:apigateway:{REGION}::/restapis/abc123",
        {"apigateway:Resource/ApiName": "payments"},
    ),
    "open a foreign security group": (
        "ec2:AuthorizeSecurityGroupIngress",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0a1b2c3d",
        {},
    ),
    "take a foreign security group over by its tag": (
        "ec2:CreateTags",
        f"arn:aws:ec2:{REGION}:{ACCOUNT}:security-group/sg-0a1b2c3d",
        {"aws:RequestTag/sdxl:environment": "dev"},
    ),
    "scale what is not SageMaker's": (
        "application-autoscaling:RegisterScalableTarget",
        f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/0ec5a1b2",
        {"application-autoscaling:service-namespace": "dynamodb"},
    ),
    "assume another role": ("sts:AssumeRole", f"arn:aws:iam::{ACCOUNT}:role/OrganizationAccountAccessRole", {}),
    "act in another region": ("lambda:CreateFunction", f"arn:aws:lambda:eu-west-1:{ACCOUNT}:function:sdxl-x", {}),
}


@pytest.mark.parametrize("escalation", ESCALATIONS)
def test_nothing_leads_to_more(made: AccountPolicies, escalation: str) -> None:
    assert not decide(dict(made.execution), *ESCALATIONS[escalation]).allowed


@pytest.mark.parametrize(
    "escalation",
    [
        "make a role without a boundary",
        "take a boundary away",
        "change a boundary",
        "put a policy on a bootstrap role",
        "trust somebody else with a bootstrap role",
        "pass a bootstrap role",
        "widen the boundary",
        "widen the execution policy",
        "return to an older execution policy",
        "make a user",
        "delete a foreign API",
    ],
)
def test_guards_hold_beside_a_policy_that_allows_everything(made: AccountPolicies, escalation: str) -> None:
    assert not decide({**made.execution, "administrator": ADMINISTRATOR}, *ESCALATIONS[escalation]).allowed


@pytest.mark.parametrize(
    ("action", "resource", "keys", "allowed"),
    [
        ("s3:PutObject", "arn:aws:s3:::sdxl-test-storage-images-1a2b/images/1.png", {}, True),
        (
            "sagemaker:InvokeEndpoint",
            f"arn:aws:sagemaker:{REGION}:{ACCOUNT}:endpoint/sdxl-test",
            {},
            True,
        ),
        ("kms:Decrypt", FOREIGN_KEY, {"aws:ResourceTag/sdxl:environment": "test"}, True),
        ("kms:Decrypt", FOREIGN_KEY, {}, False),
        ("s3:GetObject", "arn:aws:s3:::payments/2026.csv", {}, False),
        ("iam:CreateUser", f"arn:aws:iam::{ACCOUNT}:user/x", {}, False),
        ("iam:PassRole", BOOTSTRAP_ROLE, {"iam:PassedToService": "lambda.amazonaws.com"}, False),
        ("sts:AssumeRole", BOOTSTRAP_ROLE, {}, False),
        ("lambda:UpdateFunctionCode", f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:payments", {}, False),
    ],
)
def test_role_with_every_permission_does_what_the_boundary_lets_it(
    made: AccountPolicies, action: str, resource: str, keys: dict[str, str], allowed: bool
) -> None:
    caller = Caller(
        account=ACCOUNT,
        role_arn=OWN_ROLE,
        session_arn=f"arn:aws:sts::{ACCOUNT}:assumed-role/sdxl-test/session",
        policies=(NamedPolicy("administrator", json.dumps(ADMINISTRATOR)),),
        boundary=NamedPolicy("boundary", json.dumps(made.boundary)),
    )

    assert evaluate(caller, action, resource, Context(keys, absent=KNOWN_KEYS)).allowed is allowed


def test_policies_fit_for_every_account(examples: Synthesis, access: Synthesis) -> None:
    accounts: dict[str, list[Deployment]] = {}
    for environment, where in deployments(examples, access):
        accounts.setdefault(environment.account, []).append(where)

    assert any(len(each) > 10 for each in accounts.values())
    for each in accounts.values():
        policies = account_policies(each)
        assert len(policies.execution) <= ATTACHED_POLICIES
        assert all(policy_size(document) <= POLICY_CHARACTERS for document in policies.documents.values())
        assert not any(name.startswith("sdxl-") for name in policies.documents)


def test_no_action_is_a_wildcard(made: AccountPolicies) -> None:
    actions = [action for one in made.documents.values() for each in one["Statement"] for action in each["Action"]]

    assert len(actions) > 200
    assert [action for action in actions if "*" in action] == []


def test_boundary_of_the_organization_is_demanded_and_not_made() -> None:
    role = {"Type": "AWS::IAM::Role", "Properties": {"AssumeRolePolicyDocument": {"Statement": []}}}
    where = Deployment(
        account=ACCOUNT, region=REGION, partition="aws", stacks={"sdxl-test-Api": {"Resources": {"Role": role}}}
    )
    made = account_policies([where], "boundaries/workload")
    named = {"iam:PermissionsBoundary": f"arn:aws:iam::{ACCOUNT}:policy/boundaries/workload"}

    assert made.boundary is None
    assert decide(dict(made.execution), "iam:CreateRole", OWN_ROLE, named).allowed
    assert not decide(dict(made.execution), "iam:CreateRole", OWN_ROLE, BOUNDED).allowed


def test_own_key_may_be_used_and_not_changed() -> None:
    function = {"Type": "AWS::Lambda::Function", "Properties": {"KmsKeyArn": FOREIGN_KEY}}
    where = Deployment(
        account=ACCOUNT, region=REGION, partition="aws", stacks={"sdxl-test-Api": {"Resources": {"F": function}}}
    )
    execution = dict(account_policies([where]).execution)

    assert decide(execution, "kms:CreateGrant", FOREIGN_KEY).allowed
    assert not decide(execution, "kms:PutKeyPolicy", FOREIGN_KEY).allowed
    assert not decide(execution, "kms:CreateGrant", FOREIGN_KEY.replace("8f1c", "0000")).allowed


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("AWS::SecretsManager::Secret", "secretsmanager"),
        ("AWS::CodeBuild::Project", "handlers"),
        ("Custom::Thing", "has no resource"),
    ],
)
def test_type_that_nobody_thought_of_is_an_error(kind: str, message: str) -> None:
    where = Deployment(
        account=ACCOUNT, region=REGION, partition="aws", stacks={"sdxl-test-Api": {"Resources": {"X": {"Type": kind}}}}
    )

    with pytest.raises(SdxlError, match=message):
        account_policies([where])
