"""Every error a caller can be answered with: its HTTP status, its name on the wire and how long to wait.

::

    ImageApiError
    ├── InvalidRequestError ........ 400  bad_request, or named by the field: invalid_prompts, invalid_samples, ...
    │   ├── RefusedPromptError ..... 400  invalid_prompts: a prompt holds a term that this deployment refuses
    │   ├── ModelRefusalError ...... 400  the model refused the request, in its own words
    │   └── UnsupportedByModelError  400  the deployed model source cannot do this; the message names one that can
    ├── UnknownRouteError .......... 404  not_found
    ├── UnknownEngineError ......... 404  not_found
    ├── WrongMethodError ........... 405  method_not_allowed
    ├── NotAcceptableError ......... 406  not_acceptable
    ├── RequestTooLargeError ....... 413  request_too_large
    ├── UnsupportedMediaTypeError .. 415  unsupported_media_type
    ├── ThrottledError ............. 429  rate_limit_exceeded, Retry-After
    ├── InternalError .............. 500  internal_error: fixed wording, details only in the log
    ├── ModelError ................. 502  model_error: the model failed or answered something unusable
    ├── StorageError ............... 502  storage_error: the image was made but could not be stored
    ├── SigningError ............... 502  signing_failed: the image was made but its content credentials were not
    ├── ModelNotReadyError ......... 503  model_not_ready, Retry-After
    ├── ModelUnreachableError ...... 503  model_unreachable, Retry-After
    └── ModelTimeoutError .......... 504  model_timeout

The names are those of Stability AI's REST API v1 where it has one (its OpenAPI document, 400 responses); the others are
ours in the same style. Messages are for the caller: what was wrong, the value, what is allowed, what to do. Each 400
lists its problems one by one. What is only for operators is the exception's cause, which is logged and never sent.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

import msgspec

# Stability AI REST API v1, OpenAPI document: the names a 400 answer of the generation routes may carry.
STABILITY_ERROR_NAMES = frozenset(
    {
        "bad_request",
        "invalid_samples",
        "invalid_height_or_width",
        "invalid_file_size",
        "invalid_mime_type",
        "invalid_image_dimensions",
        "invalid_mask_image",
        "invalid_prompts",
        "invalid_pixel_count",
        "invalid_sdxl_v222_dimensions",
        "invalid_sdxl_v1_dimensions",
    }
)


_MAX_MESSAGES = 5
_MAX_PROBLEMS = 50

# Stability AI's names of errors, by the field at fault.
_NAMES_BY_FIELD = {
    "text_prompts": "invalid_prompts",
    "width": "invalid_height_or_width",
    "height": "invalid_height_or_width",
    "size": "invalid_height_or_width",
    "samples": "invalid_samples",
}


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a request.

    `field` is the path of the field, such as `text_prompts[0].weight`, and empty for the request as a whole. `message`
    is a complete sentence that says what to change. `received` is the value, or a few words on a long one; None where
    nothing was received. `allowed` says in words what is allowed; None where no value of this field would do. `name` is
    the error's name where the field alone does not decide it.
    """

    field: str
    message: str
    received: str | int | float | bool | None = None
    allowed: str | None = None
    name: str = ""
    kind: Literal["value", "missing", "unknown"] = "value"

    @property
    def root(self) -> str:
        """The top-level field: `text_prompts` of `text_prompts[0].weight`."""
        return self.field.partition(".")[0].partition("[")[0]


