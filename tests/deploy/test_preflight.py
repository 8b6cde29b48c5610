"""`sdxl preflight` against the emulator: clean accounts give no finding, and every planted fault is found."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import botocore.loaders
import botocore.session
import pytest
import yaml
from deploy_harness import REGION, Account
from typer.testing import CliRunner

from emulator.state_file import RunningEmulator
from sdxl.cli import app
from stacks.catalog import load_catalog

CORE = "stability.stable-image-core-v1:1"
SCALING = {"max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 1}}
OPEN = {"region": REGION, "model": {"source": "open"}}
SCALED = {**OPEN, "scaling": SCALING}
OPTIMIZED = {"region": REGION, "model": {"source": "optimized"}}
BEDROCK: dict[str, Any] = {"region": "us-west-2", "model": {"source": "bedrock", "model_id": CORE}}
INPAINT = {
    "region": "us-west-2",
    "model": {**BEDROCK["model"], "inpaint_model_id": "stability.stable-image-inpaint-v1:0"},
}
_accounts = itertools.count(200_000_000_000)
G5 = load_catalog().instance_type("ml.g5.4xlarge").quota_code
G5_8 = load_catalog().instance_type("ml.g5.8xlarge").quota_code
BOOTSTRAP = {
    "Resources": {
        "Version": {
            "Type": "AWS::SSM::Parameter",
            "Properties": {"Name": "/cdk-bootstrap/hnb659fds/version", "Type": "String", "Value": "30"},
        }
    }
}


class Place:
    """An account of the emulator that is ready to be deployed to, and the command that looks at it."""

    def __init__(self, account: Account, directory: Path) -> None:
        self.account = account
        self.directory = directory
        self.region = REGION

    def client(self, service: str) -> Any:
        return self.account.client(service, self.region)

    def prepare(self, settings: dict[str, Any]) -> None:
        self.region = settings["region"]
        self.client("cloudformation").create_stack(StackName="CDKToolkit", TemplateBody=json.dumps(BOOTSTRAP))
        self.client("iam").create_service_linked_role(AWSServiceName="sagemaker.application-autoscaling.amazonaws.com")
        (self.directory / "dev.yaml").write_text(yaml.safe_dump({"account": self.account.id, **settings}))

    def facts(self, **facts: Any) -> None:
        url = f"{self.account.emulator.aws_endpoint_url}/_emulator/account?id={self.account.id}"
        with urlopen(Request(url, json.dumps(facts).encode(), method="PUT")) as answer:
            assert answer.status == 200

    def endpoint(self, name: str, instance_type: str = "ml.g5.4xlarge", count: int = 1) -> None:
        sagemaker = self.client("sagemaker")
        role = f"arn:aws:iam::{self.account.id}:role/model"
        # A stand-in starts behind an endpoint whose container it knows; nobody invokes this one.
        container = load_catalog().open_container(self.region)
        sagemaker.create_model(
            ModelName=name,
            ExecutionRoleArn=role,
            PrimaryContainer={"Image": container.image_uri, "ModelDataUrl": container.model_data_url},
        )
        variant = {"VariantName": "primary", "ModelName": name, "InstanceType": instance_type}
        sagemaker.create_endpoint_config(
            EndpointConfigName=name, ProductionVariants=[{**variant, "InitialInstanceCount": count}]
        )
        sagemaker.create_endpoint(EndpointName=name, EndpointConfigName=name)

    def preflight(self, *arguments: str) -> tuple[int, list[dict[str, Any]]]:
        """The exit code and the findings of the command, run in this process."""
        result = CliRunner().invoke(app, ["preflight", "--dir", str(self.directory), "--json", *arguments])
        assert result.exit_code in (0, 1), result.output
        content = json.loads(result.stdout)
        assert content["ok"] == (result.exit_code == 0)
        return result.exit_code, content["findings"]


@pytest.fixture(scope="module", autouse=True)
def service_models() -> Iterator[None]:
    """botocore's models read once for all sessions: every one would read megabytes of them anew."""
    with pytest.MonkeyPatch.context() as patch:
        loader = botocore.loaders.create_loader()
        patch.setattr(botocore.session, "create_loader", lambda *_: loader, raising=False)
        patch.setattr(botocore.loaders, "create_loader", lambda *_: loader)
        yield


