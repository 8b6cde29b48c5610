"""Templates for the partitions of China and GovCloud: what AWS names otherwise there, and what it does not have."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

import pytest
from infrastructure_synthesis import Template, make_environment, resources, synthesize, the

ACCOUNT = "111122223333"
NETWORK = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
    "vpc_endpoints": "create",
    "route_table_ids": ["rtb-0123456789abcdef0"],
}
PLACES = [("aws-cn", "cn-north-1", "amazonaws.com.cn"), ("aws-us-gov", "us-gov-west-1", "amazonaws.com")]


@dataclass(frozen=True)
class Place:
    """A partition, one of its regions, the suffix of AWS's domain names there, and templates for that region."""

    partition: str
    region: str
    suffix: str
    templates: Mapping[str, Template]


@pytest.fixture(scope="module", params=PLACES, ids=[region for _, region, _ in PLACES])
def place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Place:
    partition, region, suffix = request.param
    package = f"arn:{partition}:sagemaker:{region}:{ACCOUNT}:model-package/own"
    environment = make_environment(
        region=region,
        model={"source": "optimized", "model_package_arn": package},
        api={"waf": {}},
        network=NETWORK,
    )
    directory = tmp_path_factory.mktemp(region) / "cdk.out"
    return Place(partition, region, suffix, synthesize(directory, environment).templates["test"])


def test_templates_speak_of_their_own_partition(place: Place) -> None:
    text = json.dumps(place.templates)

    assert '"arn:aws:' not in text
    assert f'"arn:{place.partition}:' in text


def test_functions_start_without_snapstart(place: Place) -> None:
    api = place.templates["Api"]

    assert [one for one in resources(api, "AWS::Lambda::Function").values() if "SnapStart" in one["Properties"]] == []
    assert the(api, "AWS::Lambda::Alias")["Name"] == "live"


def test_key_lets_logs_and_callers_of_the_partition_use_it(place: Place) -> None:
    statements = the(place.templates["Storage"], "AWS::KMS::Key")["KeyPolicy"]["Statement"]
    principals = [statement["Principal"] for statement in statements]

    assert {"Service": f"logs.{place.region}.{place.suffix}"} in principals
    assert f'"s3.{place.region}.{place.suffix}"' in json.dumps(place.templates["Api"])


def test_vpc_endpoints_have_the_names_of_the_partition(place: Place) -> None:
    prefix = "cn.com.amazonaws" if place.partition == "aws-cn" else "com.amazonaws"
    endpoints = resources(place.templates["Network"], "AWS::EC2::VPCEndpoint").values()

    assert {one["Properties"]["ServiceName"] for one in endpoints} == {
        f"com.amazonaws.{place.region}.s3",
        f"com.amazonaws.{place.region}.dynamodb",
        f"{prefix}.{place.region}.sagemaker.api",
        f"{prefix}.{place.region}.sagemaker.runtime",
    }
