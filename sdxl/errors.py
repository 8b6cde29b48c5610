"""Everything that the client raises and that the `sdxl` command ends with. Next to each: the command's exit code.

::

    SdxlError                        1  something on this machine failed
    ├── UsageError                   2  wrong arguments, or a wrong environment file
    │   └── InvalidRequestError      2  a request that cannot be sent: no such image file, a mask without an image, ...
    ├── NotDeployedError             5  there is no deployment to call, or it cannot be looked up
    ├── ApiConnectionError           4  the API could not be reached, or did not answer in time
    ├── UnexpectedAnswerError        4  what answered is not the image API, or not as it should
    ├── ImageNotAvailableError       4  an image was made, but its link no longer answers
    └── ApiError                        the API answered with an error: status, name, message, request_id
        ├── BadRequestError          3  400 and every other 4xx: sending the same again changes nothing
        │   ├── AuthenticationError  3  401, 403: no API key or an unknown one, or a caller who may not do this
        │   └── ConflictError        3  409, 422: the idempotency key is that of a running call, or of another request
        ├── RateLimitedError         4  429: throttled, or the key's quota is used up
        ├── ModelNotReadyError       4  503: the model is starting, or out of service
        ├── ModelTimeoutError        4  504: the image took longer than the API waits
        └── ServerError              4  500, 502 and every other 5xx: the model or the service failed
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

EXIT_CODES_HELP = (
    "Exit codes: 0 done · 1 failed on this machine · 2 wrong arguments or environment file · 3 refused by the API "
    "(4xx) · 4 API unreachable, busy or failing (429, 5xx) · 5 nothing deployed to call · 130 interrupted"
)

EXIT_INTERRUPTED = 130


class SdxlError(Exception):
    """Something on this machine failed. The message is one paragraph: what was wrong, and what to do."""

    exit_code = 1


class UsageError(SdxlError):
    """The command was given something that it cannot take."""

    exit_code = 2


class InvalidRequestError(UsageError):
    """The request cannot be sent as it stands; nothing was called."""


class NotDeployedError(SdxlError):
    """There is no deployment to call, or looking for it failed."""

    exit_code = 5


class ApiConnectionError(SdxlError):
    """The API could not be reached, or did not answer in time."""

    exit_code = 4


class UnexpectedAnswerError(SdxlError):
    """What answered is not the image API, or its answer is not one that this client knows."""

    exit_code = 4


class ImageNotAvailableError(SdxlError):
    """The image was made and stored, but the link to it does not answer; links expire."""

    exit_code = 4


class ApiError(SdxlError):
    """The API answered with an error. As text: a paragraph with everything below in it."""

    exit_code = 4

    def __init__(
        self,
        text: str,
        *,
        status: int,
        name: str,
        message: str,
        request_id: str | None,
        problems: Sequence[Mapping[str, Any]] = (),
    ) -> None:
        """Keep what the API said: HTTP status, the error's name, its own words, and the id to report it with.

        `problems` has one entry for each wrong field of a request: `field`, `message`, `received`, `allowed`.
        """
        super().__init__(text)
        self.status = status
        self.name = name
        self.message = message
        self.request_id = request_id
        self.problems = tuple(problems)


class BadRequestError(ApiError):
    """The API refused the request: sending it again changes nothing."""

    exit_code = 3


class AuthenticationError(BadRequestError):
    """The API does not know the caller (401), or knows it and does not allow the call (403)."""


class ConflictError(BadRequestError):
    """The idempotency key belongs to a call that is still running, or to another request."""


class RateLimitedError(ApiError):
    """Too many calls at once, or the key's quota is used up."""


class ModelNotReadyError(ApiError):
    """The model is starting, or out of service. Later it may answer."""


class ModelTimeoutError(ApiError):
    """The image took longer than the API waits."""


class ServerError(ApiError):
    """The model or the service failed."""
