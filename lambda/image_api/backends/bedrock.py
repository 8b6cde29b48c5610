"""Calls of a model of Amazon Bedrock: one InvokeModel per sample (`calls.py` says why), and their errors.

Source: Amazon Bedrock API reference, InvokeModel, Errors. What a caller can change is passed on in the model's own
words. What only operators can change - model access, the model's identifier, its end of life - is the error's cause,
which is logged and never sent.
"""

from __future__ import annotations

import re
from typing import Any, Protocol

import boto3
from botocore.exceptions import ClientError

from image_api.backends.answers import caller_text
from image_api.backends.bedrock_sdxl import SdxlV1Model
from image_api.backends.bedrock_stable_image import InpaintModel, StableDiffusion35Model, StableImageModel
from image_api.backends.calls import (
    THROTTLED_SECONDS,
    SampleCalls,
    connection_errors,
    from_status,
    runtime_config,
)
from image_api.capabilities import Capabilities
from image_api.causes import OperatorError
from image_api.deadline import Deadline
from image_api.endpoint_health import NOT_READY_SECONDS
from image_api.errors import (
    ImageApiError,
    InternalError,
    ModelError,
    ModelNotReadyError,
    ModelRefusalError,
    RefusedPromptError,
    RequestTooLargeError,
    ThrottledError,
)
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import PRIMARY_VARIANT, Settings

_THROTTLED_CODES = frozenset({"ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException"})
_NOT_READY_CODES = frozenset({"ModelNotReadyException", "ServiceUnavailableException", "ServiceUnavailable"})
# Statuses of the model itself that say: change your request.
_CALLER_STATUSES = frozenset({400, 413, 415, 422})
_TIMEOUT_STATUSES = frozenset({0, 408, 504})
_UNKNOWN_STATUS = 500

# A ValidationException is about the request, or about which model was called and how; the latter is the deployment's.
_DEPLOYMENT_WORDS = re.compile(
    r"model identifier|model id\b|on-demand throughput|inference profile|end of its life|provisioned|\barn:", re.I
)
_FILTER_WORDS = re.compile(r"content filter|responsible ai policy", re.I)

_FAILED = "The model failed to make the image. Try again; if it persists, its log says why."
_REFUSED_CALL = "The model cannot be called. Report the id of this answer to the operators of this service."


