"""Answers that API Gateway gives by itself, in the shape of the API's own errors: `{id, name, message}`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

_GIVEN_BY_GATEWAY = "$context.error.messageString"
_REPORT = "Report the id of this answer to the operators of the service."


@dataclass(frozen=True, kw_only=True)
class GatewayResponse:
    """One gateway response. `headers` are parameter mappings: a literal stands in single quotes."""

    response_type: str
    name: str
    message: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def template(self) -> str:
        """Body template. Only `messageString` is put in as it is: it comes with its own quotes, escaped."""
        message = self.message if self.message == _GIVEN_BY_GATEWAY else json.dumps(self.message)
        return f'{{"id":"$context.requestId","name":"{self.name}","message":{message}}}'


def gateway_responses(*, integration_timeout_seconds: int) -> tuple[GatewayResponse, ...]:
    """Every gateway response that a caller of this API can meet; the last two catch what has none of its own."""
    return (
        GatewayResponse(
            response_type="BAD_REQUEST_BODY",
            status=400,
            name="bad_request",
            message="The body does not fit this route's schema. The header x-validation-error says where.",
            # In a header, because a body template cannot escape this text into JSON.
            headers={"x-validation-error": "context.error.validationErrorString"},
        ),
        GatewayResponse(
            response_type="BAD_REQUEST_PARAMETERS", status=400, name="bad_request", message=_GIVEN_BY_GATEWAY
        ),
        GatewayResponse(
            response_type="INVALID_API_KEY",
            status=403,
            name="permission_denied",
            message=(
                "The header x-api-key is missing or holds no key of this API. Send the key that its operators gave you."
            ),
        ),
        GatewayResponse(
            # What API Gateway calls a missing token is a path or method that does not exist.
            response_type="MISSING_AUTHENTICATION_TOKEN",
            status=404,
            name="not_found",
            message=(
                "No such route. There are POST /v1/generation/{engine_id}/text-to-image, GET /v1/engines/list and "
                "GET /health, below the address of the API's stage."
            ),
        ),
        GatewayResponse(
            response_type="THROTTLED",
            status=429,
            name="rate_limit_exceeded",
            message="Too many requests at once. Wait a second and try again, slower.",
            headers={"Retry-After": "'1'"},
        ),
        GatewayResponse(
            response_type="QUOTA_EXCEEDED",
            status=429,
            name="quota_exceeded",
            message="This key's quota of requests is used up until its period restarts. Ask the operators for more.",
        ),
        GatewayResponse(
            response_type="REQUEST_TOO_LARGE",
            status=413,
            name="request_too_large",
            message="The request is larger than 10 MB, the most that API Gateway takes.",
        ),
        GatewayResponse(
            response_type="UNSUPPORTED_MEDIA_TYPE",
            status=415,
            name="unsupported_media_type",
            message="The body's Content-Type cannot be read. Send application/json.",
        ),
        GatewayResponse(
            response_type="INTEGRATION_TIMEOUT",
            status=504,
            name="model_timeout",
            message=(
                f"No image within {integration_timeout_seconds} seconds, this API's limit. Ask for fewer steps or "
                "samples or a smaller size; operators can raise api.integration_timeout_seconds."
            ),
        ),
        GatewayResponse(
            response_type="INTEGRATION_FAILURE",
            status=502,
            name="internal_error",
            message=f"The request failed inside the service. {_REPORT}",
        ),
        GatewayResponse(response_type="DEFAULT_4XX", name="bad_request", message=_GIVEN_BY_GATEWAY),
        GatewayResponse(
            response_type="DEFAULT_5XX",
            name="internal_error",
            message=f"The request failed inside the service. {_REPORT}",
        ),
    )
