"""Settings of who may call the API: how callers identify themselves, their keys, and what stands before the API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from stacks.environment.access_values import (
    valid_domain_prefix,
    valid_endpoint_ids,
    valid_login_urls,
    valid_terms,
)
from stacks.environment.section import Section
from stacks.environment.values import (
    CERTIFICATE_ARN_PATTERN,
    DOMAIN_NAME_PATTERN,
    DOMAIN_PREFIX_PATTERN,
    KEY_NAME_PATTERN,
    VPC_ENDPOINT_PATTERN,
    Int,
    Number,
)


class Throttle(Section):
    """Token bucket of the usage plan."""

    requests_per_second: Number = Field(
        default=5, gt=0, le=10_000, description="Requests per second and API key, on average."
    )
    burst: Int = Field(default=10, ge=1, le=5_000, description="Requests that may come at once, beyond the average.")


class Quota(Section):
    """Requests that one API key may make in a period."""

    requests: Int = Field(default=10_000, ge=1, le=2_147_483_647, description="Requests per API key and period.")
    period: Literal["day", "week", "month"] = Field(default="day", description="Period after which counting restarts.")


class ApiKeyAuth(Section):
    """API Gateway's own keys, in `x-api-key` or as bearer token."""

    mode: Literal["api_key"] = Field(
        description="Keys of API Gateway, sent as `x-api-key: KEY` or `Authorization: Bearer KEY`, limited by usage "
        "plans."
    )


class IamAuth(Section):
    """AWS identities."""

    mode: Literal["iam"] = Field(
        description="AWS identities: requests are signed (Signature Version 4), and the caller's policies allow "
        "`execute-api:Invoke`."
    )


class CognitoAuth(Section):
    """People of a user pool."""

    mode: Literal["cognito"] = Field(
        description="People of a Cognito user pool, who sign in on its hosted page (authorization code with PKCE, "
        "one-time passwords); requests carry their access token."
    )
    callback_urls: Annotated[
        Annotated[tuple[str, ...], Field(min_length=1, max_length=100)], AfterValidator(valid_login_urls)
    ] = Field(
        description="Where the hosted page sends people back to after they signed in: `https://` addresses, or "
        "`http://localhost`."
    )
    logout_urls: Annotated[Annotated[tuple[str, ...], Field(max_length=100)], AfterValidator(valid_login_urls)] = Field(
        default=(), description="Where the hosted page may send people to after they signed out."
    )
    domain_prefix: Annotated[str, Field(pattern=DOMAIN_PREFIX_PATTERN), AfterValidator(valid_domain_prefix)] | None = (
        Field(
            default=None,
            description="Start of the hosted page's address, unique in the region over all accounts. Left out: "
            "`sdxl-<environment>-<account>`.",
        )
    )


Auth = Annotated[ApiKeyAuth | IamAuth | CognitoAuth, Field(discriminator="mode")]


class ApiKey(Section):
    """A named key with a usage plan of its own."""

    name: str = Field(pattern=KEY_NAME_PATTERN, description="Name of the key, unique in the list: who uses it.")
    throttle: Throttle | None = Field(default=None, description="How fast this key may call. Left out: `api.throttle`.")
    quota: Quota | None = Field(
        default=None, description="How often this key may call. Left out: `api.quota`. `null`: no quota."
    )


class Waf(Section):
    """Web application firewall on the stage."""

    requests_per_5_minutes: Int = Field(
        default=1000,
        ge=10,
        le=2_000_000_000,
        description="Requests in five minutes from one address, above which it is blocked until it slows down.",
    )


class Private(Section):
    """An API that only VPC endpoints reach."""

    vpc_endpoint_ids: Annotated[
        Annotated[tuple[Annotated[str, Field(pattern=VPC_ENDPOINT_PATTERN)], ...], Field(min_length=1, max_length=50)],
        AfterValidator(valid_endpoint_ids),
    ] = Field(
        description="Interface VPC endpoints of the service `execute-api` that may reach the API. `ApiUrl` is that of "
        "the first."
    )


class Domain(Section):
    """A domain name of one's own."""

    name: str = Field(
        pattern=DOMAIN_NAME_PATTERN, max_length=253, description="Domain name of the API, such as `images.example.com`."
    )
    certificate_arn: str = Field(
        pattern=CERTIFICATE_ARN_PATTERN,
        description="Certificate of AWS Certificate Manager for the name, in the environment's account and region.",
    )


class Moderation(Section):
    """What prompts may not ask for."""

    refused_terms: Annotated[Annotated[tuple[str, ...], Field(max_length=100)], AfterValidator(valid_terms)] = Field(
        default=(),
        description="Words or phrases; a prompt that holds one as whole words, in any case, is refused as each API "
        "refuses filtered prompts.",
    )
