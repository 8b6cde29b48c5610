"""Settings that ask for a service in a region that lacks it, and partitions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from stacks.catalog import load_catalog
from stacks.catalog.service_regions import load_service_regions
from stacks.environment import EnvironmentFileError, load_environment

OPERATIONS = "operations: {emails: [ops@corp.example]"
OPEN = "model: {source: open}\n"
PACKAGE = "model: {source: optimized, model_package_arn: 'arn:%s:sagemaker:%s:111122223333:model-package/own'}\n"


def load(tmp_path: Path, region: str, text: str) -> Any:
    file = tmp_path / "test.yaml"
    file.write_text(f'account: "111122223333"\nregion: {region}\n{text}')
    return load_environment(file)


@pytest.mark.parametrize(
    ("region", "text", "field", "what"),
    [
        ("eu-north-1", f"{OPEN}{OPERATIONS}, budget: {{monthly_usd: 5}}}}", "operations.budget", "a budget"),
        (
            "us-gov-west-1",
            PACKAGE % ("aws-us-gov", "us-gov-west-1") + "operations: {slack: {workspace_id: T0, channel_id: C0}}",
            "operations.slack",
            "alarms in a Slack channel",
        ),
        (
            "eu-west-3",
            f"{OPEN}endpoint: {{instance_types: [ml.g5.4xlarge, ml.g5.8xlarge]}}",
            "endpoint.instance_types",
            "instance pools",
        ),
        (
            "cn-north-1",
            PACKAGE % ("aws-cn", "cn-north-1") + "api: {auth: {mode: cognito, callback_urls: ['https://a.example/']}}",
            "api.auth.mode",
            "user pools",
        ),
        ("us-gov-east-1", PACKAGE % ("aws-us-gov", "us-gov-east-1"), "region", "an endpoint of SageMaker"),
    ],
)
def test_setting_is_refused_where_the_region_lacks_the_service(
    tmp_path: Path, region: str, text: str, field: str, what: str
) -> None:
    with pytest.raises(EnvironmentFileError) as error:
        load(tmp_path, region, text)

    problems = {problem.field: problem for problem in error.value.problems}
    assert list(problems) == [field]
    assert f"{region!r} does not have {what}" in problems[field].text
    assert problems[field].allowed
    assert problems[field].remedy


@pytest.mark.parametrize("region", load_catalog().regions("open"))
def test_smallest_file_loads_in_every_region_of_the_catalog_with_endpoints(tmp_path: Path, region: str) -> None:
    if load_service_regions()["sagemaker_endpoints"].offers(region):
        assert load(tmp_path, region, OPEN).region == region
    else:
        with pytest.raises(EnvironmentFileError, match="an endpoint of SageMaker"):
            load(tmp_path, region, OPEN)


@pytest.mark.parametrize(
    ("partition", "region"), [("aws-cn", "cn-north-1"), ("aws-cn", "cn-northwest-1"), ("aws-us-gov", "us-gov-west-1")]
)
def test_own_package_loads_in_the_other_partitions(tmp_path: Path, partition: str, region: str) -> None:
    assert load(tmp_path, region, PACKAGE % (partition, region)).region == region


@pytest.mark.parametrize("region", ["us-gov-west-1", "cn-north-1"])
def test_regions_of_another_partition_are_not_suggested(tmp_path: Path, region: str) -> None:
    with pytest.raises(EnvironmentFileError) as error:
        load(tmp_path, region, OPEN)

    (problem,) = error.value.problems
    assert "did you mean" not in str(problem.remedy)
    assert "model.model_package_arn" in str(problem.remedy)
