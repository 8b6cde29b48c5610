"""The public face: REST API, function, access and logs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

import aws_cdk as cdk
from constructs import Construct

from stacks.api_routes import api_routes
from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.api_access import ApiAccess, keys_of
from stacks.constructs.api_domain import ApiDomain
from stacks.constructs.api_stage import ApiStage
from stacks.constructs.arn import local_arn, place_of
from stacks.constructs.authorization import SCOPE, Authorization, by_api_key, by_iam, by_user_pool
from stacks.constructs.encrypted_log_group import EncryptedLogGroup
from stacks.constructs.firewall import LOG_GROUP_PREFIX, Firewall
from stacks.constructs.image_api import ImageApi
from stacks.constructs.image_function import FunctionSettings, ImageFunction
from stacks.constructs.key_authorizer import KeyAuthorizer
from stacks.constructs.model_access import ModelAccess
from stacks.constructs.placement import Placement
from stacks.constructs.sign_in import SignIn
from stacks.constructs.statement import Statement, allow
from stacks.environment import API_STAGE, CognitoAuth, Environment, IamAuth
from stacks.environment.styles import TeamStyles, load_styles
from stacks.image_prices import price_variable
from stacks.storage_stack import StorageStack

STYLES_FILE = Path(__file__).resolve().parents[1] / "styles.yaml"
# Images too large for an answer are kept under this prefix, and the function reaches nothing else in the bucket.
IMAGES_PREFIX = "generated/"
# The gateway gives up first, with an answer that helps. Lambda only cleans up after it.
_LAMBDA_MARGIN_SECONDS = 1


class ApiStack(cdk.Stack):
    """API of one environment, in front of `model`, images in `storage` and functions at `placement` in a VPC."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        environment: Environment,
        storage: StorageStack,
        model: ModelAccess,
        layer_archive: Path,
        placement: Placement | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: image API", tags=tags)
        styles = _team_styles()
        routes = api_routes(styles.names)
        name = f"sdxl-{environment.name}"
        retention_days = environment.storage.log_retention_days
        function = ImageFunction(
            self,
            "ImageFunction",
            settings=_function_settings(environment, model, storage, styles),
            layer_archive=layer_archive,
            log_group=EncryptedLogGroup(
                self,
                "FunctionLog",
                name=f"/aws/lambda/{name}-image-api",
                key_arn=storage.key_arn,
                retention_days=retention_days,
            ),
            statements=[*self._storage_permissions(storage), *model.invoke_statements()],
            placement=placement,
        )
        self.function_name, self.function_role_name = function.name, function.role.role.ref
        acknowledge(
            function.role.permissions,
            {
                f"AwsSolutions-IAM5[Resource::<{storage.images.logical_id}.Arn>/{IMAGES_PREFIX}*]": (
                    "Each image has an object key of its own under this prefix"
                )
            },
        )

        authorization, authorizer = self._authorization(environment, function, storage, placement)
        api = ImageApi(
            self,
            "ImageApi",
            name=name,
            routes=routes,
            function=function,
            authorization=authorization,
            settings=environment.api,
        )
        rest_api_id = api.rest_api_id
        if authorizer is not None:
            authorizer.permit(local_arn(self, "execute-api", f"{rest_api_id}/authorizers/{api.authorizer_id}"))
        stage = ApiStage(
            self,
            "ApiStage",
            rest_api_id=rest_api_id,
            deployment=api.deployment,
            access_log_name=f"/aws/apigateway/{name}",
            key_arn=storage.key_arn,
            log_retention_days=retention_days,
            open_routes=tuple((route.method, route.path) for route in routes if route.is_open),
            throttle=None if authorization.api_key_required else environment.api.throttle,
            behind_firewall=environment.api.waf is not None,
        )
        cdk.CfnOutput(self, "RestApiId", value=rest_api_id, description="Id of the REST API")
        cdk.CfnOutput(self, "FunctionName", value=function.name, description="Function that answers the API")
        cdk.CfnOutput(self, "AuthMode", value=authorization.mode, description="How callers say who they are")
        if authorization.mode == "api_key":
            self._add_keys(environment, stage, rest_api_id)
        elif authorization.mode == "iam":
            arn = local_arn(self, "execute-api", f"{rest_api_id}/{API_STAGE}/*")
            cdk.CfnOutput(self, "ApiArn", value=arn, description="What callers' policies allow execute-api:Invoke on")
        self._add_firewall(environment, storage, stage, rest_api_id)
        self._add_address(environment, stage, rest_api_id)

    def _authorization(
        self,
        environment: Environment,
        function: ImageFunction,
        storage: StorageStack,
        placement: Placement | None,
    ) -> tuple[Authorization, KeyAuthorizer | None]:
        auth, name = environment.api.auth, f"sdxl-{environment.name}"
        if isinstance(auth, CognitoAuth):
            sign_in = SignIn(self, "SignIn", name=name, settings=auth)
            cdk.CfnOutput(self, "UserPoolId", value=sign_in.user_pool.ref, description="User pool of the callers")
            cdk.CfnOutput(self, "UserPoolClientId", value=sign_in.client.ref, description="Client id for signing in")
            cdk.CfnOutput(self, "LoginUrl", value=sign_in.login_url, description="Address of the hosted sign-in page")
            return by_user_pool(sign_in.user_pool_arn, (SCOPE,)), None
        if isinstance(auth, IamAuth):
            return by_iam(), None
        authorizer = KeyAuthorizer(
            self,
            "KeyAuthorizer",
            code=function.code,
            placement=placement,
            log_group=EncryptedLogGroup(
                self,
                "AuthorizerLog",
                name=f"/aws/lambda/{name}-key-authorizer",
                key_arn=storage.key_arn,
                retention_days=environment.storage.log_retention_days,
            ),
        )
        return by_api_key(self, authorizer.arn), authorizer

    def _add_keys(self, environment: Environment, stage: ApiStage, rest_api_id: str) -> None:
        access = ApiAccess(
            self,
            "Access",
            name=f"sdxl-{environment.name}",
            stage=stage.stage,
            rest_api_id=rest_api_id,
            keys=keys_of(environment.api),
        )
        ids = access.key_ids
        cdk.CfnOutput(
            self, "ApiKeyId", value=next(iter(ids.values())), description="Id of the first API key, not its value"
        )
        if len(ids) > 1:
            by_name = ",".join(f"{name}={key_id}" for name, key_id in ids.items())
            cdk.CfnOutput(self, "ApiKeyIds", value=by_name, description="Ids of all API keys by name")

    def _add_firewall(self, environment: Environment, storage: StorageStack, stage: ApiStage, rest_api_id: str) -> None:
        settings = environment.api.waf
        if settings is None:
            return
        name = f"sdxl-{environment.name}"
        firewall = Firewall(
            self,
            "Firewall",
            name=name,
            settings=settings,
            log_group=EncryptedLogGroup(
                self,
                "FirewallLog",
                name=f"{LOG_GROUP_PREFIX}{name}",
                key_arn=storage.key_arn,
                retention_days=environment.storage.log_retention_days,
            ),
        )
        firewall.protect(stage.stage, rest_api_id=rest_api_id)

    def _add_address(self, environment: Environment, stage: ApiStage, rest_api_id: str) -> None:
        api = environment.api
        url = stage.url(rest_api_id, vpc_endpoint_id=None if api.private is None else api.private.vpc_endpoint_ids[0])
        if api.domain is not None:
            domain = ApiDomain(self, "Domain", settings=api.domain, rest_api_id=rest_api_id, stage=stage.stage)
            url = domain.url
            cdk.CfnOutput(self, "DomainTarget", value=domain.target, description="What the domain's DNS record names")
            cdk.CfnOutput(
                self, "DomainHostedZoneId", value=domain.hosted_zone_id, description="Hosted zone of that target"
            )
        cdk.CfnOutput(self, "ApiUrl", value=url, description="Address of the API")

    def _storage_permissions(self, storage: StorageStack) -> list[Statement]:
        region = place_of(self).region
        return [
            storage.images.access(IMAGES_PREFIX),
            allow(
                ["kms:Decrypt", "kms:GenerateDataKey"],
                [storage.key_arn],
                {"StringEquals": {"kms:ViaService": f"s3.{region}.amazonaws.com"}},
            ),
            storage.idempotency.access(),
            # Reading and writing decrypts the table's key as the caller. All else that DynamoDB does with a customer's
            # key it does as the table's creator, or by its grant (DynamoDB Developer Guide, "Monitoring DynamoDB
            # interaction with AWS KMS").
            allow(
                ["kms:Decrypt"],
                [storage.key_arn],
                {"StringEquals": {"kms:ViaService": f"dynamodb.{region}.amazonaws.com"}},
            ),
        ]


