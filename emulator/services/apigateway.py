"""API Gateway as moto lacks it: binary media types, an authorizer's validation expression, snapshots of deployments.

A deployment freezes the API as it is at that moment, and the gateway serves the snapshot, never the live definition. A
stage's settings (variables, method settings, access logs) stay live, because they change without a deployment.
"""

from __future__ import annotations

import copy
import functools
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from moto.apigateway.models import APIGatewayBackend, Authorizer, RestAPI, Stage, apigateway_backends
from moto.apigateway.responses import APIGatewayResponse

SNAPSHOT_ATTRIBUTE = "deployed_api_snapshot"
SNAPSHOT_PARTS = ("resources", "gateway_responses", "authorizers", "binaryMediaTypes")


@dataclass(frozen=True)
class DeployedApi:
    """One stage of a REST API with the snapshot that its deployment froze."""

    account: str
    region: str
    api: RestAPI
    stage: Stage


def install() -> None:
    """Change moto's API Gateway."""
    if not hasattr(APIGatewayResponse.create_rest_api, "keeps_binary_media_types"):
        APIGatewayResponse.create_rest_api = _keep_binary_media_types(APIGatewayResponse.create_rest_api)
    if not hasattr(Authorizer.__init__, "keeps_validation"):
        Authorizer.__init__ = _keep_validation(Authorizer.__init__)
    if not hasattr(APIGatewayBackend.create_deployment, "keeps_snapshot"):
        APIGatewayBackend.create_deployment = _keep_snapshot(APIGatewayBackend.create_deployment)


def _keep_snapshot(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def create_deployment(self: APIGatewayBackend, function_id: str, *args: Any, **kwargs: Any) -> Any:
        deployment = original(self, function_id, *args, **kwargs)
        setattr(deployment, SNAPSHOT_ATTRIBUTE, _snapshot(self.get_rest_api(function_id)))
        return deployment

    create_deployment.keeps_snapshot = True  # type: ignore[attr-defined]
    return create_deployment


def _keep_binary_media_types(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    def create_rest_api(self: APIGatewayResponse) -> Any:
        status, headers, body = original(self)
        created = json.loads(body)
        media_types = self._get_param("binaryMediaTypes")
        if media_types and "id" in created:
            api = self.backend.get_rest_api(created["id"])
            api.binaryMediaTypes = list(media_types)
            body = json.dumps(api.to_dict())
        return status, headers, body

    create_rest_api.keeps_binary_media_types = True  # type: ignore[attr-defined]
    return create_rest_api


def _keep_validation(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def initialize(self: Authorizer, *args: Any, **kwargs: Any) -> None:
        expression = kwargs.pop("identiy_validation_expression", None)
        original(self, *args, **{"identity_validation_expression": expression, **kwargs})

    initialize.keeps_validation = True  # type: ignore[attr-defined]
    return initialize


def deployed_api(account: str, region: str, api_id: str, stage_name: str) -> DeployedApi | None:
    """The API as deployed to a stage, or None where the stage is not served."""
    api = apigateway_backends[account][region].apis.get(api_id)
    stage = api.stages.get(stage_name) if api else None
    if api is None or stage is None:
        return None
    deployment = api.deployments.get(stage.deployment_id)
    snapshot = getattr(deployment, SNAPSHOT_ATTRIBUTE, None)
    return None if snapshot is None else DeployedApi(account=account, region=region, api=snapshot, stage=stage)


def deployed_apis() -> Iterator[DeployedApi]:
    """Every stage that is served, in all accounts and regions."""
    for account, regions in list(apigateway_backends.items()):
        for region, backend in list(regions.items()):
            for api_id, api in list(backend.apis.items()):
                for stage_name in list(api.stages):
                    deployed = deployed_api(account, region, api_id, stage_name)
                    if deployed is not None:
                        yield deployed


def mappings() -> Iterator[tuple[str, str, str, str]]:
    """Domain name, base path ("(none)" for the root), API and stage of every mapping, longest base path first."""
    found = [
        (domain, mapping.base_path, mapping.rest_api_id, mapping.stage or "")
        for regions in list(apigateway_backends.values())
        for backend in list(regions.values())
        for domain, of_domain in list(backend.base_path_mappings.items())
        for mapping in list(of_domain.values())
    ]
    yield from sorted(found, key=lambda mapping: (mapping[1] == "(none)", -len(mapping[1])))


def _snapshot(api: RestAPI) -> RestAPI:
    snapshot = copy.copy(api)
    for part in SNAPSHOT_PARTS:
        setattr(snapshot, part, copy.deepcopy(getattr(api, part)))
    return snapshot
