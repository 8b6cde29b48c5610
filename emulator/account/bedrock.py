"""Bedrock's control plane: the lifecycle of the models that are served here, and an account's access to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from emulator.account.requests import Account, Answer, Handler, ServiceError, ServiceRequest
from emulator.bedrock_models import INVALID, MODELS, Model


def _model(request: ServiceRequest, account: Account) -> Answer:
    model = _served(request, account)
    states, known = account.facts.bedrock_models.get(model.id, {}), account.aws.bedrock_models[model.id]
    lifecycle = {"status": states.get("lifecycle") or known.lifecycle}
    if end := states.get("end_of_life") or known.end_of_life:
        lifecycle["endOfLifeTime"] = f"{end}T00:00:00Z"
    arn = f"arn:aws:bedrock:{request.region}::foundation-model/{model.id}"
    return Answer(
        {"modelDetails": {"modelArn": arn, "modelId": model.id, "modelName": known.name, "modelLifecycle": lifecycle}}
    )


def _availability(request: ServiceRequest, account: Account) -> Answer:
    model = _served(request, account)
    states = account.facts.bedrock_models.get(model.id, {})
    return Answer(
        {
            "modelId": model.id,
            "agreementAvailability": {"status": states.get("agreement", "AVAILABLE")},
            "authorizationStatus": states.get("authorization", "AUTHORIZED"),
            "entitlementAvailability": states.get("entitlement", "AVAILABLE"),
            "regionAvailability": states.get("region", "AVAILABLE"),
        }
    )


def _profile(request: ServiceRequest, account: Account) -> Answer:
    profile = request.parameters["id"]
    model = next((one for one in MODELS.values() if one.profile == profile), None)
    if model is None or not request.region.startswith("us-"):
        raise ServiceError("ResourceNotFoundException", f"No inference profile {profile} in {request.region}", 404)
    body: dict[str, Any] = {
        "inferenceProfileName": profile,
        "inferenceProfileArn": f"arn:aws:bedrock:{request.region}:{account.id}:inference-profile/{profile}",
        "inferenceProfileId": profile,
        "models": [{"modelArn": f"arn:aws:bedrock:{request.region}::foundation-model/{model.id}"}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
    return Answer(body)


def _provisioned(request: ServiceRequest, account: Account) -> Answer:
    arn = _own(request, account, "provisioned_throughput")
    return Answer({"provisionedModelArn": arn, "provisionedModelName": "emulated", "status": "InService"})


def _imported(request: ServiceRequest, account: Account) -> Answer:
    return Answer({"modelArn": _own(request, account, "imported_model"), "modelName": "emulated"})


def _own(request: ServiceRequest, account: Account, kind: str) -> str:
    """The requested ARN. The runtime serves every such ARN of the account and region, so each exists."""
    arn = str(request.parameters["id"])
    if kind in account.facts.missing or arn.split(":")[3:5] != [request.region, account.id]:
        raise ServiceError("ResourceNotFoundException", f"The resource {arn} could not be found.", 404)
    return arn


def _served(request: ServiceRequest, account: Account) -> Model:
    model = MODELS.get(request.parameters["id"])
    known = model is not None and model.id in account.aws.bedrock_models
    if model is None or not known or model.ended or (model.regions and request.region not in model.regions):
        raise ServiceError("ValidationException", INVALID)
    return model


HANDLERS: Mapping[str, Handler] = {
    "bedrock:GetFoundationModel": _model,
    "bedrock:GetFoundationModelAvailability": _availability,
    "bedrock:GetInferenceProfile": _profile,
    "bedrock:GetProvisionedModelThroughput": _provisioned,
    "bedrock:GetImportedModel": _imported,
}
