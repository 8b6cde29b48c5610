"""The section `api`: who may call, how often, what stands in front of the API, and what prompts may not ask for."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from stacks.environment.marks import ContentCredentials, Metadata
from stacks.environment.values import (
    EACH_ONCE,
    ITEM_NAME_PATTERN,
    Int,
    Number,
    Section,
    SettingProblem,
    described_pattern,
    raise_problems,
    repeated,
    repeated_names,
    setting_error,
)

# Name of the API's stage: every path of the API's address starts with it.
API_STAGE = "api"

# Amazon Cognito, CreateUserPoolDomain.
_DOMAIN_PREFIX_WORDS = "1 to 63 lower-case letters, digits and hyphens, no hyphen first or last"
_DOMAIN_PREFIX_PATTERN = described_pattern(r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", _DOMAIN_PREFIX_WORDS)
_DOMAIN_NAME_PATTERN = described_pattern(
    r"^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,63}$", "a domain name in lower case, such as images.example.com"
)
_CERTIFICATE_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:acm:[a-z0-9-]+:\d{12}:certificate/[A-Za-z0-9-]+$",
    "arn:<partition>:acm:<region>:<account>:certificate/<id>",
)
_VPC_ENDPOINT_PATTERN = described_pattern(
    r"^vpce-[0-9a-f]{8}([0-9a-f]{9})?$", "the id of a VPC endpoint, such as vpce-0123456789abcdef0"
)

# Amazon Cognito refuses these words in a domain prefix.
_RESERVED_WORDS = ("amazon", "aws", "cognito")
_LOGIN_URL = re.compile(r"(https://[^\s/#?]+|http://localhost(:\d{1,5})?)(/[^\s#]*)?")
_HOST = r"[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*|\[[0-9a-f:]+\]"
_ORIGIN = re.compile(rf"(?P<scheme>https?)://({_HOST})(:(?P<port>[1-9]\d{{0,4}}))?")
_DEFAULT_PORTS = {"http": 80, "https": 443}
# Of the 4 KB that a function's environment variables may take together; styles take up to 3 KB.
_TERMS_BYTES = 768
_TERM_CHARACTERS = 100


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


def _valid_login_urls(urls: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `urls` if Amazon Cognito takes them: absolute, without a fragment, HTTPS except for localhost."""
    problems = [*repeated(urls)]
    problems += [
        SettingProblem(
            location=(index,),
            text=f"{url!r} is not an address that people can be sent back to",
            received=url,
            allowed="https://host/path, or http://localhost:port/path, without #",
            remedy='write for example "https://images.example.com/callback"',
        )
        for index, url in enumerate(urls)
        if not _LOGIN_URL.fullmatch(url)
    ]
    raise_problems(problems)
    return urls


def _valid_domain_prefix(prefix: str) -> str:
    word = reserved_word(prefix)
    if word is not None:
        raise setting_error(
            f"{prefix!r} holds {word!r}",
            allowed=f"a prefix without {', '.join(_RESERVED_WORDS)}",
            remedy="choose another prefix",
        )
    return prefix


class CognitoAuth(Section):
    """People of a user pool."""

    mode: Literal["cognito"] = Field(
        description="People of a Cognito user pool, who sign in on its hosted page (authorization code with PKCE, "
        "one-time passwords); requests carry their access token."
    )
    callback_urls: Annotated[Annotated[tuple[str, ...], Field(max_length=98)], AfterValidator(_valid_login_urls)] = (
        Field(
            default=(),
            description="Where the hosted page sends people back to after they signed in, in addition to the creators' "
            "page: `https://` addresses, or `http://localhost`.",
        )
    )
    logout_urls: Annotated[Annotated[tuple[str, ...], Field(max_length=98)], AfterValidator(_valid_login_urls)] = Field(
        default=(),
        description="Where the hosted page may send people to after they signed out, in addition to the creators' "
        "page.",
    )
    domain_prefix: (
        Annotated[str, Field(pattern=_DOMAIN_PREFIX_PATTERN), AfterValidator(_valid_domain_prefix)] | None
    ) = Field(
        default=None,
        description="Start of the hosted page's address, unique in the region over all accounts. Left out: "
        "`sdxl-<environment>-<account>`.",
    )


