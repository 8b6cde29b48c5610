"""Bedrock's control plane: the lifecycle of the models that are served here, and an account's access to them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from emulator.account.answers import Answer, ServiceError
from emulator.account.asked import Asked
from emulator.account.facts import AccountBook, Facts
from emulator.bedrock_models import INVALID, MODELS, Model
from stacks.catalog.bedrock import load_bedrock_catalog

_STATUSES = {"active": "ACTIVE", "legacy": "LEGACY"}


def _model(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer:
    model = _served(asked)
    planted, known = facts.bedrock_models.get(model.id, {}), load_bedrock_catalog().model(model.id)
    lifecycle = {"status": planted.get("lifecycle") or _STATUSES[known.status]}
    if end := planted.get("end_of_life") or known.end_of_life:
        lifecycle["endOfLifeTime"] = f"{end}T00:00:00Z"
    arn = f"arn:aws:bedrock:{asked.region}::foundation-model/{model.id}"
    return Answer(
        {"modelDetails": {"modelArn": arn, "modelId": model.id, "modelName": known.name, "modelLifecycle": lifecycle}}
    )


def _availability(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer:
    model = _served(asked)
    planted = facts.bedrock_models.get(model.id, {})
    return Answer(
        {
            "modelId": model.id,
            "agreementAvailability": {"status": planted.get("agreement", "AVAILABLE")},
            "authorizationStatus": planted.get("authorization", "AUTHORIZED"),
            "entitlementAvailability": planted.get("entitlement", "AVAILABLE"),
            "regionAvailability": planted.get("region", "AVAILABLE"),
        }
    )


def _profile(asked: Asked, account: str, _: Facts, __: AccountBook) -> Answer:
    profile = asked.parameters["id"]
    model = next((one for one in MODELS.values() if one.profile == profile), None)
    if model is None or not asked.region.startswith("us-"):
        raise ServiceError("ResourceNotFoundException", f"No inference profile {profile} in {asked.region}", 404)
    body: dict[str, Any] = {
        "inferenceProfileName": profile,
        "inferenceProfileArn": f"arn:aws:bedrock:{asked.region}:{account}:inference-profile/{profile}",
        "inferenceProfileId": profile,
        "models": [{"modelArn": f"arn:aws:bedrock:{asked.region}::foundation-model/{model.id}"}],
        "status": "ACTIVE",
        "type": "SYSTEM_DEFINED",
    }
    return Answer(body)


def _provisioned(asked: Asked, account: str, facts: Facts, _: AccountBook) -> Answer:
    arn = _own(asked, account, "provisioned_throughput", facts)
    return Answer({"provisionedModelArn": arn, "provisionedModelName": "emulated", "status": "InService"})


def _imported(asked: Asked, account: str, facts: Facts, _: AccountBook) -> Answer:
    return Answer({"modelArn": _own(asked, account, "imported_model", facts), "modelName": "emulated"})


def _own(asked: Asked, account: str, what: str, facts: Facts) -> str:
    """The runtime serves every such ARN of the account and region, so there is one of each."""
    arn = str(asked.parameters["id"])
    if what in facts.missing or arn.split(":")[3:5] != [asked.region, account]:
        raise ServiceError("ResourceNotFoundException", f"The resource {arn} could not be found.", 404)
    return arn


def _served(asked: Asked) -> Model:
    model = MODELS.get(asked.parameters["id"])
    if model is None or model.ended or (model.regions and asked.region not in model.regions):
        raise ServiceError("ValidationException", INVALID)
    return model


HANDLERS: Mapping[str, Callable[[Asked, str, Facts, AccountBook], Answer | None]] = {
    "bedrock:GetFoundationModel": _model,
    "bedrock:GetFoundationModelAvailability": _availability,
    "bedrock:GetInferenceProfile": _profile,
    "bedrock:GetProvisionedModelThroughput": _provisioned,
    "bedrock:GetImportedModel": _imported,
}
