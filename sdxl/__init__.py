"""SDXL image generation behind your own API: the client, and the `sdxl` command that is built on it.

::

    from sdxl import Client

    with Client("https://.../prod", "your API key") as client:
        client.text_to_image("puppy", style="photographic", size="widescreen").images[0].save("puppy.png")

`GenerationRequest` says everything that a call can; `AsyncClient` is the same with `await`. What goes wrong is one of
the exceptions drawn in `sdxl.errors`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from sdxl._version import __version__ as __version__

if TYPE_CHECKING:
    from sdxl.client import (
        AsyncClient,
        Client,
        Engine,
        GenerationRequest,
        GenerationResult,
        Health,
        Image,
        Presets,
        Retries,
        Retry,
        TextPrompt,
    )
    from sdxl.errors import (
        ApiConnectionError,
        ApiError,
        AuthenticationError,
        BadRequestError,
        ConflictError,
        ImageNotAvailableError,
        InvalidRequestError,
        ModelNotReadyError,
        ModelTimeoutError,
        RateLimitedError,
        SdxlError,
        ServerError,
        UnexpectedAnswerError,
    )

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "AsyncClient",
    "AuthenticationError",
    "BadRequestError",
    "Client",
    "ConflictError",
    "Engine",
    "GenerationRequest",
    "GenerationResult",
    "Health",
    "Image",
    "ImageNotAvailableError",
    "InvalidRequestError",
    "ModelNotReadyError",
    "ModelTimeoutError",
    "Presets",
    "RateLimitedError",
    "Retries",
    "Retry",
    "SdxlError",
    "ServerError",
    "TextPrompt",
    "UnexpectedAnswerError",
]


def __getattr__(name: str) -> object:
    """Import a public name when it is first used: the command's help need not pay for an HTTP library."""
    if name not in __all__:
        raise AttributeError(f"module 'sdxl' has no attribute {name!r}")
    return getattr(import_module("sdxl.errors" if name.endswith("Error") else "sdxl.client"), name)
