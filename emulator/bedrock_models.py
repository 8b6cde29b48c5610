"""Bedrock's models as InvokeModel knows them: what an identifier means, and where and for how long it is served.

Lifecycle and regions: Amazon Bedrock user guide, "Model lifecycle" and "Supported foundation models", as of 2025-11.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

SDXL = "stability.stable-diffusion-xl-v1"
ENDED = "This model version has reached the end of its life. Please refer to the AWS documentation for more details."
INVALID = "The provided model identifier is invalid."


@dataclass(frozen=True)
class Model:
    """A foundation model. `regions` is empty where only an inference profile serves it."""

    id: str
    variant: str
    regions: tuple[str, ...] = ()
    profile: str | None = None
    ended: bool = False


MODELS = {
    model.id: model
    for model in (
        Model("stability.stable-diffusion-xl-v0", "bedrock-sdxl", ended=True),
        Model(SDXL, "bedrock-sdxl", ("us-east-1", "us-west-2"), ended=True),
        Model("stability.stable-image-core-v1:0", "bedrock-stable-image", ended=True),
        Model("stability.stable-image-ultra-v1:0", "bedrock-stable-image", ended=True),
        Model("stability.sd3-large-v1:0", "bedrock-sd3-5", ended=True),
        Model("stability.sd3-5-large-v1:0", "bedrock-sd3-5", ("us-west-2",)),
        Model("stability.stable-image-core-v1:1", "bedrock-stable-image", ("us-west-2",)),
        Model("stability.stable-image-ultra-v1:1", "bedrock-stable-image", ("us-west-2",)),
        Model(
            "stability.stable-image-inpaint-v1:0",
            "bedrock-inpaint",
            profile="us.stability.stable-image-inpaint-v1:0",
        ),
    )
}

_ARN = re.compile(
    r"arn:aws[^:]*:bedrock:(?P<region>[^:]+):(?P<account>\d*):"
    r"(?P<kind>foundation-model|inference-profile|provisioned-model|imported-model)/(?P<name>.+)"
)


class ModelError(LookupError):
    """An identifier that InvokeModel refuses, with the service's error type and words."""

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def served_model(identifier: str, *, account: str, region: str) -> Model:
    """The model that an id, an inference profile or an ARN names; raises ModelError.

    What a provisioned throughput or an imported model holds is not known here: it stands for SDXL 1.0, the only model
    that has no other way left to be called.
    """
    if not identifier.startswith("arn:"):
        return _by_profile(identifier, region) if identifier.startswith("us.") else _on_demand(identifier, region)
    arn = _ARN.fullmatch(identifier)
    if arn is None or arn["region"] != region:
        raise ModelError("ValidationException", INVALID)
    if arn["kind"] == "foundation-model":
        return _on_demand(arn["name"], region)
    if arn["account"] != account:
        raise ModelError("AccessDeniedException", f"Account {account} may not invoke {identifier}")
    return _by_profile(arn["name"], region) if arn["kind"] == "inference-profile" else MODELS[SDXL]


def _on_demand(identifier: str, region: str) -> Model:
    model = MODELS.get(identifier)
    if model is None:
        raise ModelError("ValidationException", INVALID)
    if model.ended:
        raise ModelError("ResourceNotFoundException", ENDED)
    if model.profile:
        message = (
            f"Invocation of model ID {identifier} with on-demand throughput isn\u2019t supported. Retry your request "
            "with the ID or ARN of an inference profile that contains this model."
        )
        raise ModelError("ValidationException", message)
    if region not in model.regions:
        raise ModelError("ValidationException", INVALID)
    return model


def _by_profile(identifier: str, region: str) -> Model:
    model = next((model for model in MODELS.values() if model.profile == identifier), None)
    if model is None or not region.startswith("us-"):
        raise ModelError("ValidationException", INVALID)
    return model
