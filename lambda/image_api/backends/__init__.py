"""Models: each module turns a `GenerationRequest` into calls of one model, and the answers into a `GenerationResult`.

A new model on a SageMaker endpoint is one file here with a `SageMakerModel` (`open.py` is an example) and one line in
`create_backend`; a new family of models on Bedrock is one with a `BedrockImageModel` and one line in `bedrock.py`.
Backends know nothing of HTTP.
"""

from __future__ import annotations

from typing import Any, Protocol

from image_api.backends.open import OpenModel
from image_api.backends.optimized import OptimizedModel
from image_api.backends.sagemaker import SageMakerBackend, SageMakerModel
from image_api.backends.sagemaker import create_runtime_client as create_sagemaker_runtime_client
from image_api.backends.variants import VariantBackend, WeightedBackend
from image_api.capabilities import Capabilities
from image_api.deadline import Deadline
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import PRIMARY_VARIANT, ModelSource, Settings


class Backend(Protocol):
    """Where images come from."""

    def generate(
        self, request: GenerationRequest, deadline: Deadline, drawn: dict[int, Artifact] | None = None
    ) -> GenerationResult:
        """Draw the samples of `request` that are not in `drawn`, before `deadline`. All come in its order.

        `drawn` has samples by index, and gets those that are drawn, also where others fail.

        Raises:
            UnsupportedByModelError: the deployed model cannot do this; nothing was drawn.
            ImageApiError: the model refused, failed or did not answer in time.
        """


def _endpoint_model(settings: Settings, source: ModelSource) -> SageMakerModel:
    """The model of a variant. Masks are approximated only where no variant draws them itself."""
    if source == "optimized":
        return OptimizedModel()
    return OpenModel(approximates_masks=settings.masks == "approximate" and "optimized" not in settings.sources)


def create_runtime_client(settings: Settings) -> Any:
    """The boto3 client that the deployed model source is called with."""
    if settings.model_source == "bedrock":
        # Only these deployments pay for its import at a cold start.
        from image_api.backends import bedrock  # noqa: PLC0415

        return bedrock.create_runtime_client(settings.timeout_seconds, settings.bedrock_region)
    return create_sagemaker_runtime_client(settings.timeout_seconds)


def create_backend(settings: Settings, runtime_client: Any) -> Backend:
    """The backend of the deployed model source, on a client of `create_runtime_client`."""
    if settings.model_source == "bedrock":
        from image_api.backends import bedrock  # noqa: PLC0415 -- as above

        return bedrock.create_backend(settings, runtime_client)
    if not settings.variants:
        return _sagemaker_backend(settings, runtime_client, settings.model_source, PRIMARY_VARIANT)
    return VariantBackend(
        [
            WeightedBackend(
                _sagemaker_backend(settings, runtime_client, variant.source, variant.name), weight=variant.weight
            )
            for variant in settings.variants
        ]
    )


def deployed_capabilities(settings: Settings) -> Capabilities:
    """What this deployment can do: with several variants, what one of them can."""
    if settings.model_source == "bedrock":
        from image_api.backends import bedrock  # noqa: PLC0415 -- as above

        return bedrock.deployed_capabilities(settings)
    first, *others = (_endpoint_model(settings, source).capabilities for source in sorted(settings.sources))
    for other in others:
        first = first.joined(other)
    return first


def _sagemaker_backend(settings: Settings, runtime_client: Any, source: ModelSource, variant: str) -> SageMakerBackend:
    return SageMakerBackend(
        _endpoint_model(settings, source),
        client=runtime_client,
        endpoint_name=settings.endpoint_name,
        source=source,
        variant=variant,
        is_targeted=bool(settings.variants),
        component=settings.inference_component,
    )
