"""`sdxl preflight`: credentials, the CDK's bootstrap, and permissions that are missing."""

import json
import re
from pathlib import Path

import pytest
from botocore.exceptions import EndpointConnectionError, NoCredentialsError
from preflight_fakes import (
    ACCOUNT,
    SCALING,
    FakeAws,
    answer,
    assert_found,
    bad,
    bedrock,
    check,
    environment,
    optimized,
    refused,
    stack,
)

from sdxl.preflight import READ_ACTIONS
from sdxl.preflight.access import BOOTSTRAP_RECENT, BOOTSTRAP_REQUIRED

ROOT = Path(__file__).resolve().parents[3]


def no_bootstrap(aws):
    del aws.stacks["CDKToolkit"]
    aws.answers["GetParameter"] = refused("ParameterNotFound")


# name: (what plants it, the environment, (status, check, what is found, what to do))
FAULTS = {
    "no credentials": (
        answer("GetCallerIdentity", NoCredentialsError()),
        environment(),
        ("failed", "credentials", "Unable to locate credentials", "AWS_PROFILE"),
    ),
    "expired credentials": (
        answer("GetCallerIdentity", refused("ExpiredToken", "The security token included in the request is expired")),
        environment(),
        ("failed", "credentials", "is expired", "aws sso login"),
    ),
    "region that is not enabled": (
        answer("GetCallerIdentity", refused("InvalidClientTokenId", "The security token is invalid")),
        environment(),
        ("failed", "credentials", "invalid", "until the region is enabled"),
    ),
    "another account": (
        answer("GetCallerIdentity", {"Account": "999999999999", "Arn": "arn:aws:iam::999999999999:user/me"}),
        environment(),
        ("failed", "credentials", "for account 999999999999; 'dev' is in 111122223333", "Choose credentials of 1111"),
    ),
    "not bootstrapped": (
        no_bootstrap,
        environment(),
        ("failed", "CDK bootstrap", "not bootstrapped", f"npx cdk bootstrap aws://{ACCOUNT}/us-east-1"),
    ),
    "bootstrap stack without its version": (
        answer("GetParameter", refused("ParameterNotFound")),
        environment(),
        ("failed", "CDK bootstrap", "CDKToolkit is there, but no parameter", "npx cdk bootstrap"),
    ),
    "bootstrap far too old": (
        answer("GetParameter", {"Parameter": {"Value": "5"}}),
        environment(),
        ("failed", "CDK bootstrap", "version 5; the templates require 6", "npx cdk bootstrap"),
    ),
    "bootstrap old": (
        answer("GetParameter", {"Parameter": {"Value": "20"}}),
        environment(),
        ("warning", "CDK bootstrap", "version 20, older than 21", "npx cdk bootstrap"),
    ),
    "bootstrap without a number": (
        answer("GetParameter", {"Parameter": {"Value": "x"}}),
        environment(),
        ("failed", "CDK bootstrap", "holds 'x'", "npx cdk bootstrap"),
    ),
    "bootstrap rolled back": (
        stack("CDKToolkit", "UPDATE_ROLLBACK_FAILED"),
        environment(),
        ("failed", "CDK bootstrap: stack", "is in UPDATE_ROLLBACK_FAILED", "npx cdk bootstrap"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_says_what_to_do(aws, fault):
    assert_found(aws, *FAULTS[fault])


DENIED = [
    ("DescribeStacks", "cloudformation:DescribeStacks", environment()),
    ("GetParameter", "ssm:GetParameter", environment()),
    ("GetServiceQuota", "servicequotas:GetServiceQuota", environment()),
    ("ListEndpoints", "sagemaker:ListEndpoints", environment()),
    ("HeadObject", "s3:GetObject", environment()),
    ("BatchGetImage", "ecr:BatchGetImage", environment()),
    ("DescribeModelPackage", "sagemaker:DescribeModelPackage", optimized()),
    ("SearchAgreements", "aws-marketplace:SearchAgreements", optimized()),
    ("GetFoundationModel", "bedrock:GetFoundationModel", bedrock()),
    ("GetFoundationModelAvailability", "bedrock:GetFoundationModelAvailability", bedrock()),
    ("DescribeLogGroups", "logs:DescribeLogGroups", environment()),
    ("GetRole", "iam:GetRole", environment(scaling=SCALING)),
]


@pytest.mark.parametrize("code", ["AccessDenied", "AccessDeniedException", "403"])
@pytest.mark.parametrize(("operation", "action", "described"), DENIED)
def test_what_may_not_be_looked_at_is_unknown_and_names_the_permission(aws, operation, action, described, code):
    aws.answers[operation] = refused(code, "not authorized")
    findings = bad(check(aws, described))
    assert findings
    assert {finding.status for finding in findings} == {"unknown"}
    assert all(f"{action} was denied" in finding.found for finding in findings)
    assert all(f"Allow {action}" in finding.remedy for finding in findings)
    assert {finding.details["missing_permission"] for finding in findings} == {action}


def test_nothing_at_all_allowed_is_all_unknown(aws):
    operations = {method.replace("_", "") for _, method, _ in READ_ACTIONS.values()}
    denied = {name for name in vars(FakeAws) if name.lower() in operations} - {"GetCallerIdentity"}
    aws.answers = dict.fromkeys(denied, refused("AccessDeniedException"))
    findings = check(aws, environment(scaling=SCALING))
    # The catalog needs no permission.
    asked = [finding for finding in findings[1:] if finding.name not in ("SnapStart", "monthly cost")]
    assert {finding.status for finding in asked} == {"unknown"}


@pytest.mark.parametrize(
    "error", [refused("ThrottlingException", "Rate exceeded"), EndpointConnectionError(endpoint_url="https://x")]
)
def test_an_answer_that_does_not_come_is_unknown(aws, error):
    aws.answers["GetServiceQuota"] = error
    findings = bad(check(aws))
    assert {finding.status for finding in findings} == {"unknown"}
    assert all(finding.found.startswith("the check failed: servicequotas:GetServiceQuota") for finding in findings)


def test_the_bootstrap_of_the_installed_cdk_is_recent():
    template = ROOT / "node_modules" / "aws-cdk" / "lib" / "api" / "bootstrap" / "bootstrap-template.yaml"
    if not template.is_file():
        pytest.skip("the CDK CLI is not installed")
    match = re.search(r"CdkBootstrapVersion:(?:.*\n)*?\s+Value: '(\d+)'", template.read_text())
    assert match is not None
    assert BOOTSTRAP_REQUIRED <= BOOTSTRAP_RECENT <= int(match[1])


def test_the_required_bootstrap_is_the_installed_librarys(tmp_path):
    import aws_cdk as cdk  # noqa: PLC0415 - starts an engine

    place = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    cdk.CfnResource(cdk.Stack(place, "Any"), "Any", type="AWS::SNS::Topic")
    manifest = json.loads((Path(place.synth().directory) / "manifest.json").read_text())
    assert manifest["artifacts"]["Any"]["properties"]["requiresBootstrapStackVersion"] == BOOTSTRAP_REQUIRED
