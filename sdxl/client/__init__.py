"""The image API over HTTP: a typed request in, typed images out, and errors that say what to do.

`requests.py` and `results.py` are what callers handle. `conversations.py` decides what is sent, what its answer means
and when it is sent again, without doing any of it: `sync_client.py` and `async_client.py` carry its steps out.
"""

from sdxl.client.async_client import AsyncClient
from sdxl.client.conversations import ENGINE_ID
from sdxl.client.requests import GenerationRequest, TextPrompt
from sdxl.client.results import Engine, GenerationResult, Health, Image, Presets
from sdxl.client.retries import Retries, Retry
from sdxl.client.sync_client import Client

__all__ = [
    "ENGINE_ID",
    "AsyncClient",
    "Client",
    "Engine",
    "GenerationRequest",
    "GenerationResult",
    "Health",
    "Image",
    "Presets",
    "Retries",
    "Retry",
    "TextPrompt",
]
