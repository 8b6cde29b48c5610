"""Everything that one account and region gets, in the order in which it is deployed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from stacks.api_stack import ApiStack
from stacks.constructs.model_access import BedrockModelAccess, ModelAccess
from stacks.constructs.vpc import VpcConfig
from stacks.environment import BedrockModel, Environment, OpenModel
from stacks.inference_stack import InferenceStack
from stacks.network_stack import NetworkStack, existing_vpc_config, network_stack_is_needed
from stacks.operations_stack import OperationsStack
from stacks.storage_stack import StorageStack


class SdxlStage(cdk.Stage):
    """One environment. `layer_archive` is the zip archive of the image function's layer, which `make layer` builds.

    `signing_layer_archive` is that of the layer with which images are signed: an environment that signs needs it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        layer_archive: Path,
        signing_layer_archive: Path | None = None,
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            env=cdk.Environment(account=environment.account, region=environment.region),
            permissions_boundary=permissions_boundary(environment.organization.permissions_boundary),
        )
        tags = environment.all_tags
        self.storage = StorageStack(
            self,
            "Storage",
            storage=environment.storage,
            has_alarms=environment.operations is not None,
            models_in_vpc=environment.network is not None and isinstance(environment.model, OpenModel),
            content_credentials=environment.api.content_credentials,
            tags=tags,
        )
        self.network: NetworkStack | None = None
        functions, models = self._add_network(environment, tags)
        # Bedrock serves its models itself: then there is no endpoint, and nothing that costs while idle.
        self.inference: InferenceStack | None = None
        model: ModelAccess
        if isinstance(environment.model, BedrockModel):
            model = BedrockModelAccess(model=environment.model, account=environment.account, region=environment.region)
        else:
            self.inference = InferenceStack(
                self,
                "Inference",
                environment=environment,
                key=self.storage.key,
                images=self.storage.images,
                execution_role=self.storage.execution_role,
                vpc_config=models,
                tags=tags,
            )
            model = self.inference.endpoint
        self.api = ApiStack(
            self,
            "Api",
            environment=environment,
            storage=self.storage,
            model=model,
            layer_archive=layer_archive,
            signing_layer_archive=signing_layer_archive,
            vpc_config=functions,
            tags=tags,
        )
        if self.network is not None:
            # Subnets and groups that exist already carry no reference.
            for stack in (self.inference, self.api):
                if stack is not None:
                    stack.add_stack_dependency(self.network, "calls go through its VPC endpoints")
        if self.inference is not None:
            # The endpoint is known by its name, which no reference carries from stack to stack.
            self.api.add_stack_dependency(self.inference, "the function calls the endpoint")
        self.operations: OperationsStack | None = None
        if environment.operations is not None:
            self.operations = OperationsStack(
                self,
                "Operations",
                environment=environment,
                operations=environment.operations,
                api=self.api,
                key=self.storage.key,
                tags=tags,
            )
            if self.inference is not None:
                self.operations.add_stack_dependency(self.inference, "the alarms watch the endpoint")

    def _add_network(
        self, environment: Environment, tags: Mapping[str, str]
    ) -> tuple[VpcConfig | None, VpcConfig | None]:
        """Return the VPC configs of functions and models, after adding what has to be created for them."""
        settings = environment.network
        if settings is None:
            return None, None
        if not network_stack_is_needed(settings):
            vpc_config = existing_vpc_config(settings)
            return vpc_config, vpc_config
        self.network = NetworkStack(
            self, "Network", environment=environment, network=settings, storage=self.storage, tags=tags
        )
        self.network.add_stack_dependency(self.storage, "the role removes the interfaces that are in the groups")
        return self.network.functions, self.network.model


def permissions_boundary(policy: str | None) -> cdk.PermissionsBoundary | None:
    """Return what bounds every role of a stage or stack, those that the CDK creates included.

    `policy` is the name or ARN of the managed policy; None: nothing bounds them.
    """
    if policy is None:
        return None
    from_arn, from_name = cdk.PermissionsBoundary.from_arn, cdk.PermissionsBoundary.from_name
    return from_arn(policy) if policy.startswith("arn:") else from_name(policy)
