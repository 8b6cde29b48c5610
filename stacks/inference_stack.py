"""The model and the GPU endpoint that serves it, with its scaling."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import Construct

from stacks.catalog import load_catalog
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.endpoint import SdxlEndpoint
from stacks.constructs.endpoint_scaling import RealTimeScaling
from stacks.constructs.model_container import InferenceContainer, ModelContainer, ModelPackage
from stacks.environment import Environment, OptimizedModel


class InferenceStack(cdk.Stack):
    """Endpoint `sdxl-<environment>` for the environment's model source."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        key_arn: str,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: model and endpoint", tags=tags)
        endpoint_name = f"sdxl-{environment.name}"
        log_group = EncryptedLogGroup(
            self,
            "EndpointLog",
            # SageMaker writes there and nowhere else. Made here, it has a key and a retention.
            name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
            key_arn=key_arn,
            retention_days=environment.storage.log_retention_days,
        )
        instance_types = environment.instance_types
        self.endpoint = SdxlEndpoint(
            self,
            "SdxlEndpoint",
            endpoint_name=endpoint_name,
            container=_container(environment),
            instance_types=instance_types,
            settings=environment.endpoint,
            log_group=log_group,
            is_scaled=environment.scaling is not None,
            volume_key_arn=None if _any_has_nvme(instance_types) else key_arn,
        )
        if environment.scaling is not None:
            RealTimeScaling(self, "Scaling", endpoint=self.endpoint, scaling=environment.scaling)

        cdk.CfnOutput(self, "EndpointName", value=endpoint_name, description="SageMaker endpoint")
        cdk.CfnOutput(self, "ModelSource", value=environment.model.source, description="What the endpoint serves")


def _container(environment: Environment) -> ModelContainer:
    catalog = load_catalog()
    if isinstance(environment.model, OptimizedModel):
        arn = environment.model.model_package_arn
        return ModelPackage(arn=catalog.optimized_package_arn(environment.region) if arn is None else arn)
    found = catalog.open_container(environment.region)
    return InferenceContainer(
        image_uri=found.image_uri, model_data_url=found.model_data_url, environment=found.environment
    )


def _any_has_nvme(instance_types: tuple[str, ...]) -> bool:
    catalog = load_catalog()
    return any(catalog.instance_type(name).has_nvme for name in instance_types)
