"""What an environment adds to the VPC that it is put into: security groups, and VPC endpoints.

The resources are L1. An environment file names VPC, subnets and route tables by their ids, and the CDK's own constructs
take a VPC whose availability zones and route tables are known. Their groups also write each rule to a prefix list as a
separate resource, so that an update would close the group for a moment.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import aws_cdk as cdk
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.catalog import load_catalog
from stacks.constructs.asynchronous_results import PREFIX as ASYNCHRONOUS_PREFIX
from stacks.constructs.model_access import BedrockModelAccess
from stacks.constructs.model_container import InferenceContainer
from stacks.constructs.vpc import VpcConfig, VpcEndpoints
from stacks.environment import BedrockModel, Environment, Network, OpenModel
from stacks.storage_stack import IDEMPOTENCY_ACTIONS, IMAGES_ACTIONS, LOAD_ACTIONS, StorageStack


def network_stack_is_needed(network: Network) -> bool:
    """Return whether there is anything to create in the VPC."""
    return network.vpc_endpoints == "create" or not network.security_group_ids


def existing_vpc_config(network: Network) -> VpcConfig:
    """Return the VPC config of functions and model in security groups that exist."""
    return VpcConfig(subnet_ids=network.subnet_ids, security_group_ids=network.security_group_ids)


class NetworkStack(cdk.Stack):
    """Security groups and VPC endpoints of `environment`, whose VPC configs are `functions` and `model`.

    The model's containers are isolated: SageMaker fetches the artifact through the subnets, and pulls the image, writes
    the log and takes requests by itself (SageMaker Developer Guide, "Run Training and Inference Containers in
    Internet-Free Mode"; ImageConfig, RepositoryAccessMode). Lambda writes log and traces outside of the VPC, and S3 and
    DynamoDB call KMS themselves. So the functions' calls of model, S3 and DynamoDB are all that needs a way, and of KMS
    where images are signed.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        network: Network,
        storage: StorageStack,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: security groups and VPC endpoints", tags=tags)
        endpoints = None
        if network.vpc_endpoints == "create":
            endpoints = self._add_vpc_endpoints(environment, network, storage)
        if network.security_group_ids:
            self.functions = self.model = existing_vpc_config(network)
            if endpoints is not None:
                for number, group in enumerate(network.security_group_ids, start=1):
                    endpoints.allow_from(f"From{number}", group)
            return
        functions = self._add_group("FunctionsGroup", "functions", network, endpoints)
        self.functions = VpcConfig(subnet_ids=network.subnet_ids, security_group_ids=(functions.attr_group_id,))
        self.model = self.functions
        if isinstance(environment.model, OpenModel):
            model = self._add_group("ModelGroup", "model, whose artifact comes from S3", network)
            self.model = VpcConfig(subnet_ids=network.subnet_ids, security_group_ids=(model.attr_group_id,))
        if endpoints is not None:
            endpoints.allow_from("FromFunctions", functions.attr_group_id)

    def _add_group(
        self, construct_id: str, members: str, network: Network, endpoints: VpcEndpoints | None = None
    ) -> ec2.CfnSecurityGroup:
        """Add a group that lets nothing in, and lets HTTPS out to where its members' calls go."""
        # S3 and DynamoDB have public addresses behind their gateway endpoints. AWS's lists of them are known by an id
        # that only the account can read; without these, the route tables decide where port 443 leads.
        rules = [
            _https("HTTPS to S3 and DynamoDB", destination_prefix_list_id=one) for one in network.prefix_list_ids
        ] or [_https("HTTPS to where the route tables lead", cidr_ip="0.0.0.0/0")]
        if endpoints is not None and network.prefix_list_ids:
            group_id = endpoints.group.attr_group_id
            rules.append(_https("HTTPS to the VPC endpoints", destination_security_group_id=group_id))
        return ec2.CfnSecurityGroup(
            self,
            construct_id,
            group_description=f"SDXL: {members}",
            vpc_id=network.vpc_id,
            security_group_egress=rules,
        )

    def _add_vpc_endpoints(self, environment: Environment, network: Network, storage: StorageStack) -> VpcEndpoints:
        endpoints = VpcEndpoints(self, "Endpoints", vpc_id=network.vpc_id)
        answers = self._statement(sorted((*IDEMPOTENCY_ACTIONS, *LOAD_ACTIONS)), [storage.idempotency.table_arn])
        for service, statements in {"s3": self._s3(environment, storage), "dynamodb": [answers]}.items():
            endpoints.add_gateway(service, statements=statements, route_table_ids=network.route_table_ids)
        interfaces = self._model(environment)
        if storage.signing_key is not None:
            # The function signs with KMS itself.
            interfaces["kms"] = self._statement(["kms:Sign"], [storage.signing_key.key_arn])
        for service, statement in interfaces.items():
            endpoints.add_interface(service, statements=[statement], subnet_ids=network.subnet_ids)
        return endpoints

    def _s3(self, environment: Environment, storage: StorageStack) -> Iterator[iam.PolicyStatement]:
        """The function's images, and the artifact of a model that SageMaker fetches through the subnets."""
        yield self._statement(list(IMAGES_ACTIONS), [storage.image_objects_arn])
        if environment.endpoint.mode == "asynchronous":
            requests = storage.images.arn_for_objects(f"{ASYNCHRONOUS_PREFIX}*")
            yield self._statement(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], [requests])
        if isinstance(environment.model, OpenModel):
            found = load_catalog().open_container(environment.region)
            container = InferenceContainer(image_uri=found.image_uri, model_data_url=found.model_data_url)
            for action, resource in container.artifact_permissions(self.partition):
                yield self._statement([action], [resource])

    def _model(self, environment: Environment) -> dict[str, iam.PolicyStatement]:
        model = environment.model
        if isinstance(model, BedrockModel):
            access = BedrockModelAccess(model=model, account=environment.account, region=environment.region)
            return {"bedrock-runtime": self._statement(["bedrock:InvokeModel"], access.invoked_arns)}
        arn = self.format_arn(service="sagemaker", resource="endpoint", resource_name=f"sdxl-{environment.name}")
        invoke, called = "sagemaker:InvokeEndpoint", [arn]
        if environment.endpoint.mode == "asynchronous":
            invoke = "sagemaker:InvokeEndpointAsync"
        elif environment.endpoint.mode == "components":
            name = f"sdxl-{environment.name}"
            called.append(self.format_arn(service="sagemaker", resource="inference-component", resource_name=name))
        return {
            "sagemaker.runtime": self._statement([invoke], called),
            "sagemaker.api": self._statement(["sagemaker:DescribeEndpoint"], [arn]),
        }

    def _statement(self, actions: list[str], resources: list[str]) -> iam.PolicyStatement:
        """Return a statement of a VPC endpoint's policy: `actions` on `resources` for callers of this account."""
        return iam.PolicyStatement(
            principals=[iam.AnyPrincipal()],
            actions=actions,
            resources=resources,
            conditions={"StringEquals": {"aws:PrincipalAccount": self.account}},
        )


def _https(description: str, **destination: str) -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="tcp", from_port=443, to_port=443, description=description, **destination
    )
