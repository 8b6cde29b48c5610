"""What calls of any model have in common: one per sample, side by side, before the deadline, one attempt each.

One call per image, for every model. SDXL 1.0 Open and the models of Bedrock draw one image per call. The optimized
variant has `samples`, but InvokeEndpoint lets 6,291,456 bytes through (SageMaker quotas) and a PNG of 1024x1024 that
does not compress takes 4.2 MB in base64: at none of the trained sizes is a second image sure to fit. And only its own
seed in each call makes sample i reproducible alone, by the same rule for every model. The calls also spread over an
endpoint's instances.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import ConnectionError as CannotConnectError
from botocore.exceptions import HTTPClientError, IncompleteReadError, ReadTimeoutError

from image_api.deadline import ANSWER_MARGIN_SECONDS, STORE_MARGIN_SECONDS, Deadline, WorkerPool
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

    def __init__(self, thread_name: str) -> None:
        self._workers = WorkerPool(thread_name, workers=MAX_SAMPLES)

    def draw(
        self, seeds: tuple[int, ...], draw_one: Callable[[int], Artifact], deadline: Deadline, *, timeout_advice: str
    ) -> tuple[Artifact, ...]:
        """Call `draw_one` for each seed, before `deadline`; the images come in the order of `seeds`.

        Raises:
            ImageApiError: the first sample that failed decides; the others are given up.
            ModelTimeoutError: `draw_one` raised `TimeoutError`, or the deadline passed; it has `timeout_advice`.
        """
        try:
            return self._workers.do_all(draw_one, seeds, deadline)
        except TimeoutError as exc:
            raise ModelTimeoutError(
                f"The model did not answer within the {deadline.seconds:.0f} seconds it has. {timeout_advice}"
            ) from exc


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
