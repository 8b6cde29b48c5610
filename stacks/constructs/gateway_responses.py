"""Answers that API Gateway gives by itself, in one shape that clients of both conventions read.

Stability AI's clients read `id`, `name` and `message`; those of the OpenAI images API read `error` with `message`,
`type`, `param` and `code`. The gateway cannot know whose client asks where no route was found or no key was given.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from stacks.constructs.callers import SCOPE
from stacks.environment import Api

_GIVEN_BY_GATEWAY = "$context.error.messageString"
_ROUTES = (
    "Images come from POST /v1/generation/{engine_id}/text-to-image, /image-to-image and /image-to-image/masking, and "
    "from POST /v1/images/generations, /v1/images/edits and /v1/images/variations, below the address of the API's "
    "stage; GET /openapi.json describes every route."
)
_REPORT = "Report the id of this answer to the operators of the service."

_EXPOSE_HEADERS = "Retry-After,WWW-Authenticate,x-amzn-RequestId"


def cors_headers(origins: Sequence[str]) -> dict[str, str]:
    """Header mappings that let pages of `origins` read the gateway's own errors.

    A gateway response cannot choose among origins: with several, it repeats the caller's. What it says is no secret,
    and no cookie is ever accepted with it. The function adds the headers to its own answers.
    """
    if not origins:
        return {}
    origin = f"'{origins[0]}'" if len(origins) == 1 else "method.request.header.Origin"
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": f"'{_EXPOSE_HEADERS}'",
        "Vary": "'Origin'",
    }


@dataclass(frozen=True, kw_only=True)
class GatewayResponse:
    """One gateway response. `headers` are parameter mappings: a literal stands in single quotes."""

    response_type: str
    name: str
    message: str
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    # OpenAI's types of errors: what a caller can fix is an invalid_request_error.
    error_type: str = "invalid_request_error"
    error_code: str | None = None

    @property
    def template(self) -> str:
        """Body template. Only `messageString` is put in as it is: it comes with its own quotes, escaped."""
        message = self.message if self.message == _GIVEN_BY_GATEWAY else json.dumps(self.message)
        code = json.dumps(self.error_code or self.name)
        error = f'{{"message":{message},"type":"{self.error_type}","param":null,"code":{code}}}'
        return f'{{"id":"$context.requestId","name":"{self.name}","message":{message},"error":{error}}}'


def gateway_responses(settings: Api) -> tuple[GatewayResponse, ...]:
    """Return every gateway response that a caller of this API can meet; the last two are for what has no other."""
    return (*_callers(settings), *_requests(), *_limits(settings), *_faults(settings))


def _callers(settings: Api) -> tuple[GatewayResponse, ...]:
    """Answers to callers who are not known or not allowed."""
    mode = settings.auth.mode
    how = {
        "api_key": "Send the key that its operators gave you, as x-api-key: KEY or Authorization: Bearer KEY.",
        "iam": "Sign the request (Signature Version 4, service execute-api) as an identity that may call this API.",
        "cognito": f"Send an access token with the scope {SCOPE}, as Authorization: Bearer TOKEN.",
    }[mode]
    credential = {"api_key": "API key", "iam": "signature", "cognito": "access token"}[mode]
    challenge = {"WWW-Authenticate": "'AWS4-HMAC-SHA256'" if mode == "iam" else "'Bearer'"}
    unauthorized = GatewayResponse(
        response_type="UNAUTHORIZED",
        status=401,
        name="unauthorized",
        message=f"The request has no {credential}, or a value that is not a valid {credential}. {how}",
        headers=challenge,
        error_code="invalid_api_key",
    )
    denied = GatewayResponse(
        response_type="ACCESS_DENIED",
        status=403,
        name="permission_denied",
        message="The caller is known and may not call this route. Ask the operators of the service for access.",
        error_type="permission_error",
    )
    found = [unauthorized, denied]
    if mode == "api_key":
        found.append(
            GatewayResponse(
                response_type="INVALID_API_KEY",
                status=401,
                name="unauthorized",
                message=f"This API does not know the key. {how}",
                headers=challenge,
                error_code="invalid_api_key",
            )
        )
    found.extend((_missing_token(how, challenge), *_wrong_signatures(how)) if mode == "iam" else (_no_route(),))
    if settings.waf is not None:
        found.append(
            GatewayResponse(
                response_type="WAF_FILTERED",
                status=403,
                name="permission_denied",
                message=(
                    "The service's firewall refused the request: too many from one address within five minutes, or "
                    "content that looks like an attack. Wait, or report the id of this answer to the operators."
                ),
                error_type="permission_error",
            )
        )
    return tuple(found)


def _wrong_signatures(how: str) -> tuple[GatewayResponse, ...]:
    """Answers to the most frequent mistakes with Signature Version 4: clock, region, secret."""
    wrong = "The signature does not match the request: check the clock, the region, the service and the secret key."
    expired = "The credentials or the signature have expired: get new credentials, and check the clock."
    return tuple(
        GatewayResponse(
            response_type=response_type,
            status=403,
            name="permission_denied",
            message=f"{message} {how}",
            error_type="permission_error",
            error_code="invalid_api_key",
        )
        for response_type, message in (("INVALID_SIGNATURE", wrong), ("EXPIRED_TOKEN", expired))
    )


def _no_route() -> GatewayResponse:
    return GatewayResponse(
        # What API Gateway calls a missing token is a path or method that does not exist.
        response_type="MISSING_AUTHENTICATION_TOKEN",
        status=404,
        name="not_found",
        message=f"No such route. {_ROUTES}",
    )


def _missing_token(how: str, challenge: Mapping[str, str]) -> GatewayResponse:
    # With signed requests the same answer stands for both.
    return GatewayResponse(
        response_type="MISSING_AUTHENTICATION_TOKEN",
        status=401,
        name="unauthorized",
        message=f"The request is not signed, or there is no such route. {how}",
        headers=challenge,
        error_code="invalid_api_key",
    )


def _requests() -> tuple[GatewayResponse, ...]:
    """Answers to requests that the function never sees."""
    return (
        GatewayResponse(
            response_type="REQUEST_TOO_LARGE",
            status=413,
            name="request_too_large",
            # Above 10 MB API Gateway answers in words of its own; below it, this is Lambda's limit.
            message="The request is larger than 6 MB, the most that Lambda takes: the images in it may have about "
            "4.5 MB together. Scale them down to the size that is drawn, such as 1024x1024, or send JPEG or WebP.",
        ),
        GatewayResponse(
            response_type="UNSUPPORTED_MEDIA_TYPE",
            status=415,
            name="unsupported_media_type",
            message="The body's Content-Type cannot be read. Send application/json.",
        ),
    )


def _limits(settings: Api) -> tuple[GatewayResponse, ...]:
    """Answers to callers who ask too often."""
    throttled = GatewayResponse(
        response_type="THROTTLED",
        status=429,
        name="rate_limit_exceeded",
        message="Too many requests at once. Wait a second and try again, slower.",
        headers={"Retry-After": "'1'"},
        error_type="requests",
    )
    quota = GatewayResponse(
        response_type="QUOTA_EXCEEDED",
        status=429,
        name="quota_exceeded",
        message="This key's quota of requests is used up until its period restarts. Ask the operators for more.",
        error_type="insufficient_quota",
        error_code="insufficient_quota",
    )
    return (throttled, quota) if settings.auth.mode == "api_key" else (throttled,)


def _faults(settings: Api) -> tuple[GatewayResponse, ...]:
    """Answers where the function gave none."""
    return (
        GatewayResponse(
            response_type="INTEGRATION_TIMEOUT",
            status=504,
            name="model_timeout",
            message=(
                f"No image within {settings.integration_timeout_seconds} seconds, this API's limit. Ask for fewer "
                "steps or samples or a smaller size; operators can raise api.integration_timeout_seconds."
            ),
            error_type="server_error",
        ),
        GatewayResponse(
            response_type="INTEGRATION_FAILURE",
            status=502,
            name="internal_error",
            message=f"The request failed inside the service. {_REPORT}",
            error_type="server_error",
        ),
        GatewayResponse(response_type="DEFAULT_4XX", name="bad_request", message=_GIVEN_BY_GATEWAY),
        GatewayResponse(
            response_type="DEFAULT_5XX",
            name="internal_error",
            message=f"The request failed inside the service. {_REPORT}",
            error_type="server_error",
        ),
    )
