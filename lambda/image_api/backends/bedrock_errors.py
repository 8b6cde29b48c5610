"""What an error of Bedrock's InvokeModel means to the caller of the image API.

Source: Amazon Bedrock API reference, InvokeModel, Errors. What a caller can mend is passed on in the model's own words.
What only operators can mend - model access, the model's identifier, its end of life - is in the error's cause, which is
logged and never sent.
"""

from __future__ import annotations

import re
from typing import Any

from botocore.exceptions import ClientError

from image_api.backends.answers import caller_text
from image_api.backends.fan_out import NOT_READY_SECONDS, THROTTLED_SECONDS
from image_api.backends.service_errors import from_status
from image_api.errors import (
    ImageApiError,
    InternalError,
    InvalidRequestError,
    ModelError,
    ModelNotReadyError,
    RefusedPromptError,
    RequestTooLargeError,
    ThrottledError,
)

_THROTTLED_CODES = frozenset({"ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException"})
_NOT_READY_CODES = frozenset({"ModelNotReadyException", "ServiceUnavailableException", "ServiceUnavailable"})
# Statuses of the model itself that say: mend your request.
_CALLER_STATUSES = frozenset({400, 413, 415, 422})
_TIMEOUT_STATUSES = frozenset({0, 408, 504})
_UNKNOWN_STATUS = 500

# A ValidationException is about the request, or about which model was called and how; the latter is the deployment's.
_DEPLOYMENT_WORDS = re.compile(
    r"model identifier|model id\b|on-demand throughput|inference profile|end of its life|provisioned|\barn:", re.I
)
_FILTER_WORDS = re.compile(r"content filter|responsible ai policy", re.I)

_FAILED = "The model failed to make the image. Try again; if it persists, its log says why."
_REFUSED_CALL = "The model cannot be called. Report the id of this answer to the operators of this service."


class BedrockCallError(Exception):
    """What operators have to mend; it is logged, and never sent."""


def to_image_api_error(error: ClientError, model_id: str) -> ImageApiError:
    """The error to answer with, its cause set.

    Raises:
        TimeoutError: the model did not answer Bedrock in time.
    """
    response: Any = error.response
    code = str(response.get("Error", {}).get("Code", ""))
    message = str(response.get("Error", {}).get("Message", ""))
    if code == "ModelTimeoutException":
        raise TimeoutError from error
    if code == "ModelErrorException":
        answer = _from_model(int(response.get("originalStatusCode", _UNKNOWN_STATUS)), message, error)
    elif code in _THROTTLED_CODES:
        answer = _throttled()
    elif code in _NOT_READY_CODES:
        answer = _not_ready()
    elif code == "ValidationException":
        answer = _invalid(message)
    elif code == "AccessDeniedException":
        answer = InternalError()
    elif code == "ResourceNotFoundException":
        answer = ModelError(_REFUSED_CALL)
    else:
        answer = _from_status(int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", _UNKNOWN_STATUS)))
    answer.__cause__ = _cause(code, message, model_id, error)
    return answer


def _cause(code: str, message: str, model_id: str, error: Exception) -> Exception:
    advice = {
        "AccessDeniedException": f"the account has no model access to {model_id} (Bedrock console, Model access), its "
        "Marketplace subscription is missing, or the function's role may not invoke it",
        "ResourceNotFoundException": f"Bedrock has no {model_id} in this region: it may have reached its end of life; "
        "`sdxl environments check` names successors",
        "ValidationException": f"Bedrock refused the call of {model_id}",
        "ServiceQuotaExceededException": f"a quota of the account for {model_id} is used up",
    }.get(code)
    if advice is None:
        return error
    cause = BedrockCallError(f"{advice}: {message}")
    cause.__cause__ = error
    return cause


def _invalid(message: str) -> ImageApiError:
    if _FILTER_WORDS.search(message):
        return RefusedPromptError("The model's content filter refused the prompt. Change its wording.")
    if _DEPLOYMENT_WORDS.search(message):
        return ModelError(_REFUSED_CALL)
    return InvalidRequestError(f"The model refused the request: {caller_text(message) or 'it gave no reason.'}")


def _from_model(status: int, message: str, error: ClientError) -> ImageApiError:
    """An answer of the model itself, which Bedrock passes on as 424."""
    if status in _TIMEOUT_STATUSES:
        raise TimeoutError from error
    if status == 413:
        return RequestTooLargeError("The model takes no body of this size. Send less.")
    if status in _CALLER_STATUSES:
        # The model's own, so it is about the request; words about the deployment are left out of it.
        return _invalid("" if _DEPLOYMENT_WORDS.search(message) else message)
    return _from_status(status) if status in (429, 503) else ModelError(_FAILED)


def _from_status(status: int) -> ImageApiError:
    return from_status(status, service="Bedrock", throttled=_throttled, not_ready=_not_ready)


def _not_ready() -> ModelNotReadyError:
    return ModelNotReadyError("The model is not ready. Try again later.", retry_after_seconds=NOT_READY_SECONDS)


def _throttled() -> ThrottledError:
    return ThrottledError(
        "More requests reach the model than it can take. Try again later, or have the account's quota for it raised.",
        retry_after_seconds=THROTTLED_SECONDS,
    )
