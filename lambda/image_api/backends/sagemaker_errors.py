"""What an error of SageMaker's InvokeEndpoint means to the caller of the image API.

Source: SageMaker Runtime API reference, InvokeEndpoint, Errors. A container's own 4xx and 5xx arrive as `ModelError`
(424) with `OriginalStatusCode` and `OriginalMessage`; a container that exceeds the 60 seconds of InvokeEndpoint as
`ModelError` with `OriginalStatusCode` 0 and "Your invocation timed out".
"""

from __future__ import annotations

from typing import Any

import msgspec
from botocore.exceptions import ClientError

from image_api.backends.answers import ModelErrorBody, caller_text
from image_api.backends.fan_out import NOT_READY_SECONDS, THROTTLED_SECONDS
from image_api.backends.service_errors import from_status
from image_api.errors import (
    STABILITY_ERROR_NAMES,
    ImageApiError,
    InvalidRequestError,
    ModelError,
    ModelNotReadyError,
    RefusedPromptError,
    RequestTooLargeError,
    ThrottledError,
)

_THROTTLED_CODES = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled"}
)
_NOT_READY_CODES = frozenset({"ModelNotReadyException", "ServiceUnavailable", "ServiceUnavailableException"})
# ValidationError and ValidationException name a missing endpoint in their message only.
_VALIDATION_CODES = frozenset({"ValidationError", "ValidationException"})
_MISSING_ENDPOINT_WORDS = ("not found", "could not find", "not inservice", "creating")
# Statuses of a container that say: mend your request.
_CALLER_STATUSES = frozenset({400, 415, 422})
# 0 is SageMaker's own word for a container that did not answer.
_TIMEOUT_STATUSES = frozenset({0, 408, 504})
_UNKNOWN_STATUS = 500

_NOT_READY = "The model is not ready yet: its endpoint is starting, or still loading the model. Try again later."
_FAILED = "The model failed to make the image. Try again; if it persists, its log says why."


class _ErrorAnswer(msgspec.Struct):
    """An error object, at the top level or in `error`; multi-model-server and TorchServe write `message` as well."""

    name: str = ""
    message: str = ""
    error: ModelErrorBody | None = None


def to_image_api_error(error: ClientError) -> ImageApiError:
    """The error to answer with. `TimeoutError`, raised instead, says that the model took too long.

    Raises:
        TimeoutError: the container did not answer SageMaker in time.
    """
    response: dict[str, Any] = error.response
    code = response.get("Error", {}).get("Code", "")
    message = str(response.get("Error", {}).get("Message", ""))
    if code == "ModelError":
        return _from_container(int(response.get("OriginalStatusCode", _UNKNOWN_STATUS)), response, message)
    if code in _THROTTLED_CODES:
        return _throttled()
    if code in _NOT_READY_CODES or (
        code in _VALIDATION_CODES and any(words in message.lower() for words in _MISSING_ENDPOINT_WORDS)
    ):
        return _not_ready()
    return _from_status(int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", _UNKNOWN_STATUS)))


def _from_status(status: int) -> ImageApiError:
    return from_status(status, service="SageMaker", throttled=_throttled, not_ready=_not_ready)


def _from_container(status: int, response: dict[str, Any], message: str) -> ImageApiError:
    """An answer of the model server itself."""
    original = str(response.get("OriginalMessage") or "")
    if status in _CALLER_STATUSES:
        return _caller_error(original)
    if status in _TIMEOUT_STATUSES or "timed out" in message.lower():
        raise TimeoutError
    if status == 413:
        return RequestTooLargeError("The model takes no body of this size. Send less.")
    if status == 429:
        return _throttled()
    if status == 503:
        # What model servers answer while they have no worker that has loaded the model.
        return _not_ready()
    return ModelError(_FAILED)


def _caller_error(original: str) -> InvalidRequestError:
    """The model's own words, out of its error object if it wrote one."""
    try:
        answer = msgspec.json.decode(original.encode(errors="replace"), type=_ErrorAnswer)
        body = answer.error or ModelErrorBody(name=answer.name, message=answer.message)
    except (msgspec.DecodeError, RecursionError):
        body = ModelErrorBody(message=original)
    text = caller_text(body.message) or "it gave no reason."
    kind = RefusedPromptError if body.name == RefusedPromptError.name else InvalidRequestError
    return kind(
        f"The model refused the request: {text}",
        name=body.name if body.name in STABILITY_ERROR_NAMES else None,
    )


def _not_ready() -> ModelNotReadyError:
    return ModelNotReadyError(_NOT_READY, retry_after_seconds=NOT_READY_SECONDS)


def _throttled() -> ThrottledError:
    return ThrottledError(
        "More requests reach the model than it can take. Try again later, or have its endpoint given more capacity.",
        retry_after_seconds=THROTTLED_SECONDS,
    )
