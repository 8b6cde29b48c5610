"""How the methods of the API check who calls: by API key, by AWS identity, or by a user pool's access token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import aws_cdk as cdk
from aws_cdk import aws_apigateway as apigateway
from aws_cdk import aws_cognito as cognito
from aws_cdk import aws_lambda as lambda_
from constructs import Construct

from stacks.constructs.template_metadata import keep_logical_id, logical_id_at, path_in_stack, resource_of
from stacks.environment import Api, Quota, Throttle

DEFAULT_KEY = "default"
# What an access token must have been given for: resource server and scope.
RESOURCE_SERVER, GENERATE = "sdxl", "generate"
SCOPE = f"{RESOURCE_SERVER}/{GENERATE}"


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """How every method with a known caller checks it."""

    mode: Literal["api_key", "iam", "cognito"]
    authorization_type: apigateway.AuthorizationType
    authorizer: apigateway.IAuthorizer | None = None
    scopes: tuple[str, ...] = ()

    @property
    def api_key_required(self) -> bool:
        """Whether a usage plan counts each call."""
        return self.mode == "api_key"

    @property
    def api_key_source(self) -> apigateway.ApiKeySourceType:
        """Where API Gateway finds the key: the authorizer returns it, from either header."""
        source = apigateway.ApiKeySourceType
        return source.AUTHORIZER if self.api_key_required else source.HEADER


def by_api_key(scope: Construct, function: lambda_.IFunction) -> Authorization:
    """`function` finds the key in one of two headers, and API Gateway looks it up.

    The authorizer's answer is not cached. It would be cached under the headers that it was found in, and with several
    of them API Gateway refuses, before it calls the function, each request that lacks one. A key comes in either.
    """
    authorizer = apigateway.RequestAuthorizer(
        scope,
        "Authorizer",
        authorizer_name="api-key",
        handler=function,
        identity_sources=[],
        results_cache_ttl=cdk.Duration.seconds(0),
    )
    # The construct writes an empty text for no identity source, which API Gateway would take for a source.
    resource_of(authorizer).add_property_deletion_override("IdentitySource")
    keep_logical_id(authorizer, "ImageApi/Authorizer")
    for child in function.node.children:
        if isinstance(child, lambda_.CfnPermission):
            # The construct's own id has the path from the app on in it, which a pipeline makes longer.
            keep_logical_id(child, "KeyAuthorizer/InvokePermission")
    return Authorization(mode="api_key", authorization_type=apigateway.AuthorizationType.CUSTOM, authorizer=authorizer)


def by_iam() -> Authorization:
    """API Gateway checks the signature, and IAM whether the caller may call."""
    return Authorization(mode="iam", authorization_type=apigateway.AuthorizationType.IAM)


def by_user_pool(scope: Construct, user_pool: cognito.IUserPool) -> Authorization:
    """API Gateway checks the access token: its signature, that it has not expired, and that it has the scope."""
    authorizer = apigateway.CognitoUserPoolsAuthorizer(
        scope, "Authorizer", authorizer_name="user-pool", cognito_user_pools=[user_pool]
    )
    keep_logical_id(authorizer, "ImageApi/Authorizer")
    return Authorization(
        mode="cognito",
        authorization_type=apigateway.AuthorizationType.COGNITO,
        authorizer=authorizer,
        scopes=(SCOPE,),
    )


@dataclass(frozen=True, kw_only=True)
class KeyLimits:
    """One API key: its name, and what its usage plan allows. A `quota` of None is no quota."""

    name: str
    throttle: Throttle
    quota: Quota | None


def keys_of(settings: Api) -> tuple[KeyLimits, ...]:
    """The keys of an environment: those named, each with the API's own limits where it names none; else one."""
    if not settings.keys:
        return (KeyLimits(name=DEFAULT_KEY, throttle=settings.throttle, quota=settings.quota),)
    return tuple(
        KeyLimits(
            name=key.name,
            throttle=settings.throttle if key.throttle is None else key.throttle,
            # A quota that is left out is the API's; `null` is no quota.
            quota=key.quota if "quota" in key.model_fields_set else settings.quota,
        )
        for key in settings.keys
    )


class ApiKeys(Construct):
    """API keys with generated values, each with a usage plan for one deployed stage.

    `ids` has the id of each key by its name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        prefix: str,
        api: apigateway.RestApi,
        stage: apigateway.Stage,
        keys: tuple[KeyLimits, ...],
    ) -> None:
        super().__init__(scope, construct_id)
        self.ids: Mapping[str, str] = {key.name: self._add_key(key, prefix, api, stage) for key in keys}

    def _add_key(self, key: KeyLimits, prefix: str, api: apigateway.RestApi, stage: apigateway.Stage) -> str:
        # Construct ids by name: the key of one caller must not change when another's is added or removed.
        api_key = apigateway.ApiKey(
            self,
            f"ApiKey-{key.name}",
            api_key_name=f"{prefix}-{key.name}",
            description="Key of the SDXL image API",
            enabled=True,
        )
        keep_logical_id(api_key)
        quota = None
        if key.quota is not None:
            quota = apigateway.QuotaSettings(
                limit=key.quota.requests, period=apigateway.Period[key.quota.period.upper()]
            )
        plan = apigateway.UsagePlan(
            self,
            f"UsagePlan-{key.name}",
            name=f"{prefix}-{key.name}",
            description="Limits of one API key",
            api_stages=[apigateway.UsagePlanPerApiStage(api=api, stage=stage)],
            throttle=apigateway.ThrottleSettings(
                rate_limit=key.throttle.requests_per_second, burst_limit=key.throttle.burst
            ),
            quota=quota,
        )
        keep_logical_id(plan)
        key_path = f"{path_in_stack(self)}/UsagePlanKey-{key.name}"
        plan.add_api_key(api_key, override_logical_id=logical_id_at(key_path))
        return api_key.key_id
