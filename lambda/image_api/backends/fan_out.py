"""What calls of any model have in common: one per sample, side by side, all before the deadline, one attempt each.

One call per image, for every model. SDXL 1.0 Open and the models of Bedrock draw one image per call. The optimized
variant has `samples`, but InvokeEndpoint lets 6,291,456 bytes through (SageMaker quotas) and a PNG of 1024x1024 that
does not compress takes 4.2 MB in base64: at none of the trained sizes is a second image sure to fit. And only a seed of
its own in each call makes sample i reproducible alone, by the same rule for every model. The calls also spread over an
endpoint's instances.
"""

from __future__ import annotations

import concurrent.futures
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from botocore.config import Config
from botocore.exceptions import ConnectionError as CannotConnectError
from botocore.exceptions import HTTPClientError, IncompleteReadError, ReadTimeoutError

from image_api.deadline import ANSWER_MARGIN_SECONDS, STORE_MARGIN_SECONDS, Deadline
from image_api.errors import ModelError, ModelTimeoutError, ModelUnreachableError
from image_api.request import MAX_SAMPLES, Artifact

# How long to wait. The open variant may load its model for a minute and more after its endpoint is in service; asking
# every half minute neither wastes that time nor piles up requests in front of the model.
NOT_READY_SECONDS = 30
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


class FanOut:
    """Threads that call one model for the samples of one request after another."""

    def __init__(self, thread_name: str) -> None:
        self._thread_name = thread_name
        self._pool = self._new_pool()

    def draw(
        self, seeds: tuple[int, ...], draw_one: Callable[[int], Artifact], deadline: Deadline, *, timeout_advice: str
    ) -> tuple[Artifact, ...]:
        """Call `draw_one` for each seed, before `deadline`; the images come in the order of `seeds`.

        Raises:
            ImageApiError: the first sample that failed decides; the others are given up.
            ModelTimeoutError: `draw_one` raised `TimeoutError`, or the deadline passed; it tells `timeout_advice`.
        """
        calls = [self._pool.submit(draw_one, seed) for seed in seeds]
        concurrent.futures.wait(calls, deadline.remaining_seconds(), concurrent.futures.FIRST_EXCEPTION)
        for call in calls:
            if call.done() and (error := call.exception()) is not None:
                self._give_up(calls)
                if isinstance(error, TimeoutError):
                    raise _timeout_error(deadline, timeout_advice) from error
                raise error
        if not all(call.done() for call in calls):
            self._give_up(calls)
            raise _timeout_error(deadline, timeout_advice)
        return tuple(call.result() for call in calls)

    def _give_up(self, calls: list[concurrent.futures.Future[Artifact]]) -> None:
        """Leave calls that are under way to their read timeout, and start the next request with free workers."""
        if any(not call.done() for call in calls):
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = self._new_pool()

    def _new_pool(self) -> concurrent.futures.ThreadPoolExecutor:
        # Threads start with the first call, so a SnapStart snapshot, which no thread survives, holds none.
        return concurrent.futures.ThreadPoolExecutor(max_workers=MAX_SAMPLES, thread_name_prefix=self._thread_name)


def _timeout_error(deadline: Deadline, advice: str) -> ModelTimeoutError:
    return ModelTimeoutError(f"The model did not answer within the {deadline.seconds:.0f} seconds it has. {advice}")
