"""Calls of a model of Amazon Bedrock: one InvokeModel per sample, as for every model (`fan_out.py` says why)."""

from __future__ import annotations

from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from image_api.backends.bedrock_errors import to_image_api_error
from image_api.backends.bedrock_sdxl import SdxlV1Model
from image_api.backends.bedrock_stable_image import InpaintModel, StableDiffusion35Model, StableImageModel
from image_api.backends.fan_out import FanOut, connection_errors, runtime_config
from image_api.deadline import Deadline
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import PRIMARY_VARIANT, Settings


class BedrockImageModel(Protocol):
    """The payload and answer of one family of models."""

    max_seed: int

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Raise `UnsupportedByModelError` for what these models cannot do; return what they will leave out."""

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer; raises `ModelError` if there is none."""

    def drawn_warnings(self, request: GenerationRequest, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        """How the images differ from what was asked for."""


def create_runtime_client(timeout_seconds: float, region: str) -> Any:
    """A `bedrock-runtime` client that gives up before API Gateway does, after one attempt."""
    return boto3.client("bedrock-runtime", region_name=region, config=runtime_config(timeout_seconds))


def create_backend(settings: Settings, client: Any) -> BedrockBackend:
    """The backend of the deployment's model, and of its inpaint model where it has one."""
    models: dict[str, BedrockImageModel] = {
        "sdxl-v1": SdxlV1Model(),
        "sd3-5": StableDiffusion35Model(),
        "stable-image": StableImageModel(),
    }
    return BedrockBackend(
        models[settings.bedrock_model_family],
        client=client,
        model_id=settings.bedrock_model_id,
        inpaint_model_id=settings.bedrock_inpaint_model_id,
    )


class BedrockBackend:
    """A model of Bedrock; requests with a mask go to the inpaint model if `inpaint_model_id` names one."""

    def __init__(self, model: BedrockImageModel, *, client: Any, model_id: str, inpaint_model_id: str = "") -> None:
        self._model = model
        self._inpaint: BedrockImageModel = InpaintModel()
        self._client = client
        self._model_id = model_id
        self._inpaint_model_id = inpaint_model_id
        self._fan_out = FanOut("invoke-model")

    def generate(self, request: GenerationRequest, deadline: Deadline) -> GenerationResult:
        """Draw every sample of `request`, in the order of its seeds, before `deadline`.

        Raises:
            UnsupportedByModelError: the model cannot do this; nothing was drawn.
            ImageApiError: the first sample that failed decides; the others are given up.
        """
        inpaints = request.operation == "masking" and bool(self._inpaint_model_id)
        model, model_id = (self._inpaint, self._inpaint_model_id) if inpaints else (self._model, self._model_id)
        warnings = model.check(request)

        def draw(seed: int) -> Artifact:
            return model.decode(self._invoke(model_id, model.encode(request, seed)), request, seed)

        advice = (
            f"Try again, or ask for fewer samples (now {request.samples}); "
            "or have the environment's api.integration_timeout_seconds raised."
        )
        artifacts = self._fan_out.draw(_seeds(request, model.max_seed), draw, deadline, timeout_advice=advice)
        return GenerationResult(
            artifacts=artifacts,
            warnings=(*warnings, *model.drawn_warnings(request, artifacts)),
            variant=PRIMARY_VARIANT,
            source="bedrock",
        )

    def _invoke(self, model_id: str, payload: bytes) -> bytes:
        try:
            with connection_errors():
                answer = self._client.invoke_model(
                    modelId=model_id, contentType="application/json", accept="application/json", body=payload
                )
                body: bytes = answer["body"].read()
        except ClientError as exc:
            # Its cause, which only the log gets, is set there.
            raise to_image_api_error(exc, model_id)  # noqa: B904
        return body


def _seeds(request: GenerationRequest, max_seed: int) -> tuple[int, ...]:
    """The request's seeds. Random ones are drawn again until the model takes them; `check` refused all others."""
    while True:
        seeds = request.seeds()
        if max(seeds) <= max_seed:
            return seeds
