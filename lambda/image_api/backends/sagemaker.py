"""Calls of a model on a SageMaker endpoint: one InvokeEndpoint per sample (`calls.py` says why), and their errors.

Source: SageMaker Runtime API reference, InvokeEndpoint, Errors. A container's own 4xx and 5xx arrive as `ModelError`
(424) with `OriginalStatusCode` and `OriginalMessage`; a container that exceeds the 60 seconds of InvokeEndpoint as
`ModelError` with `OriginalStatusCode` 0 and "Your invocation timed out".
"""

from __future__ import annotations

from typing import Any, Protocol

import boto3
import msgspec
from botocore.exceptions import ClientError
from msgspec import UNSET

from image_api.backends.answers import ModelErrorBody, caller_text
from image_api.backends.calls import (
    THROTTLED_SECONDS,
    SampleCalls,
    connection_errors,
    from_status,
    runtime_config,
)
from image_api.capabilities import Capabilities
from image_api.deadline import Deadline
from image_api.endpoint_health import NOT_READY_SECONDS
from image_api.errors import (
    STABILITY_ERROR_NAMES,
    ImageApiError,
    ModelError,
    ModelNotReadyError,
    ModelRefusalError,
    RefusedPromptError,
    RequestTooLargeError,
    ThrottledError,
)
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import PRIMARY_VARIANT
from image_api.tracing import subsegment

# When to try again at an endpoint without an instance. One takes 5 to 10 minutes; clients obey up to 120 seconds.
WAKE_SECONDS = 60
# SageMaker quotas: what InvokeEndpoint lets through.
MAX_BODY_BYTES = 6_291_456

_THROTTLED_CODES = frozenset(
    {"ThrottlingException", "Throttling", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled"}
)
_NOT_READY_CODES = frozenset({"ModelNotReadyException", "ServiceUnavailable", "ServiceUnavailableException"})
# ValidationError and ValidationException name a missing endpoint in their message only.
_VALIDATION_CODES = frozenset({"ValidationError", "ValidationException"})
# An inference component without a copy: "Inference Component has no capacity to process this request."
_NO_CAPACITY_WORDS = "has no capacity"
_MISSING_ENDPOINT_WORDS = ("not found", "could not find", "not inservice", "creating")
# Statuses of a container that say: change your request.
_CALLER_STATUSES = frozenset({400, 415, 422})
# 0 is SageMaker's own word for a container that did not answer.
_TIMEOUT_STATUSES = frozenset({0, 408, 504})
_UNKNOWN_STATUS = 500

_NOT_READY = "The model is not ready yet: its endpoint is starting, or still loading the model. Try again later."
_ASLEEP = (
    "The endpoint has gone to zero instances. This request wakes it, and an instance takes minutes to start. Try again "
    "later."
)
_FAILED = "The model failed to make the image. Try again; if it persists, its log says why."


class SageMakerModel(Protocol):
    """The payload and answer of one model."""

    accept: str
    capabilities: Capabilities

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Raise `UnsupportedByModelError` for what this model cannot do; return warnings about how it does the rest."""

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer; raises `ModelError` if there is none."""


def create_runtime_client(timeout_seconds: float) -> Any:
    """A `sagemaker-runtime` client that gives up before API Gateway does, after one attempt."""
    return boto3.client("sagemaker-runtime", config=runtime_config(timeout_seconds))


class SageMakerBackend:
    """A model on the endpoint of this deployment.

    `variant` is the variant that serves it. It is called by name where `is_targeted`; else it is the only one.
    `component` is the inference component that is called, where the endpoint has one.
    """

    def __init__(
        self,
        model: SageMakerModel,
        *,
        client: Any,
        endpoint_name: str,
        source: str,
        variant: str = PRIMARY_VARIANT,
        is_targeted: bool = False,
        component: str = "",
    ) -> None:
        self._model = model
        self._client = client
        self._endpoint_name = endpoint_name
        self._source, self._variant = source, variant
        self._target = {"TargetVariant": variant} if is_targeted else {}
        if component:
            self._target = {"InferenceComponentName": component}
        self._calls = SampleCalls("invoke-endpoint")

    def check(self, request: GenerationRequest) -> None:
        """Raise `UnsupportedByModelError` for what the model cannot do."""
        self._model.check(request)

    def generate(
        self, request: GenerationRequest, deadline: Deadline, drawn: dict[int, Artifact] | None = None
    ) -> GenerationResult:
        """Draw the samples of `request` that are not in `drawn`, before `deadline`. All come in its order.

        Raises:
            UnsupportedByModelError: the model cannot do this; nothing was drawn.
            ImageApiError: of the samples that failed, the first in order decides; `drawn` has those that came.
        """
        warnings = self._model.check(request)

        def draw(seed: int) -> Artifact:
            payload = self._model.encode(request, seed)
            _check_length(payload, request)
            return self._model.decode(self._invoke(payload), request, seed)

        advice = (
            f"Ask for fewer steps (now {request.steps}), fewer images (now {request.samples}) "
            f"or a smaller size (now {request.width}x{request.height}); or have the environment's "
            "api.integration_timeout_seconds raised or its endpoint given more capacity."
        )
        with subsegment("model") as trace:
            trace.annotations |= {"endpoint": self._endpoint_name, "variant": self._variant, "source": self._source}
            trace.metadata |= {"samples": request.samples, "steps": request.steps}
            artifacts = self._calls.draw(request.seeds(), draw, deadline, timeout_advice=advice, drawn=drawn)
        return GenerationResult(artifacts=artifacts, warnings=warnings, variant=self._variant, source=self._source)

    def _invoke(self, payload: bytes) -> bytes:
        try:
            with connection_errors():
                answer = self._client.invoke_endpoint(
                    EndpointName=self._endpoint_name,
                    ContentType="application/json",
                    Accept=self._model.accept,
                    Body=payload,
                    **self._target,
                )
                body: bytes = answer["Body"].read()
        except ClientError as exc:
            raise to_image_api_error(exc) from exc
        return body


def _check_length(payload: bytes, request: GenerationRequest) -> None:
    if len(payload) <= MAX_BODY_BYTES:
        return
    images = [
        f"{name} has {len(image)} bytes"
        for name, image in (
            ("init_image", UNSET if request.init_image is UNSET else request.init_image.image),
            ("mask_image", UNSET if request.mask is UNSET else request.mask.image),
        )
        if image is not UNSET
    ]
    raise RequestTooLargeError(
        f"The model takes bodies of up to {MAX_BODY_BYTES} bytes, and this one has {len(payload)}, images in base64: "
        f"{' and '.join(images) or 'its texts are too long'}. Send a smaller image, or the same as JPEG or WebP.",
        field="init_image" if images else "text_prompts",
    )


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
    if code in _VALIDATION_CODES and _NO_CAPACITY_WORDS in message.lower():
        return ModelNotReadyError(_ASLEEP, retry_after_seconds=WAKE_SECONDS)
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


def _caller_error(original: str) -> RefusedPromptError | ModelRefusalError:
    """The model's own words, out of its error object if it wrote one."""
    try:
        answer = msgspec.json.decode(original.encode(errors="replace"), type=_ErrorAnswer)
        body = answer.error or ModelErrorBody(name=answer.name, message=answer.message)
    except (msgspec.DecodeError, RecursionError):
        body = ModelErrorBody(message=original)
    text = caller_text(body.message) or "it gave no reason."
    kind = RefusedPromptError if body.name == RefusedPromptError.name else ModelRefusalError
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
