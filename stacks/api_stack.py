"""The public face: REST API, function, access and logs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.api_access import ApiAccess
from stacks.constructs.api_stage import ApiStage
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.endpoint import SdxlEndpoint
from stacks.constructs.image_api import ImageApi, Route
from stacks.constructs.image_function import FunctionSettings, ImageFunction
from stacks.environment import Environment
from stacks.request_schema import text_to_image_schema
from stacks.storage_stack import StorageStack

# Images too large for an answer are kept under this prefix, and the function reaches nothing else in the bucket.
IMAGES_PREFIX = "generated/"
# The gateway gives up first, with an answer that helps. Lambda only cleans up after it.
_LAMBDA_MARGIN_SECONDS = 1


class ApiStack(cdk.Stack):
    """API of one environment, in front of `endpoint`, with its images in `storage`."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        storage: StorageStack,
        endpoint: SdxlEndpoint,
        layer_archive: Path,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: image API", tags=tags)
        # The endpoint is known by its name, which no reference carries from stack to stack.
        self.add_stack_dependency(cdk.Stack.of(endpoint), "the function calls the endpoint")
        name = f"sdxl-{environment.name}"
        retention_days = environment.storage.log_retention_days
        function = ImageFunction(
            self,
            "ImageFunction",
            settings=_function_settings(environment, endpoint, storage),
            layer_archive=layer_archive,
            log_group=EncryptedLogGroup(
                self,
                "FunctionLog",
                name=f"/aws/lambda/{name}-image-api",
                key_arn=storage.key_arn,
                retention_days=retention_days,
            ),
            statements=self._image_permissions(storage),
        )
        endpoint.grant_invoke(function.role.permissions)
        acknowledge(
            function.role.permissions,
            {
                f"AwsSolutions-IAM5[Resource::<{storage.images.logical_id}.Arn>/{IMAGES_PREFIX}*]": (
                    "Each image has an object key of its own under this prefix"
                )
            },
        )

        routes = _routes()
        api = ImageApi(self, "ImageApi", name=name, routes=routes, function=function, settings=environment.api)
        rest_api_id = api.rest_api_id
        stage = ApiStage(
            self,
            "ApiStage",
            rest_api_id=rest_api_id,
            deployment=api.deployment,
            access_log_name=f"/aws/apigateway/{name}",
            key_arn=storage.key_arn,
            log_retention_days=retention_days,
            open_routes=tuple((route.method, route.path) for route in routes if not route.api_key_required),
        )
        access = ApiAccess(
            self,
            "Access",
            stage=stage.stage,
            rest_api_id=rest_api_id,
            throttle=environment.api.throttle,
            quota=environment.api.quota,
        )

        cdk.CfnOutput(self, "ApiUrl", value=stage.url(rest_api_id), description="Address of the API")
        cdk.CfnOutput(self, "ApiKeyId", value=access.key.ref, description="Id of the API key, not its value")
        cdk.CfnOutput(self, "RestApiId", value=rest_api_id, description="Id of the REST API")
        cdk.CfnOutput(self, "FunctionName", value=function.name, description="Function that answers the API")

    def _image_permissions(self, storage: StorageStack) -> list[iam.PolicyStatement]:
        return [
            iam.PolicyStatement(
                actions=["s3:GetObject", "s3:PutObject"], resources=[f"{storage.images.arn}/{IMAGES_PREFIX}*"]
            ),
            iam.PolicyStatement(
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[storage.key_arn],
                conditions={"StringEquals": {"kms:ViaService": f"s3.{self.region}.amazonaws.com"}},
            ),
        ]


def _routes() -> tuple[Route, ...]:
    return (
        Route(
            construct_id="TextToImage",
            method="POST",
            path="/v1/generation/{engine_id}/text-to-image",
            request_schema=text_to_image_schema(),
        ),
        Route(construct_id="ListEngines", method="GET", path="/v1/engines/list"),
        Route(construct_id="Health", method="GET", path="/health", api_key_required=False),
    )


def _function_settings(environment: Environment, endpoint: SdxlEndpoint, storage: StorageStack) -> FunctionSettings:
    api = environment.api
    return FunctionSettings(
        handler="image_api.api.handler",
        memory_mb=api.function_memory_mb,
        timeout_seconds=api.integration_timeout_seconds + _LAMBDA_MARGIN_SECONDS,
        variables={
            "SDXL_ENVIRONMENT": environment.name,
            "SDXL_MODEL_SOURCE": environment.model.source,
            "SDXL_ENDPOINT_NAME": endpoint.endpoint_name,
            "SDXL_IMAGES_BUCKET": storage.images.name,
            "SDXL_IMAGE_LINK_TTL_SECONDS": str(api.image_link_ttl_seconds),
            "SDXL_TIMEOUT_SECONDS": str(api.integration_timeout_seconds),
            "SDXL_CORS_ALLOW_ORIGINS": ",".join(api.cors.allow_origins),
            "POWERTOOLS_SERVICE_NAME": "image-api",
            "POWERTOOLS_METRICS_NAMESPACE": "SDXL",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        },
    )
