"""The settings of the section `network`: the subnets of a VPC that functions and model are put into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, Field, model_validator

from stacks.environment.problems import SettingProblem, raise_problems
from stacks.environment.section import Section
from stacks.environment.values import (
    PREFIX_LIST_PATTERN,
    ROUTE_TABLE_PATTERN,
    SECURITY_GROUP_PATTERN,
    SUBNET_PATTERN,
    VPC_PATTERN,
    unique,
)

if TYPE_CHECKING:
    from stacks.environment.bedrock import BedrockModel


def _each_once(title: str) -> Callable[[tuple[str, ...]], tuple[str, ...]]:
    def check(ids: tuple[str, ...]) -> tuple[str, ...]:
        if problems := [*unique(ids)]:
            raise_problems(title, problems)
        return ids

    return check


class Network(Section):
    """A VPC that exists already. Functions, and the model where it is not a Marketplace package, are in its subnets."""

    vpc_id: str = Field(pattern=VPC_PATTERN, description="The VPC that the subnets are in.")
    # Lambda, CreateFunction, and SageMaker, VpcConfig: up to 16 subnets and 5 security groups. SageMaker Developer
    # Guide, "Give SageMaker AI Hosted Endpoints Access to Resources in Your Amazon VPC": at least two subnets.
    subnet_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=SUBNET_PATTERN)], ...], Field(min_length=2, max_length=16)],
        AfterValidator(_each_once("subnet_ids")),
    ] = Field(description="Private subnets in at least two availability zones.")
    security_group_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=SECURITY_GROUP_PATTERN)], ...], Field(max_length=5)],
        AfterValidator(_each_once("security_group_ids")),
    ] = Field(
        default=(),
        description="Security groups of functions and model. Left out: made here, open to what they call and nothing "
        "else.",
    )
    vpc_endpoints: Literal["create", "existing"] = Field(
        description="`create`: the VPC endpoints that the environment needs are made with it, and go with it. "
        "`existing`: the VPC has them, or another way to the services."
    )
    route_table_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=ROUTE_TABLE_PATTERN)], ...], Field(max_length=50)],
        AfterValidator(_each_once("route_table_ids")),
    ] = Field(
        default=(),
        description="Route tables of the subnets, for the endpoints of S3 and DynamoDB. With `vpc_endpoints: create`.",
    )
    prefix_list_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=PREFIX_LIST_PATTERN)], ...], Field(max_length=4)],
        AfterValidator(_each_once("prefix_list_ids")),
    ] = Field(
        default=(),
        description="Ids of AWS's prefix lists of S3 and DynamoDB in the region. With them, the security groups made "
        "here open port 443 to these and the VPC endpoints alone; without, to wherever the route tables lead.",
    )

    @model_validator(mode="after")
    def _check(self) -> Network:
        if problems := [*self._problems()]:
            raise_problems("network", problems)
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


def network_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between the section `network` and the model."""
    network, model = sections.get("network"), sections.get("model")
    if network is None or model is None:
        return
    if model.source == "bedrock":
        yield from _bedrock_problems(network, model, sections.get("region"))
        return
    endpoint = sections.get("endpoint")
    others = [] if endpoint is None else [*endpoint.variants, *([endpoint.shadow] if endpoint.shadow else [])]
    sources = {model.source, *(one.model.source for one in others if one.model is not None)}
    if len(sources) > 1:
        yield SettingProblem(
            location=("network",),
            text=f"the endpoint's variants have the sources {' and '.join(sorted(sources))}: a Marketplace package "
            "stays in SageMaker's own network, and an endpoint's models are in one network",
            allowed="one source for all variants",
            remedy="give the variants one model source, or remove network",
        )


def _bedrock_problems(network: Network, model: BedrockModel, region: str | None) -> Iterator[SettingProblem]:
    if network.vpc_endpoints == "create" and model.region not in (None, region):
        yield SettingProblem(
            location=("model", "region"),
            text=f"{model.region!r}, and the VPC endpoints that network creates lead to {region} alone",
            received=model.region,
            allowed=f"{region}, or network.vpc_endpoints existing",
            remedy="remove model.region, or set network.vpc_endpoints to existing where the VPC has a way there",
        )
