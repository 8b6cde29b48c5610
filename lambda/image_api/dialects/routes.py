"""Every route of every dialect, in the order of the documentation. A new dialect is one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from image_api.dialects import console, openai_images, service, stability_v1
from image_api.dialects.route import ImagesRoute, PlainRoute
from image_api.errors import UnknownRouteError

ROUTES: tuple[ImagesRoute | PlainRoute, ...] = (
    *stability_v1.ROUTES,
    *openai_images.ROUTES,
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
    raise UnknownRouteError(
        f"There is nothing at {path[:100]!r}. GET /v1/engines/list names the engines; images come from "
        "POST /v1/generation/{engine_id}/text-to-image. GET /openapi.json describes every route."
    )


def _by_path() -> dict[str, dict[str, ImagesRoute | PlainRoute]]:
    found: dict[str, dict[str, ImagesRoute | PlainRoute]] = {}
    for route in ROUTES:
        found.setdefault(route.path, {})[route.method] = route
    return found


_PLAIN_PATHS = {path: routes for path, routes in _by_path().items() if "{" not in path}
_WITH_PARAMETERS = tuple(routes for path, routes in _by_path().items() if "{" in path)
