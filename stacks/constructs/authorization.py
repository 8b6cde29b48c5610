"""How the methods of the API check who calls: by API key, by AWS identity, or by a user pool's access token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from constructs import IConstruct

from stacks.constructs.arn import place_of

# What an access token must have been given for: resource server and scope.
RESOURCE_SERVER, GENERATE = "sdxl", "generate"
SCOPE = f"{RESOURCE_SERVER}/{GENERATE}"


@dataclass(frozen=True, kw_only=True)
class Authorization:
    """Properties that every method with a known caller has, and those of the authorizer that they share."""

    mode: Literal["api_key", "iam", "cognito"]
    authorization_type: str
    authorizer: Mapping[str, Any] | None = None
    scopes: tuple[str, ...] = ()

    @property
    def api_key_required(self) -> bool:
        """Whether a usage plan counts each call."""
        return self.mode == "api_key"

    @property
    def api_key_source(self) -> str:
        """Where API Gateway finds the key: the authorizer names it, whichever header it came in."""
        return "AUTHORIZER" if self.api_key_required else "HEADER"


def by_api_key(scope: IConstruct, function_arn: str) -> Authorization:
    """The function at `function_arn` finds the key in one of two headers, and API Gateway looks it up.

    The answer is not kept: it would be kept under the headers that it was found in, and with several of them API
    Gateway refuses, before it asks the function, each request that lacks one. A key comes in either.
    """
    return Authorization(
        mode="api_key",
        authorization_type="CUSTOM",
        authorizer={
            "name": "api-key",
            "type": "REQUEST",
            "authorizer_uri": invocation_uri(scope, function_arn),
            "authorizer_result_ttl_in_seconds": 0,
        },
    )


def by_iam() -> Authorization:
    """API Gateway checks the signature, and IAM whether the caller may."""
    return Authorization(mode="iam", authorization_type="AWS_IAM")


def by_user_pool(user_pool_arn: str, scopes: tuple[str, ...]) -> Authorization:
    """API Gateway checks the access token: its signature, that it has not expired, and that it has one of `scopes`."""
    return Authorization(
        mode="cognito",
        authorization_type="COGNITO_USER_POOLS",
        authorizer={
            "name": "user-pool",
            "type": "COGNITO_USER_POOLS",
            "provider_arns": [user_pool_arn],
            "identity_source": "method.request.header.Authorization",
        },
        scopes=scopes,
    )


def invocation_uri(scope: IConstruct, function_arn: str) -> str:
    """What API Gateway calls to invoke a function, or an alias of it."""
    place = place_of(scope)
    path = "lambda:path/2015-03-31/functions"
    return f"arn:{place.partition}:apigateway:{place.region}:{path}/{function_arn}/invocations"
