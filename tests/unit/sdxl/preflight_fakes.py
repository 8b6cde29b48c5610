"""An AWS account in memory for the tests of `sdxl preflight`, and what plants a fault in it."""

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime

import boto3
from botocore.exceptions import ClientError
from botocore.validate import validate_parameters

from sdxl.preflight import Account, preflight
from stacks.catalog import load_catalog
from stacks.environment import Environment

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
        # Physical ids by stack, and templates.
        self.resources: dict[str, list[str]] = {}
        self.templates: dict[str, dict] = {}
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

    def ListStackResources(self, StackName):  # noqa: N802, N803
        return {
            "StackResourceSummaries": [
                {
                    "LogicalResourceId": f"R{number}",
                    "PhysicalResourceId": name,
                    "ResourceType": "AWS::CloudFormation::CustomResource",
                    "LastUpdatedTimestamp": NOW,
                    "ResourceStatus": "CREATE_COMPLETE",
                }
                for number, name in enumerate(self.resources.get(StackName, ()))
            ]
        }

    def GetTemplate(self, StackName):  # noqa: N802, N803
        return {"TemplateBody": json.dumps(self.templates.get(StackName, {"Resources": {}}))}

    def GetParameter(self, Name):  # noqa: N802, N803
        return {"Parameter": {"Name": Name, "Value": "33"}}

    def GetAccount(self):  # noqa: N802
        return {}

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


def check(aws: FakeAws, described: Environment | None = None, **options):
    return list(preflight(Account(described or environment(), aws), **options))


def bad(findings):
    return [finding for finding in findings if finding.status != "ok"]


def running(
    count: int, *, instance_type: str = "ml.g5.4xlarge", desired: int | None = None, name: str = "v", **more
) -> dict:
    variant = {"VariantName": name, "InstanceType": instance_type, "InitialInstanceCount": 1}
    live = {"VariantName": name, "CurrentInstanceCount": count, "DesiredInstanceCount": desired or count}
    return {"variants": [variant], "live": [live], **more}


def quota(instance_type: str, value: float):
    return lambda aws: aws.quotas.update({load_catalog().instance_type(instance_type).quota_code: value})


def no_quota(instance_type: str):
    return lambda aws: aws.quotas.pop(load_catalog().instance_type(instance_type).quota_code)


def answer(operation: str, answer: object):
    return lambda aws: aws.answers.update({operation: answer})


def stack(name: str, status: str | None):
    return lambda aws: aws.stacks.pop(name) if status is None else aws.stacks.update({name: status})


def other_endpoints(**endpoint):
    return lambda aws: aws.endpoints.update({"small": running(1, instance_type="ml.m5.large"), "other": endpoint})


def assert_found(aws: FakeAws, plant, described: Environment, expected: tuple[str, str, str, str]) -> None:
    """Assert that the planted fault is the one finding, with its status, check, text and remedy."""
    status, name, found, remedy = expected
    plant(aws)
    first = bad(check(aws, described))[0]
    assert (first.status, first.name) == (status, name)
    assert re.search(found, first.found), first.found
    assert remedy in first.remedy, first.remedy
    # With the wrong credentials, a second finding says that nothing else was looked at.
    others = [finding.name for finding in bad(check(aws, described)) if finding.name != name]
    assert others == (["everything else"] if name == "credentials" else [])
