"""`sdxl preflight`: every planted fault is found with its text, and a clean account gives none."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError, NoCredentialsError
from botocore.validate import validate_parameters
from typer.testing import CliRunner

from sdxl.cli import app
from sdxl.commands import preflight as command
from sdxl.preflight import READ_ACTIONS, WRITE_ACTIONS, Account, preflight
from sdxl.preflight.access import BOOTSTRAP_RECENT, BOOTSTRAP_REQUIRED
from sdxl.preflight.deployed import STACK_PARTS
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import Environment

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "preflight.md"
ACCOUNT = "111122223333"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SCALING = {"max_capacity": 4, "target": {"metric": "concurrent_requests", "target": 1}}
PRODUCT = "prod-0123456789abc"
VPC = "vpc-0123456789abcdef0"
SUBNETS = ("subnet-0123456789abcdef0", "subnet-0fedcba9876543210")
NETWORK = {
    "vpc_id": VPC,
    "subnet_ids": list(SUBNETS),
    "vpc_endpoints": "existing",
    "security_group_ids": ["sg-0123456789abcdef0"],
}
KEY = f"arn:aws:kms:us-east-1:{ACCOUNT}:key/12345678-1234-1234-1234-123456789012"
CORE = "stability.stable-image-core-v1:1"

# Clients are slow to make; whom they speak to is set by each test.
_CLIENTS: dict = {}


def environment(source: str = "open", **settings) -> Environment:
    model = {"source": source, **settings.pop("model", {})}
    return Environment.model_validate(
        {"name": "dev", "account": ACCOUNT, "region": "us-east-1", "model": model, **settings}
    )


def optimized(**settings) -> Environment:
    return environment("optimized", **settings)


def bedrock(**model) -> Environment:
    return Environment.model_validate(
        {
            "name": "dev",
            "account": ACCOUNT,
            "region": "us-west-2",
            "model": {"source": "bedrock", "model_id": CORE, **model},
        }
    )


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Operation")


class FakeAws:
    """An account in memory behind botocore's real clients: what is sent and what comes back has the API's shapes."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict]] = []
        self.regions: dict[str, str] = {}
        self.quotas = {code.quota_code: 10.0 for code in load_catalog().instances.values() if code.quota_code}
        self.quotas |= {"L-E5AE38E3": 29000.0, "L-8A5B8E43": 10000.0, "L-CDF5615A": 5000.0}
        self.stacks = {"CDKToolkit": "CREATE_COMPLETE"}
        self.endpoints: dict[str, dict] = {}
        self.log_groups: list[str] = []
        self.alarms: list[str] = []
        self.zones = ["us-east-1a", "us-east-1b"]
        self.subnets = {
            name: {"SubnetId": name, "VpcId": VPC, "AvailabilityZone": f"us-east-1{zone}"}
            for name, zone in zip(SUBNETS, "ab", strict=True)
        }
        self.quota_requests: list[dict] = []
        # What an operation answers, or raises, in place of what stands below.
        self.answers: dict[str, object] = {}

    def client(self, service: str, region_name: str, config: object = None):
        key = (service, region_name)
        if key not in _CLIENTS:
            keys = {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
            _CLIENTS[key] = boto3.client(service, region_name=region_name, **keys)
        client = _CLIENTS[key]

        def call(operation: str, parameters: dict) -> object:
            self.regions[operation] = region_name
            return self.answer(client.meta.service_model.operation_model(operation), parameters)

        client._make_api_call = call
        return client

    def answer(self, model, parameters: dict) -> object:
        validate_parameters(parameters, model.input_shape)
        self.calls.append((model.name, parameters))
        answer = self.answers.get(model.name)
        if answer is None:
            answer = getattr(self, model.name)
        if isinstance(answer, Callable):
            answer = answer(**parameters)
        if isinstance(answer, Exception):
            raise answer
        validate_parameters(answer, model.output_shape)
        return answer

    def called(self, operation: str) -> list[dict]:
        return [parameters for name, parameters in self.calls if name == operation]

    def GetCallerIdentity(self):  # noqa: N802 - these are named as the APIs' operations
        return {"Account": ACCOUNT, "Arn": f"arn:aws:sts::{ACCOUNT}:assumed-role/deployer/me"}

    def DescribeStacks(self, StackName):  # noqa: N802, N803
        if StackName not in self.stacks:
            return refused("ValidationError", f"Stack with id {StackName} does not exist")
        return {
            "Stacks": [{"StackName": StackName, "CreationTime": NOW, "StackStatus": self.stacks[StackName]}],
        }

    def GetParameter(self, Name):  # noqa: N802, N803
        return {"Parameter": {"Name": Name, "Value": "33"}}

    def GetServiceQuota(self, ServiceCode, QuotaCode):  # noqa: N802, N803
        if QuotaCode not in self.quotas:
            return refused("NoSuchResourceException")
        return {"Quota": {"QuotaCode": QuotaCode, "Value": self.quotas[QuotaCode], "Adjustable": True}}

    def GetAWSDefaultServiceQuota(self, ServiceCode, QuotaCode):  # noqa: N802, N803
        return refused("NoSuchResourceException")

    def ListRequestedServiceQuotaChangeHistoryByQuota(self, **_):  # noqa: N802
        return {"RequestedQuotas": self.quota_requests}

    def RequestServiceQuotaIncrease(self, ServiceCode, QuotaCode, DesiredValue):  # noqa: N802, N803
        return {"RequestedQuota": {"Id": "req-1", "Status": "PENDING", "DesiredValue": DesiredValue}}

    def ListEndpoints(self, NextToken=None):  # noqa: N802, N803 - one endpoint a page
        names = list(self.endpoints)
        position = int(NextToken or 0)
        page = [
            {
                "EndpointName": name,
                "EndpointArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/{name}",
                "CreationTime": NOW,
                "LastModifiedTime": NOW,
                "EndpointStatus": self.endpoints[name].get("status", "InService"),
            }
            for name in names[position : position + 1]
        ]
        return {"Endpoints": page, **({"NextToken": str(position + 1)} if position + 1 < len(names) else {})}

    def DescribeEndpoint(self, EndpointName):  # noqa: N802, N803
        if EndpointName not in self.endpoints:
            return refused("ValidationException", f'Could not find endpoint "{EndpointName}".')
        return {
            "EndpointName": EndpointName,
            "EndpointArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint/{EndpointName}",
            "EndpointConfigName": EndpointName,
            "EndpointStatus": self.endpoints[EndpointName].get("status", "InService"),
            "CreationTime": NOW,
            "LastModifiedTime": NOW,
            **({"ProductionVariants": live} if (live := self.endpoints[EndpointName].get("live")) else {}),
        }

    def DescribeEndpointConfig(self, EndpointConfigName):  # noqa: N802, N803
        return {
            "EndpointConfigName": EndpointConfigName,
            "EndpointConfigArn": f"arn:aws:sagemaker:us-east-1:{ACCOUNT}:endpoint-config/{EndpointConfigName}",
            "CreationTime": NOW,
            "ProductionVariants": self.endpoints[EndpointConfigName]["variants"],
        }

    def DescribeModelPackage(self, ModelPackageName):  # noqa: N802, N803
        return {
            "ModelPackageName": "sdxl",
            "ModelPackageArn": ModelPackageName,
            "CreationTime": NOW,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "InferenceSpecification": {
                "Containers": [{"ProductId": PRODUCT}],
                "SupportedRealtimeInferenceInstanceTypes": ["ml.g5.2xlarge", "ml.p4d.24xlarge"],
            },
        }

    def SearchAgreements(self, catalog, filters):  # noqa: N802
        assert {"name": "ResourceIdentifier", "values": [PRODUCT]} in filters
        return {"agreementViewSummaries": [{"agreementId": "agmt-1"}]}

    def HeadObject(self, Bucket, Key):  # noqa: N802, N803
        return {"ContentLength": 1}

    def BatchGetImage(self, registryId, repositoryName, imageIds):  # noqa: N802, N803
        return {"images": [{"imageId": imageIds[0]}]}

    def GetFoundationModel(self, modelIdentifier):  # noqa: N802, N803
        arn = f"arn:aws:bedrock:us-west-2::foundation-model/{modelIdentifier}"
        return {"modelDetails": {"modelArn": arn, "modelId": modelIdentifier, "modelLifecycle": {"status": "ACTIVE"}}}

    def GetFoundationModelAvailability(self, modelId, **states):  # noqa: N802, N803
        return {
            "modelId": modelId,
            "agreementAvailability": {"status": "AVAILABLE"},
            "authorizationStatus": "AUTHORIZED",
            "entitlementAvailability": "AVAILABLE",
            "regionAvailability": "AVAILABLE",
            **states,
        }

    def DescribeLogGroups(self, logGroupNamePrefix):  # noqa: N802, N803
        found = [name for name in self.log_groups if name.startswith(logGroupNamePrefix)]
        return {"logGroups": [{"logGroupName": name} for name in found]}

    def DescribeInstanceTypeOfferings(self, LocationType, Filters):  # noqa: N802, N803
        (name,) = Filters[0]["Values"]
        assert LocationType == "availability-zone"
        assert not name.startswith("ml.")
        return {"InstanceTypeOfferings": [{"InstanceType": name, "Location": zone} for zone in self.zones]}

    def DescribeAlarms(self, AlarmNames, AlarmTypes, MaxRecords):  # noqa: N802, N803
        found = [{"AlarmName": name} for name in self.alarms if name in AlarmNames]
        return {"MetricAlarms": found[:MaxRecords]}

    def GetDashboard(self, DashboardName):  # noqa: N802, N803
        return refused("ResourceNotFound")

    def GetTopicAttributes(self, TopicArn):  # noqa: N802, N803
        return refused("NotFound")

    def DescribeScalableTargets(self, ServiceNamespace, ResourceIds):  # noqa: N802, N803
        return {"ScalableTargets": []}

    def DescribeVpcs(self, VpcIds):  # noqa: N802, N803
        return {"Vpcs": [{"VpcId": VpcIds[0]}]}

    def DescribeSubnets(self, SubnetIds):  # noqa: N802, N803
        return {"Subnets": [self.subnets[name] for name in SubnetIds]}

    def DescribeKey(self, KeyId):  # noqa: N802, N803
        return {"KeyMetadata": {"KeyId": KeyId, "KeyState": "Enabled"}}

    def GetPolicy(self, PolicyArn):  # noqa: N802, N803
        return {"Policy": {"Arn": PolicyArn}}

    def GetRole(self, RoleName):  # noqa: N802, N803
        return {
            "Role": {
                "Path": "/",
                "RoleName": RoleName,
                "RoleId": "AROAEXAMPLEEXAMPLE1",
                "Arn": f"arn:aws:iam::{ACCOUNT}:role/{RoleName}",
                "CreateDate": NOW,
            }
        }


@pytest.fixture
def aws() -> FakeAws:
    return FakeAws()


def check(aws: FakeAws, described: Environment | None = None, **options):
    return list(preflight(Account(described or environment(), aws), **options))


def bad(findings):
    return [finding for finding in findings if finding.status != "ok"]


CLEAN = [
    environment(),
    environment(scaling=SCALING),
    optimized(scaling=SCALING),
    bedrock(),
    environment(api={"keys": [{"name": "one"}, {"name": "two"}]}),
    environment(network=NETWORK, storage={"key_arn": KEY}, organization={"permissions_boundary": "boundary"}),
]


@pytest.mark.parametrize("described", CLEAN)
def test_a_clean_account_gives_no_finding(aws, described):
    findings = check(aws, described)
    assert bad(findings) == []
    assert len(findings) >= 6
    assert not any(finding.remedy for finding in findings)


@pytest.mark.parametrize("described", CLEAN)
def test_an_account_in_which_it_is_deployed_already_gives_no_finding(aws, described):
    aws.stacks |= {f"sdxl-dev-{part}": "UPDATE_COMPLETE" for part in STACK_PARTS}
    aws.log_groups = ["/aws/sagemaker/Endpoints/sdxl-dev", "/aws/lambda/sdxl-dev-image-api"]
    aws.endpoints["sdxl-dev"] = running(10, instance_type="ml.g5.4xlarge", name="primary")
    assert bad(check(aws, described)) == []


@pytest.mark.parametrize("described", CLEAN)
def test_nothing_is_written_and_nothing_undocumented_is_called(aws, described):
    check(aws, described)
    allowed = {method.replace("_", "") for _, method, _ in READ_ACTIONS.values()}
    assert {name.lower() for name, _ in aws.calls} <= allowed


def running(
    count: int, *, instance_type: str = "ml.g5.4xlarge", desired: int | None = None, name: str = "v", **more
) -> dict:
    variant = {"VariantName": name, "InstanceType": instance_type, "InitialInstanceCount": 1}
    live = {"VariantName": name, "CurrentInstanceCount": count, "DesiredInstanceCount": desired or count}
    return {"variants": [variant], "live": [live], **more}


def _quota(instance_type: str, value: float):
    return lambda aws: aws.quotas.update({load_catalog().instance_type(instance_type).quota_code: value})


def _no_quota(instance_type: str):
    return lambda aws: aws.quotas.pop(load_catalog().instance_type(instance_type).quota_code)


def _answer(operation: str, answer: object):
    return lambda aws: aws.answers.update({operation: answer})


def _stack(name: str, status: str | None):
    return lambda aws: aws.stacks.pop(name) if status is None else aws.stacks.update({name: status})


def _availability(**states):
    return _answer("GetFoundationModelAvailability", FakeAws().GetFoundationModelAvailability("m", **states))


def _lifecycle(status: str, end: datetime):
    details = {"modelArn": "arn:aws:bedrock:us-west-2::foundation-model/x.y", "modelId": "x.y"}
    lifecycle = {"status": status, "endOfLifeTime": end}
    return _answer("GetFoundationModel", {"modelDetails": {**details, "modelLifecycle": lifecycle}})


def _no_bootstrap(aws):
    del aws.stacks["CDKToolkit"]
    aws.answers["GetParameter"] = refused("ParameterNotFound")


def _others(**endpoint):
    return lambda aws: aws.endpoints.update({"small": running(1, instance_type="ml.m5.large"), "other": endpoint})


def _changed_types(aws):
    aws.stacks["sdxl-dev-Inference"] = "CREATE_COMPLETE"
    aws.endpoints["sdxl-dev"] = running(1, instance_type="ml.g5.8xlarge", name="primary")
    target = {
        "ServiceNamespace": "sagemaker",
        "ResourceId": "endpoint/sdxl-dev/variant/primary",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 1,
        "MaxCapacity": 4,
        "RoleARN": f"arn:aws:iam::{ACCOUNT}:role/scaling",
        "CreationTime": NOW,
    }
    aws.answers["DescribeScalableTargets"] = {"ScalableTargets": [target]}


# plant, environment, status, name, what is found, what to do
FAULTS = {
    "no credentials": (
        _answer("GetCallerIdentity", NoCredentialsError()),
        environment(),
        ("failed", "credentials", "Unable to locate credentials", "AWS_PROFILE"),
    ),
    "expired credentials": (
        _answer("GetCallerIdentity", refused("ExpiredToken", "The security token included in the request is expired")),
        environment(),
        ("failed", "credentials", "is expired", "aws sso login"),
    ),
    "region that is not enabled": (
        _answer("GetCallerIdentity", refused("InvalidClientTokenId", "The security token is invalid")),
        environment(),
        ("failed", "credentials", "invalid", "until the region is enabled"),
    ),
    "another account": (
        _answer("GetCallerIdentity", {"Account": "999999999999", "Arn": "arn:aws:iam::999999999999:user/me"}),
        environment(),
        ("failed", "credentials", "for account 999999999999; 'dev' is in 111122223333", "Choose credentials of 1111"),
    ),
    "not bootstrapped": (
        _no_bootstrap,
        environment(),
        ("failed", "CDK bootstrap", "not bootstrapped", f"npx cdk bootstrap aws://{ACCOUNT}/us-east-1"),
    ),
    "bootstrap stack without its version": (
        _answer("GetParameter", refused("ParameterNotFound")),
        environment(),
        ("failed", "CDK bootstrap", "CDKToolkit is there, but no parameter", "npx cdk bootstrap"),
    ),
    "bootstrap far too old": (
        _answer("GetParameter", {"Parameter": {"Value": "5"}}),
        environment(),
        ("failed", "CDK bootstrap", "version 5; the templates require 6", "npx cdk bootstrap"),
    ),
    "bootstrap old": (
        _answer("GetParameter", {"Parameter": {"Value": "20"}}),
        environment(),
        ("warning", "CDK bootstrap", "version 20, older than 21", "npx cdk bootstrap"),
    ),
    "bootstrap without a number": (
        _answer("GetParameter", {"Parameter": {"Value": "x"}}),
        environment(),
        ("failed", "CDK bootstrap", "holds 'x'", "npx cdk bootstrap"),
    ),
    "bootstrap rolled back": (
        _stack("CDKToolkit", "UPDATE_ROLLBACK_FAILED"),
        environment(),
        ("failed", "CDK bootstrap: stack", "is in UPDATE_ROLLBACK_FAILED", "npx cdk bootstrap"),
    ),
    "quota of a new account": (
        _quota("ml.g5.4xlarge", 0),
        environment(),
        ("failed", "quota of ml.g5.4xlarge", r"0 \(L-\w{8}\); 1 wanted: 1 here, 0 in other", "--desired-value 1 --reg"),
    ),
    "quota below the most instances": (
        _quota("ml.g5.4xlarge", 3),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "3 .* 4 wanted: 4 here", "--desired-value 4"),
    ),
    "quota below a scheduled capacity": (
        _quota("ml.g5.4xlarge", 4),
        environment(
            scaling={**SCALING, "schedules": [{"name": "day", "schedule": "cron(0 7 * * ? *)", "max_capacity": 6}]}
        ),
        ("failed", "quota of ml.g5.4xlarge", "6 wanted", "--desired-value 6"),
    ),
    "quota used by another endpoint": (
        _others(**running(7)),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "10 .* 11 wanted: 4 here, 7 in other endpoints", "--desired-value 11"),
    ),
    "quota used by an endpoint that grows": (
        _others(**running(2, desired=8)),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "12 wanted: 4 here, 8 in other", "--desired-value 12"),
    ),
    "quota used by pools": (
        _others(
            variants=[
                {
                    "VariantName": "v",
                    "InitialInstanceCount": 9,
                    "InstancePools": [
                        {"InstanceType": "ml.g5.xlarge", "Priority": 1},
                        {"InstanceType": "ml.g5.4xlarge", "Priority": 2},
                    ],
                }
            ],
            live=[
                {
                    "VariantName": "v",
                    "CurrentInstanceCount": 9,
                    "InstancePools": [
                        {"InstanceType": "ml.g5.xlarge", "CurrentInstanceCount": 1},
                        {"InstanceType": "ml.g5.4xlarge", "CurrentInstanceCount": 8},
                    ],
                }
            ],
        ),
        environment(scaling=SCALING),
        ("failed", "quota of ml.g5.4xlarge", "12 wanted: 4 here, 8 in other", "--desired-value 12"),
    ),
    "quota used by an endpoint that is being created": (
        _others(
            status="Creating",
            variants=[{"VariantName": "v", "InstanceType": "ml.g5.4xlarge", "InitialInstanceCount": 10}],
        ),
        environment(),
        ("failed", "quota of ml.g5.4xlarge", "11 wanted: 1 here, 10 in other", "--desired-value 11"),
    ),
    "quota of a fallback": (
        _quota("ml.g5.8xlarge", 0),
        environment(endpoint={"instance_types": ["ml.g5.4xlarge", "ml.g5.8xlarge"]}),
        ("warning", "quota of ml.g5.8xlarge", "It is no fallback", "--desired-value 1"),
    ),
    "instance type that the region has not": (
        _no_quota("ml.g5.4xlarge"),
        environment(),
        ("failed", "quota of ml.g5.4xlarge", "not offered there", "endpoint.instance_types"),
    ),
    "API Gateway's timeout": (
        lambda aws: None,
        environment(api={"integration_timeout_seconds": 45}),
        ("failed", "API Gateway timeout", r"29000 ms \(L-E5AE38E3\); 45000 ms wanted", "--desired-value 45000"),
    ),
    "API Gateway's throttle": (
        lambda aws: aws.quotas.update({"L-8A5B8E43": 9}),
        environment(api={"keys": [{"name": "one"}, {"name": "two"}]}),
        ("warning", "API Gateway throttle", "9/s .* 10/s wanted", "--quota-code L-8A5B8E43"),
    ),
    "artifact that is gone": (
        _answer("HeadObject", refused("404", "Not Found")),
        environment(),
        ("failed", "artifact", "s3://jumpstart-cache-prod-us-east-1/.* is not there", "sdxl catalog refresh"),
    ),
    "image that is gone": (
        _answer("BatchGetImage", {"failures": [{"failureReason": "Requested image not found"}]}),
        environment(),
        ("failed", "container image", "not there: Requested image not found", "sdxl catalog refresh"),
    ),
    "no subscription, as SageMaker says": (
        _answer(
            "DescribeModelPackage",
            refused("ValidationException", "Caller is not subscribed to the marketplace offering."),
        ),
        optimized(),
        ("failed", "Marketplace subscription", "not subscribed", "prodview-pe7wqwehghdtm"),
    ),
    "no subscription, as the Marketplace says": (
        _answer("SearchAgreements", {"agreementViewSummaries": []}),
        optimized(),
        ("warning", "Marketplace subscription", f"no active agreement for product {PRODUCT}", "prodview-pe7wqwehghdtm"),
    ),
    "model package that is not there": (
        _answer("DescribeModelPackage", refused("ValidationException", "ModelPackage does not exist")),
        optimized(),
        ("failed", "model package", "is not there: ModelPackage does not exist", "model.model_package_arn"),
    ),
    "model package that does not run on the type": (
        lambda aws: None,
        optimized(endpoint={"instance_types": ["ml.p4de.24xlarge"]}),
        ("failed", "model package", "does not run on ml.p4de.24xlarge", "ml.g5.2xlarge, ml.p4d.24xlarge"),
    ),
    "Bedrock model that the region has not": (
        _answer("GetFoundationModel", refused("ResourceNotFoundException", "Could not find the model")),
        bedrock(),
        ("failed", f"Bedrock {CORE}: lifecycle", "no such model in us-west-2", "model.region"),
    ),
    "Bedrock model that is legacy": (
        _lifecycle("LEGACY", datetime(2099, 5, 1, tzinfo=UTC)),
        bedrock(),
        ("warning", f"Bedrock {CORE}: lifecycle", "legacy and ends on 2099-05-01", "before it ends"),
    ),
    "Bedrock model at its end of life": (
        _lifecycle("LEGACY", datetime(2025, 5, 20, tzinfo=UTC)),
        bedrock(),
        ("failed", f"Bedrock {CORE}: lifecycle", "end of life on 2025-05-20", "Choose"),
    ),
    "Bedrock's terms not agreed to": (
        _availability(agreementAvailability={"status": "NOT_AVAILABLE"}),
        bedrock(),
        ("failed", f"Bedrock {CORE}: access", "not agreed to the model's terms", "aws-marketplace:Subscribe"),
    ),
    "Bedrock model not authorized": (
        _availability(authorizationStatus="NOT_AUTHORIZED"),
        bedrock(),
        ("failed", f"Bedrock {CORE}: access", "not authorized", "administrator"),
    ),
    "Bedrock access pending": (
        _availability(agreementAvailability={"status": "PENDING"}),
        bedrock(),
        ("warning", f"Bedrock {CORE}: access", "pending", "Wait"),
    ),
    "provisioned throughput that is not there": (
        _answer("GetProvisionedModelThroughput", refused("ResourceNotFoundException")),
        bedrock(
            model_id="stability.stable-diffusion-xl-v1",
            provisioned_model_arn=f"arn:aws:bedrock:us-west-2:{ACCOUNT}:provisioned-model/abcdefghijkl",
        ),
        ("failed", "provisioned throughput", "is not there", "Correct the ARN"),
    ),
    "endpoint of someone else": (
        lambda aws: aws.endpoints.update({"sdxl-dev": running(1)}),
        environment(),
        ("failed", "names", "endpoint sdxl-dev exists .* no stack sdxl-dev-Inference", "delete-endpoint"),
    ),
    "log group of someone else": (
        lambda aws: aws.log_groups.append("/aws/lambda/sdxl-dev-image-api"),
        environment(),
        ("failed", "names", "log group /aws/lambda/sdxl-dev-image-api exists", "delete-log-group"),
    ),
    "endpoint's log group of someone else": (
        lambda aws: aws.log_groups.append("/aws/sagemaker/Endpoints/sdxl-dev"),
        environment(),
        ("failed", "names", "no stack sdxl-dev-Inference", "delete-log-group"),
    ),
    "stack that was rolled back": (
        _stack("sdxl-dev-Api", "ROLLBACK_COMPLETE"),
        environment(),
        ("failed", "stacks", "sdxl-dev-Api is in ROLLBACK_COMPLETE", "delete-stack --stack-name sdxl-dev-Api"),
    ),
    "stack whose rollback failed": (
        _stack("sdxl-dev-Api", "UPDATE_ROLLBACK_FAILED"),
        environment(),
        ("failed", "stacks", "UPDATE_ROLLBACK_FAILED", "continue-update-rollback"),
    ),
    "stack that changes right now": (
        _stack("sdxl-dev-Storage", "UPDATE_IN_PROGRESS"),
        environment(),
        ("failed", "stacks", "UPDATE_IN_PROGRESS", "wait"),
    ),
    "quota that an update does not fit into": (
        _quota("ml.g5.4xlarge", 6),
        environment(scaling=SCALING),
        ("warning", "quota of ml.g5.4xlarge", "update of all 4 .* side by side, and wants 8", "--desired-value 8"),
    ),
    "type in no zone": (
        lambda aws: aws.zones.clear(),
        environment(),
        ("failed", "zones of ml.g5.4xlarge", "EC2 offers no g5.4xlarge in us-east-1", "endpoint.instance_types"),
    ),
    "type in one zone": (
        lambda aws: aws.zones.pop(),
        environment(),
        ("warning", "zones of ml.g5.4xlarge", "us-east-1a alone", "a further type"),
    ),
    "region without SnapStart": (
        lambda aws: None,
        bedrock(region="us-west-2").model_copy(update={"region": "ap-east-2"}),
        ("failed", "SnapStart", "had none in ap-east-2", "another region"),
    ),
    "types changed under a scaled variant": (
        _changed_types,
        environment(scaling=SCALING),
        (
            "failed",
            "instance types in use",
            "primary runs on ml.g5.8xlarge, the file says ml.g5.4xlarge",
            "detached: t",
        ),
    ),
    "VPC that is not there": (
        _answer("DescribeVpcs", refused("InvalidVpcID.NotFound", f"The vpc ID '{VPC}' does not exist")),
        environment(network=NETWORK),
        ("failed", "network", "does not exist", "network.vpc_id"),
    ),
    "subnet of another VPC": (
        lambda aws: aws.subnets[SUBNETS[1]].update(VpcId="vpc-other"),
        environment(network=NETWORK),
        ("failed", "network", f"{SUBNETS[1]} is not in {VPC}", "subnets of that VPC"),
    ),
    "subnets of one zone": (
        lambda aws: aws.subnets[SUBNETS[1]].update(AvailabilityZone="us-east-1a"),
        environment(network=NETWORK),
        ("failed", "network", "all subnets are in us-east-1a", "another zone"),
    ),
    "subnets whose zones have not the type": (
        lambda aws: aws.zones.__setitem__(slice(None), ["us-east-1c", "us-east-1d"]),
        environment(network=NETWORK),
        ("failed", "network", "in none of the subnets' zones, us-east-1a, us-east-1b", "another type"),
    ),
    "key that is disabled": (
        _answer("DescribeKey", {"KeyMetadata": {"KeyId": KEY, "KeyState": "PendingDeletion"}}),
        environment(storage={"key_arn": KEY}),
        ("failed", "key", "in the state PendingDeletion", "cancel its deletion"),
    ),
    "boundary that is not there": (
        _answer("GetPolicy", refused("NoSuchEntity")),
        environment(organization={"permissions_boundary": "boundary"}),
        ("failed", "permissions boundary", f"no policy arn:aws:iam::{ACCOUNT}:policy/boundary", "organization.yaml"),
    ),
    "alarm of someone else": (
        lambda aws: aws.alarms.extend(["sdxl-dev-api-errors", "sdxl-dev2-api-errors"]),
        environment(),
        ("failed", "names", "alarm sdxl-dev-api-errors exists", "delete-alarms"),
    ),
    "alarm of an instance of a further variant": (
        lambda aws: aws.alarms.append("sdxl-dev-disk-challenger"),
        environment(endpoint={"variants": [{"name": "challenger", "model": {"source": "open"}, "weight": 1}]}),
        ("failed", "names", "alarm sdxl-dev-disk-challenger exists, but no stack sdxl-dev-Operations", "delete-alarms"),
    ),
    "alarm of the endpoint's updates": (
        lambda aws: aws.alarms.append("sdxl-dev-update-latency"),
        environment(endpoint={"update": {"traffic": "canary"}, "instance_count": 2}),
        ("failed", "names", "alarm sdxl-dev-update-latency exists, but no stack sdxl-dev-Inference", "delete-alarms"),
    ),
    "no role of autoscaling": (
        _answer("GetRole", refused("NoSuchEntity")),
        environment(scaling=SCALING),
        ("warning", "role of autoscaling", "no AWSServiceRoleForApplicationAutoScaling", "iam:CreateServiceLinkedRole"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_says_what_to_do(aws, fault):
    plant, described, (status, name, found, remedy) = FAULTS[fault]
    plant(aws)
    first = bad(check(aws, described))[0]
    assert (first.status, first.name) == (status, name)
    assert re.search(found, first.found)
    assert remedy in first.remedy
    # One fault, one finding: with the wrong credentials, a second one that nothing else was looked at.
    others = [finding.name for finding in bad(check(aws, described)) if finding.name != name]
    assert others == (["everything else"] if name == "credentials" else [])


def test_twenty_faults_are_planted():
    assert len(FAULTS) >= 20


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
    assert all(
        finding.found.startswith("could not be looked at: servicequotas:GetServiceQuota") for finding in findings
    )


def test_a_quota_that_is_short_anyway_is_failed_without_the_other_endpoints(aws):
    aws.answers["ListEndpoints"] = refused("AccessDenied")
    _quota("ml.g5.4xlarge", 0)(aws)
    (finding,) = bad(check(aws))
    assert finding.status == "failed"
    assert "what other endpoints use is unknown" in finding.found


def test_endpoints_that_failed_or_go_or_are_gone_use_nothing(aws):
    aws.endpoints = {
        "failed": running(9, status="Failed"),
        "going": running(9, status="Deleting"),
        "gone": running(9),
    }
    described = aws.DescribeEndpoint
    aws.answers["DescribeEndpoint"] = lambda EndpointName: described(  # noqa: N803
        "nothing" if EndpointName == "gone" else EndpointName
    )
    assert bad(check(aws, environment(scaling=SCALING))) == []


def test_a_quota_that_was_never_raised_is_the_default(aws):
    code = load_catalog().instance_type("ml.g5.4xlarge").quota_code
    del aws.quotas[code]
    aws.answers["GetAWSDefaultServiceQuota"] = {"Quota": {"QuotaCode": code, "Value": 2.0}}
    assert bad(check(aws)) == []


def test_a_type_without_a_quota_code_is_unknown(aws):
    described = environment(operations=None)
    endpoint = described.endpoint.model_copy(update={"instance_types": ("ml.g9.xlarge",)})
    finding, cost = bad(check(aws, described.model_copy(update={"endpoint": endpoint})))
    assert (finding.status, finding.name) == ("unknown", "quota of ml.g9.xlarge")
    assert (cost.status, cost.name) == ("unknown", "monthly cost")
    assert "for endpoint usage" in finding.remedy


def test_bedrock_and_the_marketplace_are_asked_in_their_regions(aws):
    check(aws, optimized(region="eu-west-1"))
    assert aws.regions["SearchAgreements"] == "us-east-1"
    assert aws.regions["DescribeModelPackage"] == "eu-west-1"
    other = bedrock().model_copy(update={"region": "eu-west-1", "model": bedrock(region="us-west-2").model})
    check(aws, other)
    assert aws.regions["GetFoundationModel"] == "us-west-2"


PROFILED = next(found for found in load_bedrock_catalog().models.values() if found.inference_profile)


@pytest.mark.parametrize(
    ("answer", "status", "found"),
    [
        ("ACTIVE", "ok", "active in us-west-2"),
        (refused("ResourceNotFoundException", "no profile"), "failed", "not there: no profile"),
        (refused("AccessDeniedException"), "unknown", "bedrock:GetInferenceProfile was denied"),
    ],
)
def test_models_with_an_inference_profile_need_it_in_their_region(aws, answer, status, found):
    described = bedrock(inpaint_model_id=PROFILED.model_id)
    profile_id = PROFILED.inference_profile.profile_id
    if answer == "ACTIVE":
        answer = {
            "inferenceProfileName": "us",
            "inferenceProfileArn": f"arn:aws:bedrock:us-west-2:{ACCOUNT}:inference-profile/{profile_id}",
            "inferenceProfileId": profile_id,
            "models": [{"modelArn": "arn:aws:bedrock:us-west-2::foundation-model/x.y"}],
            "status": "ACTIVE",
            "type": "SYSTEM_DEFINED",
        }
    aws.answers["GetInferenceProfile"] = answer
    (finding,) = [finding for finding in check(aws, described) if finding.name == f"inference profile {profile_id}"]
    assert finding.status == status
    assert found in finding.found


def test_a_profiled_model_that_lives_in_other_regions_is_no_failure(aws):
    aws.answers["GetInferenceProfile"] = refused("AccessDenied")
    aws.answers["GetFoundationModel"] = lambda modelIdentifier: (  # noqa: N803
        refused("ValidationException") if modelIdentifier == PROFILED.model_id else aws.GetFoundationModel(CORE)
    )
    findings = bad(check(aws, bedrock(inpaint_model_id=PROFILED.model_id)))
    assert {finding.status for finding in findings} == {"unknown"}


def test_an_imported_model_is_looked_up(aws):
    arn = f"arn:aws:bedrock:us-west-2:{ACCOUNT}:imported-model/abcdefghijkl"
    described = bedrock(model_id="stability.stable-diffusion-xl-v1", imported_model_arn=arn)
    aws.answers["GetImportedModel"] = {"modelArn": arn}
    assert bad(check(aws, described)) == []
    aws.answers["GetImportedModel"] = refused("ResourceNotFoundException", "no such model")
    (finding,) = bad(check(aws, described))
    assert (finding.status, finding.name) == ("failed", "imported model")


def test_without_the_flag_no_quota_is_requested(aws):
    _quota("ml.g5.4xlarge", 0)(aws)
    check(aws)
    assert aws.called("RequestServiceQuotaIncrease") == []


def test_a_short_quota_is_requested_once_asked_to_and_stays_failed(aws):
    _quota("ml.g5.4xlarge", 1)(aws)
    (finding,) = bad(check(aws, environment(scaling=SCALING), request_quota=True))
    (sent,) = aws.called("RequestServiceQuotaIncrease")
    code = load_catalog().instance_type("ml.g5.4xlarge").quota_code
    assert sent == {"ServiceCode": "sagemaker", "QuotaCode": code, "DesiredValue": 4.0}
    assert finding.status == "failed"
    assert "Requested 4 just now (req-1, PENDING)" in finding.remedy


@pytest.mark.parametrize("status", ["PENDING", "CASE_OPENED"])
def test_nothing_is_requested_twice(aws, status):
    _quota("ml.g5.4xlarge", 1)(aws)
    aws.quota_requests = [
        {"Id": "old", "Status": "DENIED", "DesiredValue": 9.0},
        {"Id": "req-0", "Status": status, "DesiredValue": 2.0},
    ]
    (finding,) = bad(check(aws, environment(scaling=SCALING), request_quota=True))
    assert aws.called("RequestServiceQuotaIncrease") == []
    assert f"A request for 2 is open (req-0, {status})" in finding.remedy
    assert "less than the 4 wanted" in finding.remedy


def test_nothing_is_requested_when_open_requests_cannot_be_seen(aws):
    _quota("ml.g5.4xlarge", 0)(aws)
    aws.answers["ListRequestedServiceQuotaChangeHistoryByQuota"] = refused("AccessDeniedException")
    (finding,) = bad(check(aws, request_quota=True))
    assert aws.called("RequestServiceQuotaIncrease") == []
    assert "Allow servicequotas:ListRequestedServiceQuotaChangeHistoryByQuota" in finding.remedy


def test_nothing_is_requested_in_another_account(aws):
    _quota("ml.g5.4xlarge", 0)(aws)
    aws.answers["GetCallerIdentity"] = {"Account": "999999999999"}
    check(aws, request_quota=True)
    assert [name for name, _ in aws.calls] == ["GetCallerIdentity"]


def test_a_request_that_is_refused_says_so(aws):
    _quota("ml.g5.4xlarge", 0)(aws)
    aws.answers["RequestServiceQuotaIncrease"] = refused("AccessDeniedException", "not you")
    (finding,) = bad(check(aws, request_quota=True))
    assert finding.status == "failed"
    assert "The request failed: servicequotas:RequestServiceQuotaIncrease" in finding.remedy


def test_a_quota_that_is_never_raised_is_not_asked_for(aws):
    aws.answers["GetServiceQuota"] = {"Quota": {"Value": 0.0, "Adjustable": False}}
    findings = bad(check(aws, request_quota=True))
    assert findings
    assert all("not raised on request" in finding.remedy for finding in findings)
    assert aws.called("RequestServiceQuotaIncrease") == []


@pytest.fixture
def run(aws, monkeypatch):
    monkeypatch.setattr(command, "make_session", lambda *_: aws)
    monkeypatch.setattr(command, "load_named_environment", lambda name: environment(scaling=SCALING))
    return lambda *arguments: CliRunner().invoke(app, ["preflight", *arguments])


def test_the_command_on_a_clean_account(run):
    result = run("--env", "dev")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "status\tcheck\tfound\twhat to do"
    assert all(line.count("\t") == 3 and line.startswith("ok\t") for line in lines[1:])
    assert "\x1b" not in result.output


def test_the_command_fails_with_what_failed(run, aws):
    _quota("ml.g5.4xlarge", 0)(aws)
    result = run()
    assert result.exit_code == 1
    assert "failed\tquota of ml.g5.4xlarge\t0 (L-" in result.stdout
    assert "1 failed" in result.stderr


def test_warnings_and_unknown_do_not_fail_the_command(run, aws):
    aws.answers["GetRole"] = refused("NoSuchEntity")
    aws.answers["HeadObject"] = refused("403")
    result = run()
    assert result.exit_code == 0
    assert "1 warning, 1 unknown" in result.stderr


def test_json_for_pipelines(run, aws):
    _quota("ml.g5.4xlarge", 1)(aws)
    result = run("--json")
    assert result.exit_code == 1
    content = json.loads(result.stdout)
    assert (content["ok"], content["account"], content["region"]) == (False, ACCOUNT, "us-east-1")
    assert content["counts"] == {"ok": len(content["findings"]) - 1, "warning": 0, "failed": 1, "unknown": 0}
    (failed,) = [finding for finding in content["findings"] if finding["status"] == "failed"]
    assert (failed["details"]["current"], failed["details"]["wanted"]) == (1.0, 4)
    assert failed["details"]["command"].startswith("aws service-quotas request-service-quota-increase")


@pytest.mark.parametrize(("variable", "has_colour"), [("FORCE_COLOR", True), ("NO_COLOR", False)])
def test_a_terminal_gets_a_table_in_colour_unless_it_wants_none(run, aws, monkeypatch, variable, has_colour):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv(variable, "1")
    _quota("ml.g5.4xlarge", 0)(aws)
    result = run()
    assert "→ Ask for more" in result.stdout
    assert ("\x1b[31m" in result.stdout) == has_colour


def test_a_wrong_environment_file_is_a_wrong_argument(tmp_path):
    result = CliRunner().invoke(app, ["preflight", "--env", "nowhere"])
    assert result.exit_code == 2


def test_a_profile_that_is_not_there_is_one_clear_error(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    result = CliRunner().invoke(app, ["preflight"])
    assert result.exit_code == 1
    assert "nobody" in result.stderr


def test_the_page_lists_every_action():
    page = DOCS.read_text()
    section = page[page.index("## Permissions") :]
    rows = dict(re.findall(r"^\| `([\w-]+:\w+)` \| (.*) \|$", section, flags=re.MULTILINE))
    assert rows == {name: what for name, (_, _, what) in (*READ_ACTIONS.items(), *WRITE_ACTIONS.items())}


def test_the_actions_that_only_read_only_read():
    assert {re.split(r"(?<=[a-z])(?=[A-Z])", name.split(":")[1])[0] for name in READ_ACTIONS} <= {
        "Get",
        "List",
        "Describe",
        "Search",
        "Batch",
    }


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