@cache
def _team_styles() -> TeamStyles:
    """From one file for all environments."""
    return load_styles(STYLES_FILE)


def _function_settings(
    environment: Environment, model: ModelAccess, storage: StorageStack, styles: TeamStyles
) -> FunctionSettings:
    api = environment.api
    refused = api.moderation.refused_terms
    optional = {
        "SDXL_STYLES": styles.function_variable(),
        "SDXL_REFUSED_TERMS": _compact(refused) if refused else "",
        "SDXL_VARIANTS": _variants(environment),
        "SDXL_PRICES": _compact(prices) if (prices := price_variable(environment)) else "",
    }
    return FunctionSettings(
        handler="image_api.api.handler",
        memory_mb=api.function_memory_mb,
        timeout_seconds=api.integration_timeout_seconds + _LAMBDA_MARGIN_SECONDS,
        variables={
            "SDXL_ENVIRONMENT": environment.name,
            "SDXL_MODEL_SOURCE": environment.model.source,
            **model.environment(),
            "SDXL_IMAGES_BUCKET": storage.images.name,
            "SDXL_IDEMPOTENCY_TABLE": storage.idempotency.name,
            "SDXL_IMAGE_LINK_TTL_SECONDS": str(api.image_link_ttl_seconds),
            "SDXL_TIMEOUT_SECONDS": str(api.integration_timeout_seconds),
            "SDXL_CORS_ALLOW_ORIGINS": ",".join(api.cors.allow_origins),
            **{variable: value for variable, value in optional.items() if value},
            "POWERTOOLS_SERVICE_NAME": "image-api",
            "POWERTOOLS_LOG_LEVEL": "INFO",
        },
    )


def _variants(environment: Environment) -> str:
    """The variants that share the requests, for the function to choose from; empty where there is nothing to choose."""
    variants = environment.production_variants
    if len(variants) < 2:
        return ""
    return _compact(
        [{"name": variant.name, "source": variant.model.source, "weight": variant.weight} for variant in variants]
    )


def _compact(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
