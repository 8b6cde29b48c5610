"""The model and the GPU endpoint that serves it, with its scaling."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from constructs import Construct

from stacks.catalog import load_catalog
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.endpoint import SdxlEndpoint, ServedVariant
from stacks.constructs.endpoint_scaling import RealTimeScaling
from stacks.constructs.model_container import InferenceContainer, ModelContainer, ModelPackage
from stacks.constructs.placement import Placement
from stacks.environment import (
    EndpointModel,
    Environment,
    Fleet,
    OptimizedModel,
    fleets_of,
    guarded_update,
    pascal,
)


class InferenceStack(cdk.Stack):
    """Endpoint `sdxl-<environment>` for the environment's model source, with its models at `placement` in a VPC."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        key_arn: str,
        placement: Placement | None = None,
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
        fleets = fleets_of(environment)
        production = [fleet for fleet in fleets if not fleet.is_shadow]
        shadows = [fleet for fleet in fleets if fleet.is_shadow]
        instance_types = [name for fleet in fleets for name in fleet.instance_types]
        self.endpoint = SdxlEndpoint(
            self,
            "SdxlEndpoint",
            endpoint_name=endpoint_name,
            variants=[_served(environment.region, fleet) for fleet in production],
            shadow=_served(environment.region, shadows[0]) if shadows else None,
            settings=environment.endpoint,
            log_group=log_group,
            # Detached or not: scaling has decided the counts, and will again.
            is_scaled=any(fleet.scaling is not None for fleet in production),
            update=guarded_update(environment),
            # A Marketplace package runs in a network of SageMaker's own, isolated from any other ("Run Training and
            # Inference Containers in Internet-Free Mode"), and its seller's artifacts are in no bucket to name.
            placement=None if any(isinstance(fleet.model, OptimizedModel) for fleet in fleets) else placement,
            volume_key_arn=None if _any_has_nvme(instance_types) else key_arn,
        )
        for fleet in production:
            if fleet.scaling is None or fleet.scaling.detached:
                continue
            is_first = fleet is production[0]
            RealTimeScaling(
                self,
                "Scaling" if is_first else f"{pascal(fleet.variant_name)}Scaling",
                endpoint=self.endpoint,
                scaling=fleet.scaling,
                variant_name=None if is_first else fleet.variant_name,
            )

        cdk.CfnOutput(self, "EndpointName", value=endpoint_name, description="SageMaker endpoint")
        cdk.CfnOutput(self, "ModelSource", value=environment.model.source, description="What the endpoint serves")


def _served(region: str, fleet: Fleet) -> ServedVariant:
    return ServedVariant(
        name=fleet.variant_name,
        container=_container(region, fleet.model),
        instance_types=fleet.instance_types,
        instance_count=fleet.instance_count,
        weight=fleet.weight,
    )


def _container(region: str, model: EndpointModel) -> ModelContainer:
    catalog = load_catalog()
    if isinstance(model, OptimizedModel):
        arn = model.model_package_arn
        return ModelPackage(arn=catalog.optimized_package_arn(region) if arn is None else arn)
    found = catalog.open_container(region)
    return InferenceContainer(
        image_uri=found.image_uri, model_data_url=found.model_data_url, environment=found.environment
    )


def _any_has_nvme(instance_types: list[str]) -> bool:
    catalog = load_catalog()
    return any(catalog.instance_type(name).has_nvme for name in instance_types)
