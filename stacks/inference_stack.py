"""The model and the GPU endpoint that serves it, with its scaling."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from stacks.catalog import load_catalog
from stacks.constructs.endpoint import SdxlEndpoint
from stacks.constructs.endpoint_scaling import RealTimeScaling
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.vpc import VpcConfig
from stacks.environment import Environment, OptimizedModel, guarded_update, pascal


class InferenceStack(cdk.Stack):
    """Endpoint `sdxl-<environment>` for the environment's model source, whose models have `vpc_config` in a VPC."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        key: kms.IKey,
        execution_role: iam.IRole,
        vpc_config: VpcConfig | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: model and endpoint", tags=tags)
        endpoint_name = f"sdxl-{environment.name}"
        log_group = encrypted_log_group(
            self,
            "EndpointLog",
            # SageMaker writes there and nowhere else. Created here, it has a key and a retention.
            name=f"/aws/sagemaker/Endpoints/{endpoint_name}",
            key=key,
            retention_days=environment.storage.log_retention_days,
        )
        variants = environment.all_variants
        has_package = any(isinstance(variant.model, OptimizedModel) for variant in variants)
        has_nvme = any(load_catalog().instance_type(name).has_nvme for one in variants for name in one.instance_types)
        self.endpoint = SdxlEndpoint(
            self,
            "SdxlEndpoint",
            endpoint_name=endpoint_name,
            variants=variants,
            settings=environment.endpoint,
            log_group=log_group,
            execution_role=execution_role,
            update=guarded_update(environment),
            # A Marketplace package runs in a network of SageMaker's own, isolated from any other ("Run Training and
            # Inference Containers in Internet-Free Mode"), and its seller's artifacts are in no bucket to name.
            vpc_config=None if has_package else vpc_config,
            volume_key=None if has_nvme else key,
        )
        for variant in environment.production_variants:
            if variant.scaling is None or variant.scaling.detached:
                continue
            is_first = variant.name == self.endpoint.variant_name
            RealTimeScaling(
                self,
                "Scaling" if is_first else f"{pascal(variant.name)}Scaling",
                endpoint=self.endpoint,
                scaling=variant.scaling,
                variant_name=None if is_first else variant.name,
            )
        cdk.CfnOutput(self, "EndpointName", value=endpoint_name, description="SageMaker endpoint")
        cdk.CfnOutput(self, "ModelSource", value=environment.model.source, description="What the endpoint serves")
