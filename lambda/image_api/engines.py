"""The engines that callers can name in a path, as Stability AI's REST API v1 lists them."""

from __future__ import annotations

from typing import Literal

import msgspec

from image_api.errors import UnknownEngineError
from image_api.settings import Settings


class Engine(msgspec.Struct, frozen=True):
    """An engine as `GET /v1/engines/list` shows it."""

    description: str
    id: str
    name: str
    type: Literal["PICTURE"] = "PICTURE"


# One name for every model source: applications written for this engine go on working when the source changes.
ENGINE_ID = "stable-diffusion-xl-1024-v1-0"
ENGINE_IDS = (ENGINE_ID,)


def deployed_engines(settings: Settings) -> tuple[Engine, ...]:
    """The engines of this deployment, and what is behind them."""
    if settings.model_source == "bedrock":
        description = f"{settings.bedrock_model_id} on Amazon Bedrock, under the id that SDXL 1.0 has"
    else:
        description = "Stability AI Stable Diffusion XL 1.0, served from this account's own endpoint"
    return (Engine(description=description, id=ENGINE_ID, name="Stable Diffusion XL v1.0"),)


def check_engine(engine_id: str) -> None:
    """Raise `UnknownEngineError` unless the engine is deployed here."""
    if engine_id not in ENGINE_IDS:
        raise UnknownEngineError(
            f"There is no engine {engine_id[:100]!r}. Known engines: {', '.join(ENGINE_IDS)}; "
            "GET /v1/engines/list has them."
        )
