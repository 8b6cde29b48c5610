"""The engines that callers can name in a path, as Stability AI's REST API v1 lists them."""

from __future__ import annotations

from typing import Literal

import msgspec

from image_api.errors import UnknownEngineError


class Engine(msgspec.Struct, frozen=True):
    """An engine as `GET /v1/engines/list` shows it."""

    description: str
    id: str
    name: str
    type: Literal["PICTURE"] = "PICTURE"


ENGINES = (
    Engine(
        description="Stability AI Stable Diffusion XL 1.0, served from this account's own endpoint",
        id="stable-diffusion-xl-1024-v1-0",
        name="Stable Diffusion XL v1.0",
    ),
)


def check_engine(engine_id: str) -> None:
    """Raise `UnknownEngineError` unless the engine is deployed here."""
    known = [engine.id for engine in ENGINES]
    if engine_id not in known:
        raise UnknownEngineError(
            f"There is no engine {engine_id[:100]!r}. Known engines: {', '.join(known)}; GET /v1/engines/list has them."
        )
