"""Every route of every dialect, in the order of the documentation. A new dialect is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from image_api.dialects import console, marks, openai_images, service, stability_v1
from image_api.dialects.route import Convention, ImagesRoute, PlainRoute
from image_api.errors import UnknownRouteError

# The first parts of paths that clients of the OpenAI API call, whether or not there is a route.
_OPENAI_PATHS = (
    "/v1/audio",
    "/v1/batches",
    "/v1/chat",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/files",
    "/v1/images",
    "/v1/models",
    "/v1/moderations",
    "/v1/responses",
    "/v1/videos",
)

ROUTES: tuple[ImagesRoute | PlainRoute, ...] = (
    *stability_v1.ROUTES,
    *openai_images.ROUTES,
    *marks.ROUTES,
    *service.ROUTES,
    *console.ROUTES,
)


class FoundPath(NamedTuple):
    """What is at a path: its routes by method, and the parameters that the path holds."""

    routes: Mapping[str, ImagesRoute | PlainRoute]
    parameters: Mapping[str, str]

    @property
    def methods(self) -> tuple[str, ...]:
        """The methods that are answered: those of the routes, HEAD where there is GET, and OPTIONS."""
        head = ("HEAD",) if "GET" in self.routes else ()
        return (*self.routes, *head, "OPTIONS")


def find_path(path: str) -> FoundPath:
    """What is at `path`, without the gateway's stage; a slash at its end makes no difference.

    Raises:
        UnknownRouteError: nothing is there.
    """
    path = path.rstrip("/") or "/"
    if found := _PLAIN_PATHS.get(path):
        return FoundPath(found, {})
    for routes in _WITH_PARAMETERS:
        if match := next(iter(routes.values())).pattern.fullmatch(path):
            return FoundPath(routes, match.groupdict())
    raise UnknownRouteError(f"There is nothing at {path[:100]!r}. {_advice(path)}")


def convention_of(path: str) -> Convention:
    """The convention that a caller of `path` expects, also where nothing is there."""
    return openai_images.CONVENTION if path.startswith(_OPENAI_PATHS) else stability_v1.CONVENTION


def _advice(path: str) -> str:
    if path.startswith("/v1/generation/") and path.endswith("/upscale"):
        return "Enlarging an image needs another model than SDXL 1.0, which is not deployed here."
    if path.startswith(_OPENAI_PATHS):
        return (
            "Images come from POST /v1/images/generations, /v1/images/edits and /v1/images/variations. "
            "GET /openapi.json describes every route."
        )
    return (
        "GET /v1/engines/list names the engines; images come from POST /v1/generation/{engine_id}/text-to-image. "
        "GET /openapi.json describes every route."
    )


def _by_path() -> dict[str, dict[str, ImagesRoute | PlainRoute]]:
    found: dict[str, dict[str, ImagesRoute | PlainRoute]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = route
    return found


_PLAIN_PATHS = {path: routes for path, routes in _by_path().items() if "{" not in path}
_WITH_PARAMETERS = tuple(routes for path, routes in _by_path().items() if "{" in path)
