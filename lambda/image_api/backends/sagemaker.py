"""Calls of a model on a SageMaker endpoint: one InvokeEndpoint per sample (`fan_out.py` says why)."""

from __future__ import annotations

from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError
from msgspec import UNSET

from image_api.backends.fan_out import FanOut, connection_errors, runtime_config
from image_api.backends.sagemaker_errors import to_image_api_error
from image_api.deadline import Deadline
from image_api.errors import RequestTooLargeError
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import PRIMARY_VARIANT
from image_api.tracing import subsegment

# SageMaker quotas: what InvokeEndpoint lets through.
MAX_BODY_BYTES = 6_291_456


class SageMakerModel(Protocol):
    """The payload and answer of one model."""

    accept: str

    def check(self, request: GenerationRequest) -> None:
        """Raise `UnsupportedByModelError` for what this model cannot do."""

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer; raises `ModelError` if there is none."""


def create_runtime_client(timeout_seconds: float) -> Any:
    """A `sagemaker-runtime` client that gives up before API Gateway does, after one attempt."""
    return boto3.client("sagemaker-runtime", config=runtime_config(timeout_seconds))


class SageMakerBackend:
    """A model on the endpoint of this deployment.

    `variant` is the variant that serves it. It is asked for by name where `is_targeted`; else it is the only one.
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
    ) -> None:
        self._model = model
        self._client = client
        self._endpoint_name = endpoint_name
        self._source, self._variant = source, variant
        self._target = {"TargetVariant": variant} if is_targeted else {}
        self._fan_out = FanOut("invoke-endpoint")

    def check(self, request: GenerationRequest) -> None:
        """Raise `UnsupportedByModelError` for what the model cannot do."""
        self._model.check(request)

    def generate(self, request: GenerationRequest, deadline: Deadline) -> GenerationResult:
        """Draw every sample of `request`, in the order of its seeds, before `deadline`.

        Raises:
            UnsupportedByModelError: the model cannot do this; nothing was drawn.
            ImageApiError: the first sample that failed decides; the others are given up.
        """
        self.check(request)

        def draw(seed: int) -> Artifact:
            payload = self._model.encode(request, seed)
            _check_length(payload, request)
            return self._model.decode(self._invoke(payload), request, seed)

        advice = (
            f"Ask for fewer steps (now {request.steps}), fewer samples (now {request.samples}) "
            f"or a smaller size (now {request.width}x{request.height}); or have the environment's "
            "api.integration_timeout_seconds raised or its endpoint given more capacity."
        )
        with subsegment("model") as trace:
            trace.annotations |= {"endpoint": self._endpoint_name, "variant": self._variant, "source": self._source}
            trace.metadata |= {"samples": request.samples, "steps": request.steps}
            artifacts = self._fan_out.draw(request.seeds(), draw, deadline, timeout_advice=advice)
        return GenerationResult(artifacts=artifacts, variant=self._variant, source=self._source)

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
        f"{' and '.join(images) or 'its texts are too long'}. Send a smaller image, or the same as JPEG or WebP."
    )
