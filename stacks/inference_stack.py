"""The model and the GPU endpoint that serves it, with its scaling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.catalog import load_catalog
from stacks.constructs.asynchronous_results import AsynchronousResults
from stacks.constructs.endpoint import AsynchronousEndpoint, ComponentEndpoint, RealTimeEndpoint, SdxlEndpoint
from stacks.constructs.endpoint_scaling import AsynchronousScaling, ComponentScaling, RealTimeScaling
from stacks.constructs.log_group import encrypted_log_group
from stacks.constructs.vpc import VpcConfig
from stacks.environment import Environment, OptimizedModel, Variant, guarded_update, pascal


class InferenceStack(cdk.Stack):
    """Endpoint `sdxl-<environment>` for the environment's model source and mode, with its scaling.

    Its models have `vpc_config` in a VPC. An asynchronous one reads from and writes to `images`.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        key: kms.IKey,
        images: s3.IBucket,
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
        common: dict[str, Any] = {
            "endpoint_name": endpoint_name,
            "variants": variants,
            "settings": environment.endpoint,
            "log_group": log_group,
            "execution_role": execution_role,
            "update": guarded_update(environment),
            # A Marketplace package runs in a network of SageMaker's own, isolated from any other ("Run Training and
            # Inference Containers in Internet-Free Mode"), and its seller's artifacts are in no bucket to name.
            "vpc_config": None if has_package else vpc_config,
            "volume_key": None if has_nvme else key,
        }
        self.endpoint: SdxlEndpoint
        match environment.endpoint.mode:
            case "real-time":
                self.endpoint = real_time = RealTimeEndpoint(self, "SdxlEndpoint", **common)
                self._scale_variants(real_time, environment.production_variants)
            case "asynchronous":
                self.endpoint = self._add_asynchronous(environment, images, key, common)
            case "components":
                self.endpoint = self._add_component(environment, common)
        cdk.CfnOutput(self, "EndpointName", value=endpoint_name, description="SageMaker endpoint")
        cdk.CfnOutput(self, "ModelSource", value=environment.model.source, description="What the endpoint serves")

    def _scale_variants(self, endpoint: RealTimeEndpoint, variants: Sequence[Variant]) -> None:
        for variant in variants:
            if variant.scaling is None or variant.scaling.detached:
                continue
            is_first = variant.name == endpoint.variant_name
            RealTimeScaling(
                self,
                "Scaling" if is_first else f"{pascal(variant.name)}Scaling",
                endpoint=endpoint,
                scaling=variant.scaling,
                variant_name=None if is_first else variant.name,
            )

    def _add_asynchronous(
        self, environment: Environment, images: s3.IBucket, key: kms.IKey, common: Mapping[str, Any]
    ) -> AsynchronousEndpoint:
        results = AsynchronousResults(self, "Results", name=common["endpoint_name"], images=images, key=key)
        endpoint = AsynchronousEndpoint(
            self,
            "SdxlEndpoint",
            results=results,
            concurrent_invocations=environment.endpoint.concurrent_invocations,
            **common,
        )
        scaling = environment.scaling
        if scaling is not None and not scaling.detached:
            AsynchronousScaling(self, "Scaling", endpoint=endpoint, scaling=scaling)
        cdk.CfnOutput(
            self,
            "SuccessTopicArn",
            value=results.success_topic.topic_arn,
            description="Topic of finished requests",
        )
        cdk.CfnOutput(
            self, "ErrorTopicArn", value=results.error_topic.topic_arn, description="Topic of failed requests"
        )
        return endpoint

    def _add_component(self, environment: Environment, common: Mapping[str, Any]) -> ComponentEndpoint:
        scaling, (variant,) = environment.scaling, environment.all_variants
        fewest, most = variant.instance_count, variant.instance_count
        if scaling is not None:
            fewest, most = scaling.fewest_instances, max(scaling.most_instances, most)
        endpoint = ComponentEndpoint(self, "SdxlEndpoint", fewest=fewest, most=most, **common)
        if scaling is not None and not scaling.detached:
            ComponentScaling(self, "Scaling", endpoint=endpoint, scaling=scaling)
        cdk.CfnOutput(
            self, "InferenceComponentName", value=endpoint.component_name, description="Inference component to call"
        )
        return endpoint