Auth = Annotated[ApiKeyAuth | IamAuth | CognitoAuth, Field(discriminator="mode")]


class ApiKey(Section):
    """A named key with its own usage plan."""

    name: str = Field(pattern=ITEM_NAME_PATTERN, description="Name of the key, unique in the list: who uses it.")
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
        Annotated[tuple[Annotated[str, Field(pattern=_VPC_ENDPOINT_PATTERN)], ...], Field(min_length=1, max_length=50)],
        EACH_ONCE,
    ] = Field(
        description="Interface VPC endpoints of the service `execute-api` that may reach the API. `ApiUrl` is that of "
        "the first."
    )


class Domain(Section):
    """The API's own domain name."""

    name: str = Field(
        pattern=_DOMAIN_NAME_PATTERN,
        max_length=253,
        description="Domain name of the API, such as `images.example.com`.",
    )
    certificate_arn: str = Field(
        pattern=_CERTIFICATE_ARN_PATTERN,
        description="Certificate of AWS Certificate Manager for the name, in the environment's account and region.",
    )


def _valid_terms(terms: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `terms` if each is a word or phrase, once, and all fit into the function's environment variables."""
    problems = []
    seen: dict[str, str] = {}
    for index, term in enumerate(terms):
        folded = " ".join(unicodedata.normalize("NFKC", term).casefold().split())
        if not folded or not any(character.isalnum() for character in folded) or len(term) > _TERM_CHARACTERS:
            text, remedy = f"{term[:_TERM_CHARACTERS]!r} is not a word or phrase", "write a word, or remove the entry"
        elif folded in seen:
            text, remedy = f"{term!r} is the same as {seen[folded]!r}", "remove one of the two: case does not count"
        else:
            seen[folded] = term
            continue
        allowed = f"a text of 1 to {_TERM_CHARACTERS} characters with a letter or digit, each once"
        problems.append(SettingProblem(location=(index,), text=text, received=term, allowed=allowed, remedy=remedy))
    size = len(json.dumps(terms, ensure_ascii=False, separators=(",", ":")).encode())
    if size > _TERMS_BYTES:
        problems.append(
            SettingProblem(
                location=(),
                text=f"the terms take {size} bytes as JSON",
                allowed=f"{_TERMS_BYTES} bytes, as Lambda limits what a function's environment variables take",
                remedy="remove terms; a content filter in the model knows more than a list of words",
            )
        )
    raise_problems(problems)
    return terms


class Moderation(Section):
    """What prompts may not ask for."""

    refused_terms: Annotated[Annotated[tuple[str, ...], Field(max_length=100)], AfterValidator(_valid_terms)] = Field(
        default=(),
        description="Words or phrases; a prompt that holds one as whole words, in any case, is refused as each API "
        "refuses filtered prompts.",
    )


def _valid_origins(origins: tuple[str, ...]) -> tuple[str, ...]:
    """Returns `origins` if a browser could send each of them in its Origin header."""
    problems = [*repeated(origins)]
    for index, origin in enumerate(origins):
        text, remedy = _origin_problem(origin)
        if text:
            allowed = '"*", or scheme://host[:port] with http or https'
            problems.append(
                SettingProblem(location=(index,), text=text, received=origin, allowed=allowed, remedy=remedy)
            )
    if "*" in origins and len(set(origins)) > 1:
        problems.append(
            SettingProblem(
                location=(origins.index("*"),),
                text='"*" is listed with other origins, which it includes',
                received="*",
                allowed='"*" alone, or a list of origins',
                remedy='remove "*", or everything else',
            )
        )
    raise_problems(problems)
    return origins


def _origin_problem(origin: str) -> tuple[str | None, str | None]:
    if origin == "*":
        return None, None
    match = _ORIGIN.fullmatch(origin)
    if match is None:
        text = f"{origin!r} is not an origin"
        if _ORIGIN.match(origin.lower()):
            return text, "an origin is in lower case and has no path, and no slash at its end"
        return text, 'write for example "https://images.example.com"'
    port = int(match["port"] or 0)
    if port > 65535:
        return f"{origin!r} has a port above 65535", "use the port that the browser shows"
    if port == _DEFAULT_PORTS[match["scheme"]]:
        return f"{origin!r} never matches: browsers leave the default port out", f"remove :{port}"
    return None, None


class Cors(Section):
    """Browsers' cross-origin access. No origin is allowed unless named."""

    allow_origins: Annotated[tuple[str, ...], AfterValidator(_valid_origins)] = Field(
        default=(),
        description="Origins (`scheme://host[:port]`) whose pages may call the API, or `*` alone for any. "
        "Left out: no origin.",
    )


def _valid_keys(keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
    raise_problems(repeated_names([key.name for key in keys], "key"))
    return keys


class Api(Section):
    """The REST API and who may call it."""

    auth: Auth = Field(default=ApiKeyAuth(mode="api_key"), description="How callers identify themselves.")
    keys: Annotated[Annotated[tuple[ApiKey, ...], Field(max_length=100)], AfterValidator(_valid_keys)] = Field(
        default=(), description="API keys, each with its own limits. Left out: one key, `default`."
    )
    throttle: Throttle = Field(
        default=Throttle(),
        description="How fast one API key may call; with the auth modes `iam` and `cognito`, all callers together.",
    )
    quota: Quota | None = Field(
        default=Quota(),
        description="How often one API key may call. `null`: no quota. With the auth modes `iam` and "
        "`cognito` there is no quota.",
    )
    waf: Waf | None = Field(default=None, description="Web application firewall. Left out: no firewall.")
    private: Private | None = Field(
        default=None, description="Only VPC endpoints reach the API. Left out: it is public."
    )
    domain: Domain | None = Field(
        default=None, description="The API's own domain name. Left out: the name that API Gateway gives."
    )
    moderation: Moderation = Field(default=Moderation(), description="What prompts may not ask for.")
    cors: Cors = Field(default=Cors(), description="Which web pages may call.")
    metadata: Metadata = Field(default=Metadata(), description="What image files say of themselves.")
    content_credentials: ContentCredentials | None = Field(
        default=None, description="Signed content credentials (C2PA) in every image. Left out: nothing is signed."
    )
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
    gateway_log_role: Literal["create", "existing"] = Field(
        default="create",
        description="The role with which API Gateway writes logs, one for the account and region. `create`: the "
        "environment makes it and sets it for the account. `existing`: the account has one already, of a platform team "
        "or another environment. docs/organization.md says when to choose which.",
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
        raise_problems(self._problems())
        return self

    def _problems(self) -> Iterator[SettingProblem]:
        mode = self.auth.mode
        if mode != "api_key" and self.keys:
            yield SettingProblem(
                location=("keys",),
                text=f"keys are given, and api.auth.mode is {mode!r}, which takes no keys",
                received=[key.name for key in self.keys],
                allowed="keys with api.auth.mode api_key only",
                remedy="remove api.keys, or set api.auth.mode to api_key",
            )
        if mode != "api_key" and "quota" in self.model_fields_set and self.quota is not None:
            yield SettingProblem(
                location=("quota",),
                text=f"a quota is given, and api.auth.mode is {mode!r}: only API keys are counted",
                received=self.quota.requests,
                allowed="a quota with api.auth.mode api_key only",
                remedy="remove api.quota; api.throttle then limits all callers together",
            )
        if self.private is not None and self.domain is not None:
            yield SettingProblem(
                location=("domain",),
                text="a domain is given for a private API, which a public domain name cannot lead to",
                received=self.domain.name,
                allowed="api.domain or api.private, not both",
                remedy="remove one of the two; inside the VPC, a private hosted zone can name the VPC endpoint",
            )


def reserved_word(prefix: str) -> str | None:
    """The first word in `prefix` that Amazon Cognito refuses in a domain prefix; None if there is no such word."""
    return next((word for word in _RESERVED_WORDS if word in prefix), None)


def default_domain_prefix_problem(environment_name: str) -> SettingProblem | None:
    """The problem where the environment's name cannot be part of the default `api.auth.domain_prefix`."""
    word = reserved_word(environment_name)
    if word is None:
        return None
    return SettingProblem(
        location=("api", "auth", "domain_prefix"),
        text=f"missing, and the environment's name {environment_name!r} holds {word!r}, which Cognito refuses in one",
        allowed=_DOMAIN_PREFIX_WORDS,
        remedy="add domain_prefix: ...",
    )
