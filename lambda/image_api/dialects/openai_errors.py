"""Errors as the OpenAI images API answers them: `{"error": {"message", "type", "param", "code"}}`.

Its clients choose their exception by the HTTP status (`openai` Python package, `_make_status_error`): 400
`BadRequestError`, 401 `AuthenticationError`, 404 `NotFoundError`, 409 `ConflictError`, 422
`UnprocessableEntityError`, 429 `RateLimitError`, from 500 `InternalServerError`. `type`, `param` and `code` become
attributes of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from image_api.dialects.http import JSON, HttpReply
from image_api.errors import ImageApiError, InvalidRequestError, RefusedPromptError

CONTENT_POLICY_VIOLATION = "content_policy_violation"

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
# What the parameter is called here that another part of the service has found wrong.
_PARAMS_BY_NAME = {
    "invalid_prompts": "prompt",
    "invalid_samples": "n",
    "invalid_height_or_width": "size",
    "invalid_pixel_count": "size",
    "invalid_sdxl_v1_dimensions": "size",
    "invalid_image_dimensions": "image",
    "invalid_file_size": "image",
    "invalid_mime_type": "image",
    "invalid_mask_image": "mask",
}


class InvalidParameterError(InvalidRequestError):
    """A parameter of this dialect is wrong: `param` names it, empty for the request as a whole."""

    def __init__(self, message: str, *, param: str, code: str = "invalid_value") -> None:
        super().__init__(message, name=code)
        self.param = param


class UnknownModelError(InvalidParameterError):
    """`model` names nothing that this API answers for."""

    status = 404

    def __init__(self, message: str) -> None:
        super().__init__(message, param="model", code="model_not_found")


class ContentPolicyError(InvalidParameterError):
    """The model's content filter kept back every image."""

    def __init__(self, message: str) -> None:
        super().__init__(message, param="prompt", code=CONTENT_POLICY_VIOLATION)


def error_reply(error: ImageApiError, request_id: str) -> HttpReply:
    """Answer with an error."""
    body = msgspec.json.encode({"error": error_fields(error)}).decode()
    return HttpReply(
        status=error.status, content_type=JSON, body=body, headers={**error.headers, "X-Request-Id": request_id}
    )


def error_fields(error: ImageApiError) -> dict[str, Any]:
    """The inner error object."""
    return {
        "message": error.message,
        "type": _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error"),
        "param": error.param or None if isinstance(error, InvalidParameterError) else _PARAMS_BY_NAME.get(error.name),
        "code": CONTENT_POLICY_VIOLATION if isinstance(error, RefusedPromptError) else error.name,
    }
