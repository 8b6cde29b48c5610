"""Every route that API Gateway knows, and the schema of the bodies that it checks."""

from __future__ import annotations

from collections.abc import Sequence

from stacks.constructs.image_api import Route
from stacks.request_schema import request_schema


def api_routes(styles: Sequence[str] = ()) -> tuple[Route, ...]:
    """Routes of both conventions. `styles` are the team's own, which a body may name beside the built-in ones.

    The routes of the OpenAI images API have no schema here: the function answers what is wrong with a body in that
    API's own words, with the parameter at fault.
    """
    return (
        Route(
            construct_id="TextToImage",
            method="POST",
            path="/v1/generation/{engine_id}/text-to-image",
            request_schema=request_schema("text-to-image", styles=styles),
        ),
        Route(
            construct_id="ImageToImage",
            method="POST",
            path="/v1/generation/{engine_id}/image-to-image",
            request_schema=request_schema("image-to-image", styles=styles),
            takes_forms=True,
        ),
        Route(
            construct_id="Masking",
            method="POST",
            path="/v1/generation/{engine_id}/image-to-image/masking",
            request_schema=request_schema("masking", styles=styles),
            takes_forms=True,
        ),
        Route(construct_id="ListEngines", method="GET", path="/v1/engines/list"),
        Route(construct_id="Balance", method="GET", path="/v1/user/balance"),
        Route(construct_id="Generations", method="POST", path="/v1/images/generations"),
        Route(construct_id="Edits", method="POST", path="/v1/images/edits"),
        Route(construct_id="Variations", method="POST", path="/v1/images/variations"),
        Route(construct_id="ListModels", method="GET", path="/v1/models"),
        Route(construct_id="Model", method="GET", path="/v1/models/{model}"),
        Route(construct_id="Presets", method="GET", path="/v1/presets"),
        Route(construct_id="OpenApi", method="GET", path="/openapi.json", is_open=True),
        Route(construct_id="Health", method="GET", path="/health", is_open=True),
    )
