"""What a route of the API is: where it is, what the OpenAPI document says of it, and how it is read and answered.

A dialect is a module with `ROUTES`; `dialects/routes.py` lists them all. The application serves that list, and the
OpenAPI document is made from it. Every error on a dialect's paths is written in its convention, whoever raised it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import msgspec

from image_api.capabilities import Capabilities
from image_api.dialects.http import HttpReply, HttpRequest
from image_api.endpoint_health import ModelHealth
from image_api.errors import ImageApiError
from image_api.request import Encoding, GenerationRequest, GenerationResult
from image_api.settings import Settings

# What a request for images can be answered with, in addition to what any route can.
IMAGES_ERRORS = (400, 404, 406, 409, 413, 415, 422, 502)
# A grey PNG of 128x128 pixels, in base64.
EXAMPLE_PNG = (
    "iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAAAAADmVT4XAAAAWklEQVR42u3OsQAAAAACsPx5AgyjZyNYehYBAQEBAQEBAQEBAQEB"
    "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAYF3YE47AqTCfcJ+AAAAAElFTkSuQmCC"
)
# A file in place of a struct among `bodies` and `answers`.
BINARY = bytes


class Convention(msgspec.Struct, frozen=True, kw_only=True):
    """How a dialect answers: its name, how it writes an error with the request's id, and what such an error is."""

    name: str
    error_reply: Callable[[ImageApiError, str], HttpReply]
    error_body: type[msgspec.Struct]


class ParsedRequest(msgspec.Struct, frozen=True):
    """What a caller requested: the images, how they travel, and how they differ from the request.

    `options` holds what only the dialect that read the request knows how to answer.
    """

    request: GenerationRequest
    options: Any = None
    # Every image is stored and answered as a link, also those that fit into the answer.
    as_links: bool = False
    # The format of the images; None for PNG whatever their size, with links to those that do not fit into the answer.
    encoding: Encoding | None = Encoding()
    # Sentences in ASCII: they travel in a header.
    warnings: tuple[str, ...] = ()


class Deployment(msgspec.Struct, frozen=True):
    """What a dialect may know of the deployment: its settings, what its model can do and whether it is in service."""

    settings: Settings
    capabilities: Capabilities
    health: ModelHealth


class Route(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """A route. Its `path` has parameters in braces, which `parameters` describes by name, as OpenAPI does.

    A caller needs a key, unless the route `is_open`.

    `bodies` and `answers` are types by media type: a struct, a `list[...]` of structs, or `BINARY`. `headers` and
    `errors` (statuses) are what its answers can have in addition to those of every route. `error_bodies` has, by
    status, what is not the convention's own error.
    """

    method: str
    path: str
    operation_id: str
    summary: str
    convention: Convention
    answers: Mapping[str, Any]
    parameters: Mapping[str, Mapping[str, Any]] = {}
    bodies: Mapping[str, Any] = {}
    description: str = ""
    example: Mapping[str, Any] | None = None
    headers: tuple[str, ...] = ()
    errors: tuple[int, ...] = ()
    error_bodies: Mapping[int, type[msgspec.Struct]] = {}
    is_open: bool = False

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a path of this route looks like; its groups are the parameters."""
        return re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>[^/]+)", re.escape(self.path)))


class ImagesRoute(Route, frozen=True, kw_only=True, dict=True):
    """A route that answers with images.

    `read` raises `ImageApiError` for what it cannot accept; `reply` answers with the images. `overhead_bytes` is what
    an image takes in the answer in addition to its base64.
    """

    read: Callable[[HttpRequest, Deployment], ParsedRequest]
    reply: Callable[[GenerationResult, ParsedRequest], HttpReply]
    overhead_bytes: int


class PlainRoute(Route, frozen=True, kw_only=True, dict=True):
    """A route that answers without the model, from the request and the deployment."""

    answer: Callable[[HttpRequest, Deployment], HttpReply]
