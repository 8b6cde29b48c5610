"""What a model service's errors mean where nothing but their HTTP status says so."""

from __future__ import annotations

from collections.abc import Callable

from image_api.errors import ImageApiError, InternalError, ModelError, ModelNotReadyError, ThrottledError


def from_status(
    status: int,
    *,
    service: str,
    throttled: Callable[[], ThrottledError],
    not_ready: Callable[[], ModelNotReadyError],
) -> ImageApiError:
    """An error of `service` without a code that says more: a fault inside it, or an answer of a proxy before it."""
    if status == 429:
        return throttled()
    if status == 503:
        return not_ready()
    if status >= 500:
        return ModelError(f"{service} failed to carry the request to the model. Try again.")
    return InternalError()
