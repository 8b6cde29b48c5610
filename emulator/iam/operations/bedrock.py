"""Bedrock's runtime: the model, or the inference profile and the model in each region that the profile leads to.

Source: Amazon Bedrock User Guide, "Prerequisites for inference profiles": a call through a profile needs both.
"""

from __future__ import annotations

from collections.abc import Iterator

from emulator.bedrock_models import MODELS
from emulator.iam.evaluation import Permission
from emulator.iam.requests import Call, UndeterminedError

_ACTIONS = {
    "Converse": "bedrock:InvokeModel",
    "ConverseStream": "bedrock:InvokeModelWithResponseStream",
    "InvokeModel": "bedrock:InvokeModel",
    "InvokeModelWithResponseStream": "bedrock:InvokeModelWithResponseStream",
}
_BY_PROFILE = "bedrock:InferenceProfileArn"
# Bedrock User Guide, "Supported Regions and models for inference profiles": US profiles of Stability AI, 2025-11.
DESTINATIONS = ("us-east-1", "us-east-2", "us-west-2")


def permissions(call: Call) -> Iterator[Permission]:
    """What an invocation needs."""
    action = _ACTIONS.get(call.operation)
    if action is None:
        raise UndeterminedError(f"Bedrock {call.operation} is not evaluated: {', '.join(_ACTIONS)} are")
    identifier = call.parameter("modelId")
    by_profile = {model.profile: model.id for model in MODELS.values() if model.profile}
    profile = identifier.rpartition("/")[2] if ":inference-profile/" in identifier else identifier
    if profile in by_profile:
        arn = call.arn("bedrock", f"inference-profile/{profile}")
        if identifier.startswith("arn:"):
            arn = call.in_own_account(identifier)
        yield Permission(action, arn, {_BY_PROFILE: arn})
        for region in DESTINATIONS:
            model = call.arn("bedrock", f"foundation-model/{by_profile[profile]}", region=region, account="")
            yield Permission(action, model, {_BY_PROFILE: arn})
    elif ":inference-profile/" in identifier or identifier.split(".")[0] in {"us", "eu", "apac", "global"}:
        raise UndeterminedError(f"the regions that inference profile {identifier!r} leads to are not known")
    elif identifier.startswith("arn:"):
        yield Permission(action, call.in_own_account(identifier), absent=(_BY_PROFILE,))
    else:
        model = call.arn("bedrock", f"foundation-model/{identifier}", account="")
        yield Permission(action, model, absent=(_BY_PROFILE,))
