"""A deployed REST API in the gateway's own types, read from the deployment's snapshot.

The one place of the gateway, with the usage plans', that knows moto's types.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.services import apigateway

DEFAULT_TIMEOUT_SECONDS = 29.0
DEFAULT_AUTHORIZER_TTL_SECONDS = 300


@dataclass(frozen=True)
class Integration:
    """What is behind a method."""

    type: str
    uri: str
    timeout_seconds: float
    connection_type: str | None


@dataclass(frozen=True)
class Method:
    """One HTTP method of one resource; `http_method` may be ANY."""

    http_method: str
    resource_id: str
    resource_path: str
    authorization_type: str
    authorizer_id: str | None
    authorization_scopes: tuple[str, ...]
    api_key_required: bool
    integration: Integration | None


@dataclass(frozen=True)
class GatewayResponse:
    """The owner's wording of an error that the gateway makes."""

    status_code: int | None
    parameters: Mapping[str, str]
    templates: Mapping[str, str]


@dataclass(frozen=True)
class Authorizer:
    """Who decides on the callers of methods of type CUSTOM or COGNITO_USER_POOLS."""

    id: str
    type: str
    uri: str
    identity_sources: tuple[str, ...]
    identity_validation: str | None
    ttl_seconds: int
    provider_arns: tuple[str, ...]


@dataclass(frozen=True)
class Definition:
    """What a deployment froze."""

    methods: tuple[Method, ...]
    authorizers: Mapping[str, Authorizer]
    api_key_source: str
    gateway_responses: Mapping[str, GatewayResponse]
    binary_media_types: tuple[str, ...]


@dataclass(frozen=True)
class Throttle:
    """A token bucket's settings; None where a value is not limited."""

    rate: float | None
    burst: float | None


@dataclass(frozen=True)
class Stage:
    """A stage's settings, which change without a deployment."""

    name: str
    deployment_id: str
    variables: Mapping[str, str]
    access_log_arn: str | None
    access_log_format: str
    web_acl_arn: str | None
    throttles: Mapping[str, Throttle]


@dataclass(frozen=True)
class Api:
    """A stage of an API, ready to be served."""

    account: str
    region: str
    id: str
    definition: Definition
    stage: Stage


@dataclass
class Source:
    """The deployed APIs. A snapshot never changes, so that its definition is read once."""

    _definitions: dict[int, tuple[Any, Definition]] = field(default_factory=dict)

    def find(self, api_id: str, stage_name: str) -> Api | None:
        """The stage of the API with this id, in any account and region."""
        matches = (api for api in self.all() if api.id == api_id and api.stage.name == stage_name)
        return next(matches, None)

    def find_by_domain(self, host: str, path: str) -> tuple[Api, str] | None:
        """The stage that a custom domain name leads to, and the path within it; the longest base path wins."""
        for domain, base_path, api_id, stage_name in apigateway.mappings():
            prefix = "" if base_path == "(none)" else f"/{base_path}"
            if domain == host and (path == prefix or path.startswith(f"{prefix}/")):
                api = self.find(api_id, stage_name)
                if api is not None:
                    return api, path.removeprefix(prefix) or "/"
        return None

    def all(self) -> Iterator[Api]:
        """Every deployed stage."""
        for deployed in apigateway.deployed_apis():
            definition = self._definition(deployed.api)
            yield Api(deployed.account, deployed.region, deployed.api.id, definition, _stage(deployed.stage))

    def _definition(self, snapshot: Any) -> Definition:
        known = self._definitions.get(id(snapshot))
        if known is None or known[0] is not snapshot:
            known = self._definitions[id(snapshot)] = (snapshot, read_definition(snapshot))
        return known[1]


def read_definition(snapshot: Any) -> Definition:
    """The definition in a copy of moto's RestAPI."""
    return Definition(
        methods=tuple(_methods(snapshot)),
        authorizers={name: _authorizer(found) for name, found in snapshot.authorizers.items()},
        api_key_source=snapshot.api_key_source or "HEADER",
        gateway_responses={name: _gateway_response(found) for name, found in snapshot.gateway_responses.items()},
        binary_media_types=tuple(snapshot.binaryMediaTypes),
    )


def _methods(snapshot: Any) -> Iterator[Method]:
    for resource in snapshot.resources.values():
        for http_method, method in resource.resource_methods.items():
            yield Method(
                http_method=http_method,
                resource_id=resource.id,
                resource_path=_path(snapshot.resources, resource),
                authorization_type=method.authorization_type or "NONE",
                authorizer_id=method.authorizer_id,
                authorization_scopes=tuple(method.authorization_scopes or ()),
                api_key_required=_flag(method.api_key_required),
                integration=_integration(method.method_integration),
            )


def _path(resources: Mapping[str, Any], resource: Any) -> str:
    # moto's own get_path looks at the live API, which may have lost a parent that the snapshot still has.
    parts: list[str] = []
    while resource.parent_id:
        parts.append(resource.path_part)
        resource = resources[resource.parent_id]
    return "/" + "/".join(reversed(parts))


def _integration(integration: Any) -> Integration | None:
    if integration is None:
        return None
    timeout = integration.timeout_in_millis
    return Integration(
        type=integration.integration_type,
        uri=integration.uri or "",
        timeout_seconds=float(timeout) / 1000 if timeout else DEFAULT_TIMEOUT_SECONDS,
        connection_type=integration.connection_type,
    )


def _authorizer(authorizer: Any) -> Authorizer:
    ttl = authorizer.authorizer_result_ttl
    return Authorizer(
        id=authorizer.id,
        type=authorizer.type,
        uri=authorizer.authorizer_uri or "",
        identity_sources=tuple(source.strip() for source in (authorizer.identity_source or "").split(",") if source),
        identity_validation=authorizer.identity_validation_expression or None,
        ttl_seconds=DEFAULT_AUTHORIZER_TTL_SECONDS if ttl is None else int(ttl),
        provider_arns=tuple(authorizer.provider_arns or ()),
    )


def _gateway_response(response: Any) -> GatewayResponse:
    return GatewayResponse(
        status_code=int(response.status_code) if response.status_code else None,
        parameters=dict(response.response_parameters or {}),
        templates=dict(response.response_templates or {}),
    )


def _stage(stage: Any) -> Stage:
    log = stage.access_log_settings or {}
    return Stage(
        name=stage.name,
        deployment_id=stage.deployment_id or "",
        variables={name: str(value) for name, value in (stage.variables or {}).items()},
        access_log_arn=log.get("destinationArn"),
        access_log_format=log.get("format") or "",
        web_acl_arn=getattr(stage, "web_acl_arn", None),
        throttles={
            path.removeprefix("/"): throttle
            for path, settings in (stage.method_settings or {}).items()
            if (throttle := _throttle(settings)) is not None
        },
    )


def _throttle(settings: Mapping[str, Any]) -> Throttle | None:
    return throttle(settings.get("throttlingRateLimit"), settings.get("throttlingBurstLimit"))


def throttle(rate: object, burst: object) -> Throttle | None:
    """A throttle of a rate and a burst in any notation; None where neither limits. -1 means unlimited."""
    numbers = [None if value is None or float(str(value)) < 0 else float(str(value)) for value in (rate, burst)]
    return None if numbers == [None, None] else Throttle(*numbers)


def _flag(value: object) -> bool:
    return str(value).lower() == "true"
