"""What a route of the API is: where it is, how its request is read, and how its answers are written.

A dialect is a module with `ROUTES`; `dialects/routes.py` lists them all, and the application serves that list. So every
error on a dialect's paths is written by that dialect, whoever raised it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from image_api.dialects.http import HttpReply, HttpRequest
from image_api.errors import ImageApiError
from image_api.request import GenerationRequest, GenerationResult
from image_api.settings import Settings

ErrorReply = Callable[[ImageApiError, str], HttpReply]


class Asked(msgspec.Struct, frozen=True):
    """What a caller asked for: the images, and in `options` what only the dialect that read it knows how to answer."""

    request: GenerationRequest
    options: Any = None
    # Every image is stored and answered as a link, whether it would fit into the answer or not.
    as_links: bool = False


class ImagesRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route that answers with images. `path` names its parameters in braces, as API Gateway does.

    `read` raises `ImageApiError` for what it cannot accept; `reply` answers with the images; `error_reply` with an
    error and the request's id. `overhead_bytes` is what an image takes in the answer beside its base64.
    """

    method: str
    path: str
    read: Callable[[HttpRequest], Asked]
    reply: Callable[[GenerationResult, Asked], HttpReply]
    error_reply: ErrorReply
    overhead_bytes: int


class PlainRoute(msgspec.Struct, frozen=True, kw_only=True):
    """A route that answers without the model, from the request and the deployment's settings."""

    method: str
    path: str
    answer: Callable[[HttpRequest, Settings], HttpReply]
    error_reply: ErrorReply


Route = ImagesRoute | PlainRoute
