"""SDXL 1.0 on Amazon Bedrock: the optimized variant's payload and answer, within narrower bounds.

Source: Amazon Bedrock User Guide, "Stability.ai Diffusion 1.0" (text to image, image to image, masking). Bedrock ended
the model on demand on 2025-05-20; provisioned throughput and imported models go on.
"""

from __future__ import annotations

from image_api.backends.optimized import OptimizedModel
from image_api.errors import UnsupportedByModelError
from image_api.presets import TRAINED_SIZES
from image_api.request import MAX_SEED, SAMPLERS, Artifact, GenerationRequest

# "steps": 10 to 150, and from an image 10 to 50.
MAX_STEPS_FROM_IMAGE = 50
_SAMPLERS = tuple(sampler for sampler in SAMPLERS if sampler != "K_DPMPP_SDE")


class SdxlV1Model:
    """SDXL 1.0 of Bedrock."""

    max_seed = MAX_SEED

    def __init__(self) -> None:
        self._payload = OptimizedModel()

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do. Nothing is left out."""
        if given := request.given_extras():
            raise UnsupportedByModelError(
                f"extras has {', '.join(given)}, but the deployed model source, bedrock, has no refiner settings; "
                "the open variant (model.source: open) has. Leave extras out."
            )
        if request.sampler not in _SAMPLERS:
            raise UnsupportedByModelError(
                f"sampler is {request.sampler}, but SDXL 1.0 on Bedrock has only {', '.join(_SAMPLERS)}; the optimized "
                "variant (model.source: optimized) has it. Choose one of these."
            )
        if (request.width, request.height) not in TRAINED_SIZES:
            sizes = ", ".join(f"{width}x{height}" for width, height in sorted(TRAINED_SIZES, reverse=True))
            raise UnsupportedByModelError(
                f"width x height is {request.width}x{request.height}, but SDXL 1.0 on Bedrock takes only {sizes}; the "
                "optimized variant (model.source: optimized) takes others. Choose one of these.",
                name="invalid_sdxl_v1_dimensions",
            )
        if request.operation != "text-to-image" and request.steps > MAX_STEPS_FROM_IMAGE:
            raise UnsupportedByModelError(
                f"steps is {request.steps}, but from an image SDXL 1.0 on Bedrock takes 10 to {MAX_STEPS_FROM_IMAGE}; "
                "the optimized variant (model.source: optimized) takes more. Send fewer."
            )
        return ()

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""
        return self._payload.encode(request, seed)

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer; a filtered one comes blurred, with its finish reason."""
        return self._payload.decode(body, request, seed)

    def drawn_warnings(self, request: GenerationRequest, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:  # noqa: ARG002 -- SDXL draws the size it is asked for
        """Nothing: the images are what was asked for."""
        return ()