class BedrockImageModel(Protocol):
    """The payload and answer of one family of models."""

    max_seed: int
    capabilities: Capabilities

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Raise `UnsupportedByModelError` for what these models cannot do; return what they will leave out."""

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer; raises `ModelError` if there is none."""

    def drawn_warnings(self, request: GenerationRequest, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        """How the images differ from the request."""


_MODELS: dict[str, type[SdxlV1Model | StableImageModel]] = {
    "sdxl-v1": SdxlV1Model,
    "sd3-5": StableDiffusion35Model,
    "stable-image": StableImageModel,
}


def create_runtime_client(timeout_seconds: float, region: str) -> Any:
    """A `bedrock-runtime` client that gives up before API Gateway does, after one attempt."""
    return boto3.client("bedrock-runtime", region_name=region, config=runtime_config(timeout_seconds))


def create_backend(settings: Settings, client: Any) -> BedrockBackend:
    """The backend of the deployment's model, and of its inpaint model where it has one."""
    return BedrockBackend(
        _MODELS[settings.bedrock_model_family](),
        client=client,
        model_id=settings.bedrock_model_id,
        inpaint_model_id=settings.bedrock_inpaint_model_id,
    )


def deployed_capabilities(settings: Settings) -> Capabilities:
    """What the deployment's model can do, with its inpaint model where it has one."""
    able = _MODELS[settings.bedrock_model_family].capabilities
    return able.joined(InpaintModel.capabilities) if settings.bedrock_inpaint_model_id else able


class BedrockBackend:
    """A model of Bedrock; requests with a mask go to the inpaint model if `inpaint_model_id` names one."""

    def __init__(self, model: BedrockImageModel, *, client: Any, model_id: str, inpaint_model_id: str = "") -> None:
        self._model = model
        self._inpaint: BedrockImageModel = InpaintModel()
        self._client = client
        self._model_id = model_id
        self._inpaint_model_id = inpaint_model_id
        self._calls = SampleCalls("invoke-model")

    def generate(
        self, request: GenerationRequest, deadline: Deadline, drawn: dict[int, Artifact] | None = None
    ) -> GenerationResult:
        """Draw the samples of `request` that are not in `drawn`, before `deadline`. All come in its order.

        Raises:
            UnsupportedByModelError: the model cannot do this; nothing was drawn.
            ImageApiError: of the samples that failed, the first in order decides; `drawn` has those that came.
        """
        inpaints = request.operation == "masking" and bool(self._inpaint_model_id)
        model, model_id = (self._inpaint, self._inpaint_model_id) if inpaints else (self._model, self._model_id)
        warnings = model.check(request)

        def draw(seed: int) -> Artifact:
            return model.decode(self._invoke(model_id, model.encode(request, seed)), request, seed)

        advice = (
            f"Try again, or ask for fewer images (now {request.samples}); "
            "or have the environment's api.integration_timeout_seconds raised."
        )
        artifacts = self._calls.draw(
            _seeds(request, model.max_seed), draw, deadline, timeout_advice=advice, drawn=drawn
        )
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


class BedrockCallError(OperatorError):
    """What operators have to change; it is logged, and never sent."""


def to_image_api_error(error: ClientError, model_id: str) -> ImageApiError:
    """The error to answer with, its cause set.

    Raises:
        TimeoutError: the model did not answer Bedrock in time.
    """
    response: Any = error.response
    code = str(response.get("Error", {}).get("Code", ""))
    message = str(response.get("Error", {}).get("Message", ""))
    if code == "ModelTimeoutException":
        raise TimeoutError from error
    if code == "ModelErrorException":
        answer = _from_model(int(response.get("originalStatusCode", _UNKNOWN_STATUS)), message, error)
    elif code in _THROTTLED_CODES:
        answer = _throttled()
    elif code in _NOT_READY_CODES:
        answer = _not_ready()
    elif code == "ValidationException":
        answer = _invalid(message)
    elif code == "AccessDeniedException":
        answer = InternalError()
    elif code == "ResourceNotFoundException":
        answer = ModelError(_REFUSED_CALL)
    else:
        answer = _from_status(int(response.get("ResponseMetadata", {}).get("HTTPStatusCode", _UNKNOWN_STATUS)))
    answer.__cause__ = _cause(code, model_id, error)
    return answer


def _cause(code: str, model_id: str, error: Exception) -> Exception:
    advice = {
        "AccessDeniedException": f"the account has no model access to {model_id} (Bedrock console, Model access), its "
        "Marketplace subscription is missing, or the function's role may not invoke it",
        "ResourceNotFoundException": f"Bedrock has no {model_id} in this region: it may have reached its end of life; "
        "`sdxl environments check` names successors",
        "ValidationException": f"Bedrock refused the call of {model_id}",
        "ServiceQuotaExceededException": f"a quota of the account for {model_id} is used up",
    }.get(code)
    if advice is None:
        return error
    cause = BedrockCallError(advice)
    cause.__cause__ = error
    return cause


def _invalid(message: str) -> ImageApiError:
    if _FILTER_WORDS.search(message):
        return RefusedPromptError("The model's content filter refused the prompt. Change its wording.")
    if _DEPLOYMENT_WORDS.search(message):
        return ModelError(_REFUSED_CALL)
    return ModelRefusalError(f"The model refused the request: {caller_text(message) or 'it gave no reason.'}")


def _from_model(status: int, message: str, error: ClientError) -> ImageApiError:
    """An answer of the model itself, which Bedrock passes on as 424."""
    if status in _TIMEOUT_STATUSES:
        raise TimeoutError from error
    if status == 413:
        return RequestTooLargeError("The model takes no body of this size. Send less.")
    if status in _CALLER_STATUSES:
        # The model's own, so it is about the request; words about the deployment are left out of it.
        return _invalid("" if _DEPLOYMENT_WORDS.search(message) else message)
    return _from_status(status) if status in (429, 503) else ModelError(_FAILED)


def _from_status(status: int) -> ImageApiError:
    return from_status(status, service="Bedrock", throttled=_throttled, not_ready=_not_ready)


def _not_ready() -> ModelNotReadyError:
    return ModelNotReadyError("The model is not ready. Try again later.", retry_after_seconds=NOT_READY_SECONDS)


def _throttled() -> ThrottledError:
    return ThrottledError(
        "More requests reach the model than it can take. Try again later, or have the account's quota for it raised.",
        retry_after_seconds=THROTTLED_SECONDS,
    )
