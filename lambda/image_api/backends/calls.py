"""What calls of any model have in common: one per sample, side by side, before the deadline.

One call per image, for every model. SDXL 1.0 Open and the models of Bedrock draw one image per call. The optimized
variant has `samples`, but InvokeEndpoint lets 6,291,456 bytes through (SageMaker quotas) and a PNG of 1024x1024 that
does not compress takes 4.2 MB in base64: at none of the trained sizes is a second image sure to fit. And only its own
seed in each call makes sample i reproducible alone, by the same rule for every model. The calls also spread over an
endpoint's instances.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import ConnectionError as CannotConnectError
from botocore.exceptions import HTTPClientError, IncompleteReadError, ReadTimeoutError

from image_api.deadline import ANSWER_MARGIN_SECONDS, STORE_MARGIN_SECONDS, Deadline, TooMuchGivenUpError, WorkerPool
from image_api.endpoint_health import NOT_READY_SECONDS
from image_api.errors import (
    ImageApiError,
    InternalError,
    ModelError,
    ModelNotReadyError,
    ModelTimeoutError,
    ModelUnreachableError,
    ThrottledError,
)
from image_api.request import MAX_SAMPLES, Artifact

# How long to wait.
THROTTLED_SECONDS = 5

_CONNECT_TIMEOUT_SECONDS = 2.0
# What may be over the next time; a request that fails as a whole is left to its caller, who knows how urgent it is.
_PASSING_ERRORS = (ModelError, ModelNotReadyError, ModelUnreachableError, ThrottledError)
_ROUNDS = 2
# Of the time that the first round took.
_TIME_FOR_ANOTHER_ROUND = 1.2


def runtime_config(timeout_seconds: float) -> Config:
    """Configuration of a client that gives up before API Gateway does.

    One attempt only: a retry would pay for a second image, and the gateway would not wait for it. The caller gets a
    Retry-After instead.
    """
    return Config(
        connect_timeout=_CONNECT_TIMEOUT_SECONDS,
        read_timeout=max(1.0, timeout_seconds - ANSWER_MARGIN_SECONDS - STORE_MARGIN_SECONDS),
        retries={"total_max_attempts": 1, "mode": "standard"},
        max_pool_connections=MAX_SAMPLES,
        tcp_keepalive=True,
    )


@contextmanager
def connection_errors() -> Iterator[None]:
    """Turn what can go wrong with a connection into this API's errors.

    Raises:
        TimeoutError: no answer came in time.
    """
    try:
        yield
    except ReadTimeoutError as exc:
        raise TimeoutError from exc
    except CannotConnectError as exc:
        raise ModelUnreachableError(
            "No connection to the model could be made. Try again shortly.", retry_after_seconds=NOT_READY_SECONDS
        ) from exc
    except (HTTPClientError, IncompleteReadError) as exc:
        raise ModelError("The connection to the model broke before its answer was complete. Try again.") from exc


class SampleCalls:
    """Calls of one model for the samples of one request after another."""

    def __init__(self, thread_name: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._workers = WorkerPool(thread_name, workers=MAX_SAMPLES)
        self._clock = clock

    def draw(
        self,
        seeds: tuple[int, ...],
        draw_one: Callable[[int], Artifact],
        deadline: Deadline,
        *,
        timeout_advice: str,
        drawn: dict[int, Artifact] | None = None,
    ) -> tuple[Artifact, ...]:
        """Call `draw_one` for the seed of each missing sample, before `deadline`; the images come in their order.

        Where some samples come and others fail, those are kept, and the failed ones are drawn once more, if there is
        time for it.

        Args:
            seeds: The seed of each sample.
            draw_one: Draws the image of a seed.
            deadline: By when.
            timeout_advice: What to say to the caller if time runs out.
            drawn: The samples that need not be drawn, by index. Gets those that are, also where others fail.

        Raises:
            ImageApiError: of the samples that failed, the first in order decides.
            ModelTimeoutError: `draw_one` raised `TimeoutError`, or the deadline passed; it has `timeout_advice`.
            ThrottledError: too many calls that were given up are still under way.
        """
        drawn = {} if drawn is None else drawn
        slowest = 0.0
        errors: dict[int, Exception] = {}
        for _ in range(_ROUNDS):
            missing = [index for index in range(len(seeds)) if index not in drawn]
            if not missing or (errors and not _is_worth_another_round(errors, drawn, deadline, slowest)):
                break
            started = self._clock()
            try:
                outcomes = self._workers.do_each(
                    lambda index: draw_one(seeds[index]), missing, deadline, is_decisive=_is_final
                )
            except TooMuchGivenUpError as exc:
                raise ThrottledError(
                    "Too many calls of the model that were given up are still under way. Try again later.",
                    retry_after_seconds=THROTTLED_SECONDS,
                ) from exc
            slowest = self._clock() - started
            drawn |= outcomes.results
            errors = outcomes.errors
        if len(drawn) >= len(seeds):
            return tuple(drawn[index] for index in range(len(seeds)))
        error = errors[min(errors)] if errors else TimeoutError()
        if isinstance(error, TimeoutError):
            raise ModelTimeoutError(
                f"The model did not answer within the {deadline.seconds:.0f} seconds it has. {timeout_advice}"
            ) from error
        raise error


def _is_final(error: Exception) -> bool:
    """Whether the request fails by this error, whatever comes of its other samples."""
    return not isinstance(error, (*_PASSING_ERRORS, TimeoutError))


def _is_worth_another_round(
    errors: dict[int, Exception], drawn: dict[int, Artifact], deadline: Deadline, seconds: float
) -> bool:
    """Whether to draw the failed samples again: others came, nothing speaks against it, and there is time for it."""
    is_passing = all(isinstance(error, _PASSING_ERRORS) for error in errors.values())
    return bool(drawn) and is_passing and deadline.remaining_seconds() > seconds * _TIME_FOR_ANOTHER_ROUND


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
