"""What a REST API was when it was deployed: the gateway serves a deployment's snapshot, never the live definition.

`deployed_api(account, region, api_id, stage_name)` answers with a `DeployedApi`: `api` is a copy of moto's
`RestAPI`, taken when the stage's deployment was made (its `resources`, `models`, `request_validators`,
`gateway_responses`, `authorizers` and `binaryMediaTypes` are frozen at that moment), and `stage` is moto's live
`Stage` (variables, method settings, access logs), because on AWS a stage's settings change without a deployment.
It answers None where the API, the stage or its deployment does not exist. `deployed_apis()` lists every stage that
is served, over all accounts and regions.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from moto.apigateway.models import APIGatewayBackend, RestAPI, Stage, apigateway_backends

SNAPSHOT_ATTRIBUTE = "deployed_api_snapshot"
SNAPSHOT_PARTS = (
    "resources",
    "models",
    "request_validators",
    "gateway_responses",
    "authorizers",
    "binaryMediaTypes",
)


@dataclass(frozen=True)
class DeployedApi:
    """One stage of a REST API with the snapshot that its deployment froze."""

    account: str
    region: str
    api: RestAPI
    stage: Stage


def install() -> None:
    """Make every API Gateway deployment keep a copy of its API."""
    if hasattr(APIGatewayBackend.create_deployment, "keeps_snapshot"):
        return
    original = APIGatewayBackend.create_deployment

    def create_deployment(self: APIGatewayBackend, function_id: str, *args: Any, **kwargs: Any) -> Any:
        deployment = original(self, function_id, *args, **kwargs)
        setattr(deployment, SNAPSHOT_ATTRIBUTE, _snapshot(self.get_rest_api(function_id)))
        return deployment

    create_deployment.keeps_snapshot = True  # type: ignore[attr-defined]
    APIGatewayBackend.create_deployment = create_deployment


def deployed_api(account: str, region: str, api_id: str, stage_name: str) -> DeployedApi | None:
    """The API as deployed to a stage, or None where no such stage is served."""
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
