"""Settings of networks, own keys and organisations: what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from stacks.environment import EnvironmentFileError, load_environment, load_environments

pytestmark = pytest.mark.disable_socket

BASE: dict[str, Any] = {"account": "111122223333", "region": "us-east-1", "model": {"source": "open"}}
NETWORK: dict[str, Any] = {
    "vpc_id": "vpc-0123456789abcdef0",
    "subnet_ids": ["subnet-0123456789abcdef0", "subnet-0fedcba9876543210"],
    "vpc_endpoints": "create",
    "route_table_ids": ["rtb-0123456789abcdef0"],
}
EXISTING = {key: value for key, value in NETWORK.items() if key != "route_table_ids"} | {"vpc_endpoints": "existing"}
BEDROCK = {"source": "bedrock", "model_id": "stability.sd3-5-large-v1:0", "region": "us-west-2"}
KEY = "arn:aws:kms:us-east-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"
BOUNDARY = {"permissions_boundary": "arn:aws:iam::444455556666:policy/workload"}


def refusal(folder: Path, settings: dict[str, Any], organization: dict[str, Any] | None = None) -> str:
    (folder / "dev.yaml").write_text(yaml.safe_dump({**BASE, **settings}), encoding="utf-8")
    if organization is not None:
        (folder / "organization.yaml").write_text(yaml.safe_dump(organization), encoding="utf-8")
    with pytest.raises(EnvironmentFileError) as caught:
        load_environments(folder)
    return " ".join(str(caught.value).split())


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"network": {**NETWORK, "subnet_ids": ["subnet-0123456789abcdef0"]}}, "network.subnet_ids"),
        ({"network": {**NETWORK, "subnet_ids": ["subnet-0123456789abcdef0"] * 2}}, "stands twice"),
        ({"network": {**NETWORK, "vpc_id": "my-vpc"}}, "the id of a VPC, such as vpc-0123456789abcdef0"),
        (
            {"network": {**NETWORK, "route_table_ids": []}},
            "network.route_table_ids: missing, and vpc_endpoints is 'create': S3 and DynamoDB are reached through",
        ),
        ({"network": {**NETWORK, "vpc_endpoints": "existing"}}, "nothing would be put into them"),
        (
            {"network": {**EXISTING, "prefix_list_ids": ["pl-01234567"]}},
            "prefix lists are given, and no security group is made that they could narrow",
        ),
        (
            {"network": NETWORK, "model": BEDROCK},
            "model.region: 'us-west-2', and the VPC endpoints that network creates lead to us-east-1 alone",
        ),
        (
            {"storage": {"key_arn": KEY.replace("us-east-1", "eu-west-1")}},
            "is of the region eu-west-1, the environment",
        ),
        ({"storage": {"key_arn": KEY.replace("1111", "9999", 1)}}, "is of the account 999922223333, the environment"),
        ({"storage": {"key_arn": "alias/sdxl"}}, "key/<id>, not an alias"),
        ({"storage": {"on_destroy": "snapshot"}}, "keep"),
        ({"organization": {}}, "dev.yaml:4: organization: unknown"),
    ],
)
def test_what_cannot_work_is_refused_with_the_way_out(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    assert words in refusal(tmp_path, settings)


@pytest.mark.parametrize(
    ("tags", "organization", "words"),
    [
        ({}, {"required_tags": {"CostCenter": "any"}}, "add CostCenter to tags"),
        (
            {"costcenter": "1"},
            {"required_tags": {"CostCenter": "any"}},
            "'costcenter' differs in case allowed: CostCenter: any value to do: rename costcenter to CostCenter",
        ),
        (
            {"DataClass": "secret"},
            {"required_tags": {"DataClass": ["internal", "public"]}},
            "tags.DataClass: 'secret' is not a value that organization.yaml allows allowed: internal, public",
        ),
        ({}, BOUNDARY, "permissions_boundary is a policy of 444455556666"),
        ({}, {"permissions_boundry": "workload"}, "organization.yaml:1: permissions_boundry"),
        ({}, {"required_tags": {"CostCenter": []}}, "[] does not say which values the tag may have"),
    ],
)
def test_what_the_organisation_demands_is_refused_where_it_is_missing(
    tmp_path: Path, tags: dict[str, str], organization: dict[str, Any], words: str
) -> None:
    assert words in refusal(tmp_path, {"tags": tags}, organization)


def test_one_file_holds_for_all_environments_and_is_not_an_environment(tmp_path: Path) -> None:
    for name in ("dev", "prod"):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump({**BASE, "tags": {"team": "a"}}), encoding="utf-8")
    demands = {"permissions_boundary": "workload", "required_tags": {"team": ["a", "b"]}}
    (tmp_path / "organization.yaml").write_text(yaml.safe_dump(demands), encoding="utf-8")

    found = load_environments(tmp_path)

    assert [environment.name for environment in found] == ["dev", "prod"]
    assert {environment.organization.permissions_boundary for environment in found} == {"workload"}
    with pytest.raises(EnvironmentFileError, match="holds what the organization demands, and is not an environment"):
        load_environment(tmp_path / "organization.yaml")


def test_without_the_file_nothing_is_demanded(tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(yaml.safe_dump(BASE), encoding="utf-8")

    (environment,) = load_environments(tmp_path)

    assert environment.organization.permissions_boundary is None
    assert environment.network is None
    assert (environment.storage.key_arn, environment.storage.on_destroy) == (None, "keep")