@pytest.fixture
def account() -> str:
    """An account that no other test uses."""
    return str(next(_accounts))


@pytest.fixture
def place(emulator: RunningEmulator, account: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    found = Account(emulator, account, tmp_path)
    for name, value in found.variables().items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    yield Place(found, tmp_path)
    Place(found, tmp_path).facts()
    sagemaker = found.client("sagemaker")
    for endpoint in sagemaker.list_endpoints()["Endpoints"]:
        sagemaker.delete_endpoint(EndpointName=endpoint["EndpointName"])


CLEAN = {"open": OPEN, "scaled": SCALED, "optimized": OPTIMIZED, "bedrock": BEDROCK, "bedrock with masks": INPAINT}


@pytest.mark.parametrize("settings", CLEAN.values(), ids=CLEAN)
def test_a_clean_account_gives_no_finding(place: Place, settings: dict[str, Any]) -> None:
    place.prepare(settings)

    code, findings = place.preflight()

    assert [finding for finding in findings if finding["status"] != "ok"] == []
    assert code == 0
    assert len(findings) >= 9


def test_the_command_itself_in_a_process_of_its_own(place: Place) -> None:
    place.prepare(OPEN)
    sdxl = Path(sys.executable).with_name("sdxl")

    result = subprocess.run(
        [sdxl, "preflight", "--env", "dev", "--dir", place.directory],
        env=place.account.variables(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert result.returncode == 0, result.stdout + result.stderr
    assert all(line.startswith("ok\t") for line in result.stdout.splitlines()[1:]), result.stdout


def _other_endpoint(place: Place) -> None:
    place.endpoint("other", count=2)
    place.facts(quotas={G5: 2})


def _delete_role(place: Place) -> None:
    place.client("iam").delete_role(RoleName="AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")


def _changed_types(place: Place) -> None:
    container = load_catalog().open_container(REGION)
    variant = {
        "VariantName": "primary",
        "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
        "InstanceType": "ml.g5.8xlarge",
        "InitialInstanceCount": 1,
    }
    stack = {
        "Log": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": "/aws/sagemaker/Endpoints/sdxl-dev"}},
        "Model": {
            "Type": "AWS::SageMaker::Model",
            "Properties": {
                "ExecutionRoleArn": f"arn:aws:iam::{place.account.id}:role/model",
                "PrimaryContainer": {"Image": container.image_uri, "ModelDataUrl": container.model_data_url},
            },
        },
        "Config": {"Type": "AWS::SageMaker::EndpointConfig", "Properties": {"ProductionVariants": [variant]}},
        "Endpoint": {
            "Type": "AWS::SageMaker::Endpoint",
            "DependsOn": "Log",
            "Properties": {
                "EndpointName": "sdxl-dev",
                "EndpointConfigName": {"Fn::GetAtt": ["Config", "EndpointConfigName"]},
            },
        },
    }
    _stack("sdxl-dev-Inference", stack)(place)
    place.client("application-autoscaling").register_scalable_target(
        ServiceNamespace="sagemaker",
        ResourceId="endpoint/sdxl-dev/variant/primary",
        ScalableDimension="sagemaker:variant:DesiredInstanceCount",
        MinCapacity=1,
        MaxCapacity=4,
    )


_PARAMETER = {"Any": {"Type": "AWS::SSM::Parameter", "Properties": {"Type": "String", "Value": "1"}}}


def _stack(name: str, stack: Mapping[str, Any] = _PARAMETER) -> Callable[[Place], None]:
    template = json.dumps({"Resources": stack})
    return lambda place: place.client("cloudformation").create_stack(StackName=name, TemplateBody=template)


def _version(value: str) -> Callable[[Place], None]:
    return lambda place: place.client("ssm").put_parameter(
        Name="/cdk-bootstrap/hnb659fds/version", Value=value, Type="String", Overwrite=True
    )


def _facts(**facts: Any) -> Callable[[Place], None]:
    return lambda place: place.facts(**facts)


def _model(**states: str) -> Callable[[Place], None]:
    return _facts(bedrock_models={CORE: states})


def _network(place: Place, zones: tuple[str, str], *, foreign: bool = False) -> None:
    ec2 = place.client("ec2")
    vpcs = [ec2.create_vpc(CidrBlock=f"10.{n}.0.0/16")["Vpc"]["VpcId"] for n in (1, 2)]
    subnets = [
        ec2.create_subnet(
            VpcId=vpcs[n if foreign else 0],
            CidrBlock=f"10.{1 + n if foreign else 1}.{n}.0/24",
            AvailabilityZone=f"{REGION}{zone}",
        )["Subnet"]["SubnetId"]
        for n, zone in enumerate(zones)
    ]
    _set_network(place, vpcs[0], subnets)


def _set_network(place: Place, vpc: str, subnets: list[str]) -> None:
    network = {"vpc_id": vpc, "subnet_ids": subnets, "vpc_endpoints": "existing"}
    network["security_group_ids"] = ["sg-0123456789abcdef0"]
    (place.directory / "dev.yaml").write_text(yaml.safe_dump({"account": place.account.id, **OPEN, "network": network}))


def _key(place: Place) -> None:
    kms = place.client("kms")
    key = kms.create_key()["KeyMetadata"]
    kms.disable_key(KeyId=key["KeyId"])
    storage = {"key_arn": key["Arn"]}
    (place.directory / "dev.yaml").write_text(yaml.safe_dump({"account": place.account.id, **OPEN, "storage": storage}))


def _boundary(place: Place) -> None:
    (place.directory / "organization.yaml").write_text("permissions_boundary: nobody-made-it\n")


# environment, plant, status, name, found
FAULTS: dict[str, tuple[dict[str, Any], Callable[[Place], Any], str, str, str]] = {
    "not bootstrapped": (
        OPEN,
        lambda place: place.client("cloudformation").delete_stack(StackName="CDKToolkit"),
        "failed",
        "CDK bootstrap",
        "not bootstrapped: there is no stack CDKToolkit and no parameter",
    ),
    "bootstrap far too old": (OPEN, _version("5"), "failed", "CDK bootstrap", "version 5; the templates require 6"),
    "bootstrap old": (OPEN, _version("20"), "warning", "CDK bootstrap", "version 20, older than 21"),
    "bootstrap's version is none": (OPEN, _version("x"), "failed", "CDK bootstrap", "holds 'x'"),
    "quota of a new account": (OPEN, _facts(quotas={G5: 0}), "failed", "quota of ml.g5.4xlarge", "1 wanted: 1 here"),
    "type that the region has not": (
        OPEN,
        _facts(quotas={G5: None}),
        "failed",
        "quota of ml.g5.4xlarge",
        "not offered there",
    ),
    "quota below max capacity": (SCALED, _facts(quotas={G5: 3}), "failed", "quota of ml.g5.4xlarge", "4 wanted"),
    "quota too small for an update": (
        SCALED,
        _facts(quotas={G5: 7}),
        "warning",
        "quota of ml.g5.4xlarge",
        "side by side, and wants 8",
    ),
    "quota used by another endpoint": (
        OPEN,
        _other_endpoint,
        "failed",
        "quota of ml.g5.4xlarge",
        "3 wanted: 1 here, 2 in other endpoints",
    ),
    "quota of a fallback": (
        {**OPEN, "endpoint": {"instance_types": ["ml.g5.4xlarge", "ml.g5.8xlarge"]}},
        _facts(quotas={G5_8: 0}),
        "warning",
        "quota of ml.g5.8xlarge",
        "It is no fallback",
    ),
    "type in no zone": (
        OPEN,
        _facts(not_offered={"*": ["g5.4xlarge"]}),
        "failed",
        "zones of ml.g5.4xlarge",
        "EC2 offers no g5.4xlarge in us-east-1",
    ),
    "type in one zone": (
        OPEN,
        _facts(not_offered={f"us-east-1{zone}": ["g5.4xlarge"] for zone in "bcdef"}),
        "warning",
        "zones of ml.g5.4xlarge",
        "us-east-1a alone",
    ),
    "artifact that is gone": (OPEN, _facts(missing=["artifact"]), "failed", "artifact", "is not there"),
    "image that is gone": (
        OPEN,
        _facts(missing=["container_image"]),
        "failed",
        "container image",
        "is not there: Requested image not found",
    ),
    "model package that is gone": (
        OPTIMIZED,
        _facts(missing=["model_package"]),
        "failed",
        "model package",
        "does not exist",
    ),
    "no subscription for a variant": (
        {
            **OPEN,
            "endpoint": {"variants": [{"name": "challenger", "model": {"source": "optimized"}, "weight": 0.1}]},
        },
        _facts(subscribed=False),
        "warning",
        "Marketplace subscription",
        "no active agreement for product",
    ),
    "no subscription": (
        OPTIMIZED,
        _facts(subscribed=False),
        "warning",
        "Marketplace subscription",
        "no active agreement for product",
    ),
    "model that is legacy": (
        BEDROCK,
        _model(lifecycle="LEGACY", end_of_life="2099-05-01"),
        "warning",
        f"Bedrock {CORE}: lifecycle",
        "legacy and ends on 2099-05-01",
    ),
    "model at its end of life": (
        BEDROCK,
        _model(end_of_life="2026-01-01"),
        "failed",
        f"Bedrock {CORE}: lifecycle",
        "end of life on 2026-01-01",
    ),
    "terms not agreed to": (
        BEDROCK,
        _model(agreement="NOT_AVAILABLE"),
        "failed",
        f"Bedrock {CORE}: access",
        "not agreed to the model's terms",
    ),
    "model not authorized": (
        BEDROCK,
        _model(authorization="NOT_AUTHORIZED"),
        "failed",
        f"Bedrock {CORE}: access",
        "not authorized",
    ),
    "access pending": (BEDROCK, _model(agreement="PENDING"), "warning", f"Bedrock {CORE}: access", "is pending"),
    "API Gateway's timeout": (
        {**OPEN, "api": {"integration_timeout_seconds": 45}},
        lambda _: None,
        "failed",
        "API Gateway timeout",
        "45000 ms wanted",
    ),
    "API Gateway's throttle": (
        OPEN,
        _facts(quotas={"L-8A5B8E43": 1}),
        "warning",
        "API Gateway throttle",
        "1/s (L-8A5B8E43)",
    ),
    "endpoint of someone else": (
        OPEN,
        lambda place: place.endpoint("sdxl-dev"),
        "failed",
        "names",
        "endpoint sdxl-dev exists",
    ),
    "log group of someone else": (
        OPEN,
        lambda place: place.client("logs").create_log_group(logGroupName="/aws/lambda/sdxl-dev-image-api"),
        "failed",
        "names",
        "log group /aws/lambda/sdxl-dev-image-api exists",
    ),
    "topic of someone else": (
        OPEN,
        lambda place: place.client("sns").create_topic(Name="sdxl-dev-alarms"),
        "failed",
        "names",
        "topic sdxl-dev-alarms exists",
    ),
    "dashboard of someone else": (
        OPEN,
        lambda place: place.client("cloudwatch").put_dashboard(
            DashboardName="sdxl-dev", DashboardBody='{"widgets": []}'
        ),
        "failed",
        "names",
        "dashboard sdxl-dev exists",
    ),
    "no role of autoscaling": (SCALED, _delete_role, "warning", "role of autoscaling", "there is no AWSServiceRole"),
    "types changed under a scaled variant": (
        SCALED,
        _changed_types,
        "failed",
        "instance types in use",
        "primary runs on ml.g5.8xlarge, the file says ml.g5.4xlarge",
    ),
    "VPC that is not there": (
        OPEN,
        lambda place: _set_network(
            place, "vpc-0123456789abcdef0", ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"]
        ),
        "failed",
        "network",
        "does not exist",
    ),
    "subnets of one zone": (
        OPEN,
        lambda place: _network(place, ("a", "a")),
        "failed",
        "network",
        "all subnets are in us-east-1a",
    ),
    "subnet of another VPC": (
        OPEN,
        lambda place: _network(place, ("a", "b"), foreign=True),
        "failed",
        "network",
        "is not in vpc-",
    ),
    "key that is disabled": (OPEN, _key, "failed", "key", "is in the state Disabled"),
    "boundary that is not there": (OPEN, _boundary, "failed", "permissions boundary", "there is no policy arn:aws:iam"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(place: Place, fault: str) -> None:
    settings, plant, status, name, found = FAULTS[fault]
    place.prepare(settings)
    plant(place)

    code, findings = place.preflight()

    bad = [finding for finding in findings if finding["status"] != "ok"]
    # An endpoint that is in the way has a log group that is, too.
    assert {(finding["status"], finding["name"]) for finding in bad} == {(status, name)}, bad
    assert any(found in finding["found"] for finding in bad), bad
    assert all(finding["remedy"] for finding in bad)
    assert code == (1 if status == "failed" else 0)


DENIED = {
    "servicequotas:GetServiceQuota": OPEN,
    "sagemaker:ListEndpoints": OPEN,
    "s3:GetObject": OPEN,
    "ecr:BatchGetImage": OPEN,
    "ec2:DescribeInstanceTypeOfferings": OPEN,
    "cloudformation:DescribeStacks": OPEN,
    "iam:GetRole": SCALED,
    "aws-marketplace:SearchAgreements": OPTIMIZED,
    "bedrock:GetFoundationModel": BEDROCK,
}


@pytest.mark.parametrize("action", DENIED)
def test_what_is_denied_is_unknown_and_named(place: Place, action: str) -> None:
    place.prepare(DENIED[action])
    place.facts(denied=[action])

    code, findings = place.preflight()

    bad = [finding for finding in findings if finding["status"] != "ok"]
    assert bad
    assert {finding["status"] for finding in bad} == {"unknown"}
    assert all(f"{action} was denied" in finding["found"] for finding in bad)
    assert code == 0


def test_a_quota_is_asked_for_once(place: Place) -> None:
    place.prepare(OPEN)
    place.facts(quotas={G5: 0})

    first, second = (
        next(one for one in place.preflight("--request-quota")[1] if one["name"] == "quota of ml.g5.4xlarge")
        for _ in "12"
    )

    assert "Requested 1 just now" in first["remedy"]
    assert "A request for 1 is open" in second["remedy"]
    assert (first["status"], second["status"]) == ("failed", "failed")
    requests = place.client("service-quotas").list_requested_service_quota_change_history_by_quota(
        ServiceCode="sagemaker", QuotaCode=G5
    )["RequestedQuotas"]
    assert [request["DesiredValue"] for request in requests] == [1.0]


def test_a_role_is_assumed_first(place: Place) -> None:
    place.prepare(OPEN)
    policy = {"Version": "2012-10-17", "Statement": []}
    arn = place.client("iam").create_role(RoleName="lookup", AssumeRolePolicyDocument=json.dumps(policy))["Role"]["Arn"]

    code, findings = place.preflight("--role-arn", arn)

    assert code == 0
    assert "assumed-role/lookup/sdxl" in findings[0]["found"]


def test_another_account_ends_it(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    place.prepare(OPEN)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIALOCAL999999999999")

    code, findings = place.preflight()

    assert code == 1
    assert [finding["name"] for finding in findings] == ["credentials", "everything else"]
