"""API Gateway as moto lacks it: binary media types at creation."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable
from typing import Any

from moto.apigateway.responses import APIGatewayResponse


def install() -> None:
    """Mend moto's API Gateway."""
    if not hasattr(APIGatewayResponse.create_rest_api, "keeps_binary_media_types"):
        APIGatewayResponse.create_rest_api = _keep_binary_media_types(APIGatewayResponse.create_rest_api)


def _keep_binary_media_types(original: Callable[[Any], Any]) -> Callable[[Any], Any]:
    @functools.wraps(original)
    def create_rest_api(self: APIGatewayResponse) -> Any:
        status, headers, body = original(self)
        created = json.loads(body)
        media_types = self._get_param("binaryMediaTypes")
        if media_types and "id" in created:
            api = self.backend.get_rest_api(created["id"])
            api.binaryMediaTypes = list(media_types)
            body = json.dumps(api.to_dict())
        return status, headers, body

    create_rest_api.keeps_binary_media_types = True  # type: ignore[attr-defined]
    return create_rest_api