class ImageApiError(Exception):
    """Base of all answers that are errors. `message` is sent to the caller."""

    status = 500
    name = "internal_error"
    problems: tuple[Problem, ...] = ()

    def __init__(self, message: str, *, name: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        if name is not None:
            self.name = name
        self.retry_after_seconds = retry_after_seconds

    @property
    def headers(self) -> dict[str, str]:
        """HTTP headers that belong to this error."""
        return {} if self.retry_after_seconds is None else {"Retry-After": str(self.retry_after_seconds)}


class InvalidRequestError(ImageApiError):
    """The request cannot be carried out as it stands; the caller must change it.

    `problems` lists what is wrong, at least one. An error that is raised with a message alone has one problem, which
    concerns `field` (the request as a whole if it is empty).
    """

    status = 400
    name = "bad_request"

    def __init__(self, message: str, *, name: str | None = None, field: str = "") -> None:
        super().__init__(message, name=name)
        self.problems = (Problem(field, message),)

    @classmethod
    def of(cls, problems: Sequence[Problem]) -> Self:
        """The error that lists `problems`; its name is theirs where they agree, and `bad_request` otherwise."""
        names = {problem.name or _name_of(problem) or cls.name for problem in problems}
        message = " ".join(problem.message for problem in problems[:_MAX_MESSAGES])
        if len(problems) > _MAX_MESSAGES:
            message += f" And {len(problems) - _MAX_MESSAGES} more."
        error = cls(message, name=names.pop() if len(names) == 1 else None)
        # The answer stays small for every request.
        error.problems = tuple(problems[:_MAX_PROBLEMS])
        return error


class RefusedPromptError(InvalidRequestError):
    """A prompt holds a term that this deployment refuses. The message does not name it: the list is the operators'."""

    name = "invalid_prompts"


class ModelRefusalError(InvalidRequestError):
    """The model refused the request, in its own words; its name says at most which field is at fault."""


class UnsupportedByModelError(InvalidRequestError):
    """Valid in this API, but the deployed model source cannot do it. The message names a source that can."""


class UnknownRouteError(ImageApiError):
    """The path does not exist."""

    status = 404
    name = "not_found"


class UnknownEngineError(ImageApiError):
    """The path names an engine that is not deployed here."""

    status = 404
    name = "not_found"


class WrongMethodError(ImageApiError):
    """The path exists, with other methods."""

    status = 405
    name = "method_not_allowed"

    def __init__(self, message: str, *, allowed_methods: tuple[str, ...]) -> None:
        super().__init__(message)
        self.allowed_methods = allowed_methods

    @property
    def headers(self) -> dict[str, str]:
        """`Allow`, which RFC 9110 requires of a 405."""
        return {"Allow": ", ".join(self.allowed_methods)}


class NotAcceptableError(ImageApiError):
    """The media types in `Accept` cannot be produced."""

    status = 406
    name = "not_acceptable"


class RequestTooLargeError(ImageApiError):
    """The body is larger than the model takes. `field` is what makes it so, where one does."""

    status = 413
    name = "request_too_large"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.problems = (Problem(field, message),) if field else ()


class UnsupportedMediaTypeError(ImageApiError):
    """The body's `Content-Type` cannot be read."""

    status = 415
    name = "unsupported_media_type"


class ThrottledError(ImageApiError):
    """Too many requests reach the model at once."""

    status = 429
    name = "rate_limit_exceeded"


class InternalError(ImageApiError):
    """The service's own fault. The wording is fixed, so that nothing internal leaks."""

    def __init__(self) -> None:
        super().__init__("The request failed inside the service. Report the id of this answer to its operators.")


class ModelError(ImageApiError):
    """The model failed, or answered something that is not an image."""

    status = 502
    name = "model_error"


class StorageError(ImageApiError):
    """The image was made but could not be stored."""

    status = 502
    name = "storage_error"


class SigningError(ImageApiError):
    """The image was made, and its content credentials could not be signed."""

    status = 502
    name = "signing_failed"


class ModelNotReadyError(ImageApiError):
    """The endpoint is missing, starting, or has not loaded its model yet."""

    status = 503
    name = "model_not_ready"


class ModelUnreachableError(ImageApiError):
    """No connection to the endpoint could be made."""

    status = 503
    name = "model_unreachable"


class ModelTimeoutError(ImageApiError):
    """The model did not answer in time."""

    status = 504
    name = "model_timeout"


def _name_of(problem: Problem) -> str | None:
    """Stability AI's name for what is wrong with a field that its API knows."""
    is_unknown = problem.kind == "unknown" and problem.field == problem.root
    return None if is_unknown else _NAMES_BY_FIELD.get(problem.root)
