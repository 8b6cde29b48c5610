"""Everything that one account and region gets, in the order in which it is deployed."""

from __future__ import annotations

from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from stacks.api_stack import ApiStack
from stacks.constructs.bedrock_model import BedrockModelAccess
from stacks.constructs.model_access import ModelAccess
from stacks.environment import BedrockModel, Environment
from stacks.inference_stack import InferenceStack
from stacks.operations_stack import OperationsStack
from stacks.storage_stack import StorageStack
from tools.build_layer import layer_archive as built_layer_archive


class SdxlStage(cdk.Stage):
    """One environment. `layer_archive` is the functions' layer; by default the one that `make layer` builds."""

    def __init__(
        self, scope: Construct, construct_id: str, *, environment: Environment, layer_archive: Path | None = None
    ) -> None:
        super().__init__(
            scope, construct_id, env=cdk.Environment(account=environment.account, region=environment.region)
        )
        tags = environment.all_tags
        self.storage = StorageStack(
            self, "Storage", storage=environment.storage, has_alarms=environment.operations is not None, tags=tags
        )
        # Bedrock serves its models itself: then there is no endpoint, and nothing that costs while idle.
        self.inference: InferenceStack | None = None
        model: ModelAccess
        if isinstance(environment.model, BedrockModel):
            model = BedrockModelAccess(model=environment.model, account=environment.account, region=environment.region)
        else:
            self.inference = InferenceStack(
                self, "Inference", environment=environment, key_arn=self.storage.key_arn, tags=tags
            )
            model = self.inference.endpoint
        self.api = ApiStack(
            self,
            "Api",
            environment=environment,
            storage=self.storage,
            model=model,
            layer_archive=built_layer_archive() if layer_archive is None else layer_archive,
            tags=tags,
        )
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
                key_arn=self.storage.key_arn,
                tags=tags,
            )
            if self.inference is not None:
                self.operations.add_stack_dependency(self.inference, "the alarms watch the endpoint")
