"""What an environment adds to the VPC that it is put into: security groups, and VPC endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from stacks.catalog import load_catalog
from stacks.constructs.arn import local_arn, partition
from stacks.constructs.bedrock_model import BedrockModelAccess
from stacks.constructs.model_container import InferenceContainer
from stacks.constructs.placement import Placement
from stacks.constructs.statement import Statement, allow, resources_of
from stacks.constructs.vpc_endpoints import HTTPS, VpcEndpoints
from stacks.environment import BedrockModel, Environment, Network, OpenModel
from stacks.storage_stack import StorageStack


def is_needed(network: Network) -> bool:
    """Whether there is anything to make in the VPC."""
    return network.vpc_endpoints == "create" or not network.security_group_ids


def existing_placement(network: Network) -> Placement:
    """Functions and model in security groups that are there."""
    return Placement(subnet_ids=network.subnet_ids, security_group_ids=network.security_group_ids)


class NetworkStack(cdk.Stack):
    """Security groups and VPC endpoints of `environment`; `functions` and `model` say where what is deployed goes.

    The model's containers are isolated: SageMaker fetches the artifact through the subnets, and pulls the image, writes
    the log and takes requests by itself (SageMaker Developer Guide, "Run Training and Inference Containers in
    Internet-Free Mode"; ImageConfig, RepositoryAccessMode). Lambda writes log and traces outside of the VPC, and S3 and
    DynamoDB call KMS themselves. So the functions' calls of model, S3 and DynamoDB are all that needs a way.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: Network,
        storage: StorageStack,
        images_prefix: str,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: security groups and VPC endpoints", tags=tags)
        endpoints = None
        if network.vpc_endpoints == "create":
            endpoints = VpcEndpoints(
                self,
                "Endpoints",
                vpc_id=network.vpc_id,
                subnet_ids=network.subnet_ids,
                route_table_ids=network.route_table_ids,
                gateways={
                    "s3": _s3_statements(environment, storage, images_prefix),
                    "dynamodb": [storage.idempotency.access()],
                },
                interfaces=self._model_statements(environment),
            )
        if network.security_group_ids:
            self.functions = self.model = existing_placement(network)
            if endpoints is not None:
                for number, group in enumerate(network.security_group_ids, start=1):
                    endpoints.let_in(f"From{number}", group)
            return
        has_model = isinstance(environment.model, OpenModel)
        functions = self._group("FunctionsGroup", "functions", network, endpoints)
        self.functions = Placement(subnet_ids=network.subnet_ids, security_group_ids=(functions,))
        model = self._group("ModelGroup", "model, whose artifact comes from S3", network) if has_model else functions
        self.model = Placement(subnet_ids=network.subnet_ids, security_group_ids=(model,))
        if endpoints is not None:
            endpoints.let_in("FromFunctions", functions)

    def _group(self, construct_id: str, members: str, network: Network, endpoints: VpcEndpoints | None = None) -> str:
        """A group into which nothing comes, and out of which HTTPS goes to where its members' calls lead."""
        # S3 and DynamoDB have public addresses behind their gateway endpoints. AWS's lists of them are known by an id
        # that only the account tells; without these, the route tables decide where port 443 leads.
        out: list[dict[str, Any]] = [
            {**HTTPS, "destination_prefix_list_id": one, "description": "HTTPS to S3 and DynamoDB"}
            for one in network.prefix_list_ids
        ] or [{**HTTPS, "cidr_ip": "0.0.0.0/0", "description": "HTTPS to wherever the route tables lead"}]
        if endpoints is not None and network.prefix_list_ids:
            to_endpoints = {"destination_security_group_id": endpoints.group_id}
            out.append({**HTTPS, **to_endpoints, "description": "HTTPS to the VPC endpoints"})
        group = ec2.CfnSecurityGroup(
            self,
            construct_id,
            group_description=f"SDXL: {members}",
            vpc_id=network.vpc_id,
            security_group_egress=[ec2.CfnSecurityGroup.EgressProperty(**rule) for rule in out],
        )
        return group.attr_group_id

    def _model_statements(self, environment: Environment) -> dict[str, list[Statement]]:
        model = environment.model
        if isinstance(model, BedrockModel):
            access = BedrockModelAccess(model=model, account=environment.account, region=environment.region)
            arns = [arn for statement in access.invoke_statements() for arn in resources_of(statement)]
            return {"bedrock-runtime": [{"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": arns}]}
        arn = local_arn(self, "sagemaker", f"endpoint/sdxl-{environment.name}")
        return {
            "sagemaker.runtime": [allow(["sagemaker:InvokeEndpoint"], [arn])],
            "sagemaker.api": [allow(["sagemaker:DescribeEndpoint"], [arn])],
        }


def _s3_statements(environment: Environment, storage: StorageStack, images_prefix: str) -> list[Statement]:
    """The function's images, and the artifact of a model that SageMaker fetches through the subnets."""
    images = storage.images.access(images_prefix)
    if not isinstance(environment.model, OpenModel):
        return [images]
    found = load_catalog().open_container(environment.region)
    container = InferenceContainer(image_uri=found.image_uri, model_data_url=found.model_data_url)
    reads = container.artifact_permissions(partition(storage))
    return [images, *(allow([action], [resource]) for action, resource in reads)]
