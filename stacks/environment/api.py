"""The settings of the section `api`: the public face, and who may call it."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from stacks.environment.access import (
    ApiKey,
    ApiKeyAuth,
    Auth,
    Domain,
    Moderation,
    Private,
    Quota,
    Throttle,
    Waf,
)
from stacks.environment.access_checks import api_problems
from stacks.environment.access_values import valid_keys
from stacks.environment.problems import raise_problems
from stacks.environment.section import Section
from stacks.environment.values import Int, valid_origins


class Cors(Section):
    """Browsers' cross-origin access. No origin is allowed unless named."""

    allow_origins: Annotated[tuple[str, ...], AfterValidator(valid_origins)] = Field(
        default=(),
        description="Origins (`scheme://host[:port]`) whose pages may call the API, or `*` alone for any. "
        "Left out: none.",
    )


class Api(Section):
    """The public face."""

    auth: Auth = Field(default=ApiKeyAuth(mode="api_key"), description="How callers say who they are.")
    keys: Annotated[Annotated[tuple[ApiKey, ...], Field(max_length=100)], AfterValidator(valid_keys)] = Field(
        default=(), description="API keys, each with limits of its own. Left out: one key, `default`."
    )
    throttle: Throttle = Field(
        default=Throttle(),
        description="How fast one API key may call; with the auth modes `iam` and `cognito`, all callers together.",
    )
    quota: Quota | None = Field(
        default=Quota(),
        description="How often one API key may call. `null`: no quota. The auth modes `iam` and `cognito` have none.",
    )
    waf: Waf | None = Field(default=None, description="Web application firewall. Left out: none.")
    private: Private | None = Field(
        default=None, description="Only VPC endpoints reach the API. Left out: it is public."
    )
    domain: Domain | None = Field(default=None, description="Domain name of one's own. Left out: API Gateway's.")
    moderation: Moderation = Field(default=Moderation(), description="What prompts may not ask for.")
    cors: Cors = Field(default=Cors(), description="Which web pages may call.")
    integration_timeout_seconds: Int = Field(
        default=29,
        ge=5,
        le=60,
        description="Seconds until a request is given up. Above 29 the account's API Gateway quota 'Maximum "
        "integration timeout' must have been raised; SageMaker itself ends an invocation after 60.",
    )
    function_memory_mb: Int = Field(
        default=1769, ge=512, le=10_240, description="Memory of the function in MB. 1769 MB is one full vCPU."
    )
    image_link_ttl_seconds: Int = Field(
        default=3600,
        ge=60,
        le=43_200,
        description="Seconds that the link to an image stays valid, at most: it also ends with the credentials of the "
        "function that signed it.",
    )

    @model_validator(mode="after")
    def _check(self) -> Api:
        if problems := [*api_problems(self)]:
            raise_problems("api", problems)
        return self
