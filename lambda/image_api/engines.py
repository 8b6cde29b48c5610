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
# Stability AI's own earlier engines, which published clients and examples name (its list of engines of 2022 to 2024). A
# client that had its base URL and key changed and nothing else sends one of them.
OLDER_ENGINE_IDS = (
    "stable-diffusion-v1",
    "stable-diffusion-v1-5",
    "stable-diffusion-v1-6",
    "stable-diffusion-512-v2-0",
    "stable-diffusion-512-v2-1",
    "stable-diffusion-768-v2-0",
    "stable-diffusion-768-v2-1",
    "stable-diffusion-depth-v2-0",
    "stable-inpainting-v1-0",
    "stable-inpainting-512-v2-0",
    "stable-diffusion-xl-beta-v2-2-2",
    "stable-diffusion-xl-1024-v0-9",
)


def deployed_engines(settings: Settings) -> tuple[Engine, ...]:
    """The engines of this deployment, and what is behind them."""
    if settings.model_source == "bedrock":
        description = f"{settings.bedrock_model_id} on Amazon Bedrock, under the id that SDXL 1.0 has"
    else:
        description = "Stability AI Stable Diffusion XL 1.0, served from this account's own endpoint"
    return (Engine(description=description, id=ENGINE_ID, name="Stable Diffusion XL v1.0"),)


def check_engine(engine_id: str) -> tuple[str, ...]:
    """The warning for a caller who names one of Stability AI's earlier engines; nothing for the deployed one.

    Raises:
        UnknownEngineError: there is no such engine.
    """
    if engine_id in ENGINE_IDS:
        return ()
    if engine_id in OLDER_ENGINE_IDS:
        return (f"engine {engine_id} is answered by {ENGINE_ID}.",)
    raise UnknownEngineError(
        f"There is no engine {engine_id[:100]!r}. Known engines: {', '.join(ENGINE_IDS)}; "
        "GET /v1/engines/list has them."
    )
