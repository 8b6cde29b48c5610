"""The section `network`: the subnets of a VPC in which functions and model run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, model_validator

from stacks.environment.values import EACH_ONCE, Section, SettingProblem, described_pattern, raise_problems

_VPC_PATTERN = described_pattern(r"^vpc-[0-9a-f]{8}([0-9a-f]{9})?$", "the id of a VPC, such as vpc-0123456789abcdef0")
_SUBNET_PATTERN = described_pattern(
    r"^subnet-[0-9a-f]{8}([0-9a-f]{9})?$", "the id of a subnet, such as subnet-0123456789abcdef0"
)
_SECURITY_GROUP_PATTERN = described_pattern(
    r"^sg-[0-9a-f]{8}([0-9a-f]{9})?$", "the id of a security group, such as sg-0123456789abcdef0"
)
_ROUTE_TABLE_PATTERN = described_pattern(
    r"^rtb-[0-9a-f]{8}([0-9a-f]{9})?$", "the id of a route table, such as rtb-0123456789abcdef0"
)
_PREFIX_LIST_PATTERN = described_pattern(
    r"^pl-[0-9a-f]{8}([0-9a-f]{9})?$", "the id of a prefix list, such as pl-01234567"
)


class Network(Section):
    """A VPC that exists already. Functions, and the model where it is not a Marketplace package, are in its subnets."""

    vpc_id: str = Field(pattern=_VPC_PATTERN, description="The VPC that the subnets are in.")
    # Lambda, CreateFunction, and SageMaker, VpcConfig: up to 16 subnets and 5 security groups. SageMaker Developer
    # Guide, "Give SageMaker AI Hosted Endpoints Access to Resources in Your Amazon VPC": at least two subnets.
    subnet_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=_SUBNET_PATTERN)], ...], Field(min_length=2, max_length=16)],
        EACH_ONCE,
    ] = Field(description="Private subnets in at least two availability zones.")
    security_group_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=_SECURITY_GROUP_PATTERN)], ...], Field(max_length=5)],
        EACH_ONCE,
    ] = Field(
        default=(),
        description="Security groups of functions and model. Left out: the environment makes them, open to what they "
        "call and nothing else.",
    )
    vpc_endpoints: Literal["create", "existing"] = Field(
        description="`create`: the environment makes the VPC endpoints that it needs, and deletes them with itself. "
        "`existing`: the VPC has them, or another way to the services."
    )
    route_table_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=_ROUTE_TABLE_PATTERN)], ...], Field(max_length=50)],
        EACH_ONCE,
    ] = Field(
        default=(),
        description="Route tables of the subnets, for the endpoints of S3 and DynamoDB. With `vpc_endpoints: create`.",
    )
    prefix_list_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=_PREFIX_LIST_PATTERN)], ...], Field(max_length=4)],
        EACH_ONCE,
    ] = Field(
        default=(),
        description="Ids of AWS's prefix lists of S3 and DynamoDB in the region. With them, the environment's own "
        "security groups open port 443 to these and the VPC endpoints alone; without, to every address that the route "
        "tables lead to.",
    )

    @model_validator(mode="after")
    def _check(self) -> Network:
        raise_problems(self._problems())
        return self

    def _problems(self) -> Iterator[SettingProblem]:
        creates = self.vpc_endpoints == "create"
        if creates and not self.route_table_ids:
            yield SettingProblem(
                location=("route_table_ids",),
                text="missing, and vpc_endpoints is 'create': S3 and DynamoDB are reached through route tables",
                allowed="the route tables of the subnets",
                remedy="add them, or set vpc_endpoints to existing where the VPC has its endpoints",
            )
        if not creates and self.route_table_ids:
            yield SettingProblem(
                location=("route_table_ids",),
                text="route tables are given, and vpc_endpoints is 'existing': nothing would be put into them",
                received=list(self.route_table_ids),
                allowed="route_table_ids with vpc_endpoints create only",
                remedy="remove them, or set vpc_endpoints to create",
            )
        if self.prefix_list_ids and (self.security_group_ids or not creates):
            yield SettingProblem(
                location=("prefix_list_ids",),
                text="prefix lists are given, and no security group is made that they could narrow",
                received=list(self.prefix_list_ids),
                allowed="prefix_list_ids with vpc_endpoints create, and without security_group_ids",
                remedy="remove them; the rules of your own groups and endpoints are yours",
            )
