"""Calls of a model on a SageMaker endpoint: one per sample, side by side, all before the deadline.

One invocation per image, for every model. SDXL 1.0 Open has no `samples`. The optimized variant has, but InvokeEndpoint
lets 6,291,456 bytes through (SageMaker quotas) and a PNG of 1024x1024 that does not compress takes 4.2 MB in base64: at
none of the trained sizes is a second image sure to fit. And only a seed of its own in each call makes sample i
reproducible alone, by the same rule for every model. The calls also spread over the endpoint's instances.
"""

from __future__ import annotations

import concurrent.futures
from typing import Any, Protocol

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError, HTTPClientError, IncompleteReadError, ReadTimeoutError
from botocore.exceptions import ConnectionError as CannotConnectError

from image_api.backends.sagemaker_errors import NOT_READY_SECONDS, to_image_api_error
from image_api.deadline import ANSWER_MARGIN_SECONDS, STORE_MARGIN_SECONDS, Deadline
from image_api.errors import ModelError, ModelTimeoutError, ModelUnreachableError
from image_api.request import MAX_SAMPLES, Artifact, GenerationRequest, GenerationResult

_CONNECT_TIMEOUT_SECONDS = 2.0


class SageMakerModel(Protocol):
    """The payload and answer of one model."""

    accept: str

    def check(self, request: GenerationRequest) -> None:
        """Raise `UnsupportedByModelError` for what this model cannot do."""

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""

    def decode(self, body: bytes, seed: int) -> Artifact:
        """The image in an answer; raises `ModelError` if there is none."""


def create_runtime_client(timeout_seconds: float) -> Any:
    """A `sagemaker-runtime` client that gives up before API Gateway does.

    One attempt only: a retry would pay for a second image, and the gateway would not wait for it. The caller gets a
    Retry-After instead.
    """
    return boto3.client(
        "sagemaker-runtime",
        config=Config(
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=max(1.0, timeout_seconds - ANSWER_MARGIN_SECONDS - STORE_MARGIN_SECONDS),
            retries={"total_max_attempts": 1, "mode": "standard"},
            max_pool_connections=MAX_SAMPLES,
            tcp_keepalive=True,
        ),
    )


class SageMakerBackend:
    """A model on the endpoint of this deployment."""

    def __init__(self, model: SageMakerModel, *, client: Any, endpoint_name: str) -> None:
        self._model = model
        self._client = client
        self._endpoint_name = endpoint_name
        self._pool = _new_pool()

    def generate(self, request: GenerationRequest, deadline: Deadline) -> GenerationResult:
        """Draw every sample of `request`, in the order of its seeds, before `deadline`.

        Raises:
            UnsupportedByModelError: the model cannot do this; nothing was drawn.
            ImageApiError: the first sample that failed decides; the others are given up.
        """
        self._model.check(request)
        seeds = request.seeds()
        calls = [self._pool.submit(self._draw, request, seed) for seed in seeds]
        concurrent.futures.wait(calls, deadline.remaining_seconds(), concurrent.futures.FIRST_EXCEPTION)
        for call in calls:
            if call.done() and (error := call.exception()) is not None:
                self._give_up(calls)
                if isinstance(error, TimeoutError):
                    raise _timeout_error(request, deadline) from error
                raise error
        if not all(call.done() for call in calls):
            self._give_up(calls)
            raise _timeout_error(request, deadline)
        return GenerationResult(artifacts=tuple(call.result() for call in calls))

    def _draw(self, request: GenerationRequest, seed: int) -> Artifact:
        body = self._invoke(self._model.encode(request, seed))
        return self._model.decode(body, seed)

    def _give_up(self, calls: list[concurrent.futures.Future[Artifact]]) -> None:
        """Leave calls that are under way to their read timeout, and start the next request with free workers."""
        if any(not call.done() for call in calls):
            self._pool.shutdown(wait=False, cancel_futures=True)
            self._pool = _new_pool()

    def _invoke(self, payload: bytes) -> bytes:
        try:
            answer = self._client.invoke_endpoint(
                EndpointName=self._endpoint_name,
                ContentType="application/json",
                Accept=self._model.accept,
                Body=payload,
            )
            body: bytes = answer["Body"].read()
        except ClientError as exc:
            raise to_image_api_error(exc) from exc
        except ReadTimeoutError as exc:
            raise TimeoutError from exc
        except CannotConnectError as exc:
            raise ModelUnreachableError(
                "No connection to the model could be made. Try again shortly.", retry_after_seconds=NOT_READY_SECONDS
            ) from exc
        except (HTTPClientError, IncompleteReadError) as exc:
            raise ModelError("The connection to the model broke before its answer was complete. Try again.") from exc
        return body


def _timeout_error(request: GenerationRequest, deadline: Deadline) -> ModelTimeoutError:
    return ModelTimeoutError(
        f"The model did not answer within the {deadline.seconds:.0f} seconds it has. "
        f"Ask for fewer steps (now {request.steps}), fewer samples (now {request.samples}) "
        f"or a smaller size (now {request.width}x{request.height}); or have the environment's "
        "api.integration_timeout_seconds raised or its endpoint given more capacity."
    )


def _new_pool() -> concurrent.futures.ThreadPoolExecutor:
    # Threads start with the first call, so a SnapStart snapshot, which no thread survives, holds none.
    return concurrent.futures.ThreadPoolExecutor(max_workers=MAX_SAMPLES, thread_name_prefix="invoke-endpoint")
