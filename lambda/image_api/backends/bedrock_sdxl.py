"""SDXL 1.0 on Amazon Bedrock: the optimized variant's payload and answer, within narrower bounds.

Source: Amazon Bedrock User Guide, "Stability.ai Diffusion 1.0" (text to image, image to image, masking). Bedrock ended
the model on demand on 2025-05-20; provisioned throughput and imported models go on.
"""

from __future__ import annotations

from image_api.backends.optimized import OptimizedModel
from image_api.capabilities import Capabilities, extras_problems, refuse, sampler_problems
from image_api.errors import Problem
from image_api.presets import TRAINED_SIZES
from image_api.request import MAX_SEED, Artifact, GenerationRequest

# "steps": 10 to 150, and from an image 10 to 50.
MAX_STEPS_FROM_IMAGE = 50


class SdxlV1Model:
    """SDXL 1.0 of Bedrock."""

    max_seed = MAX_SEED
    capabilities = Capabilities(
        name="SDXL 1.0 on Bedrock",
        operations=OptimizedModel.capabilities.operations,
        samplers=OptimizedModel.capabilities.samplers - {"K_DPMPP_SDE"},
        parameters=OptimizedModel.capabilities.parameters,
        max_text_prompts=OptimizedModel.capabilities.max_text_prompts,
    )

    def __init__(self) -> None:
        self._payload = OptimizedModel()

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do. Nothing is left out."""
        problems = [*extras_problems(request, self.capabilities), *sampler_problems(request, self.capabilities)]
        size = (request.width, request.height)
        if size not in TRAINED_SIZES:
            sizes = ", ".join(f"{width}x{height}" for width, height in sorted(TRAINED_SIZES, reverse=True))
            message = (
                f"width x height is {size[0]}x{size[1]}, but SDXL 1.0 on Bedrock takes only {sizes}; the "
                "optimized variant (model.source: optimized) takes others. Choose one of these."
            )
            name = "invalid_sdxl_v1_dimensions"
            problems.append(Problem("size", message, f"{size[0]}x{size[1]}", f"one of {sizes}", name=name))
        if request.operation != "text-to-image" and request.steps > MAX_STEPS_FROM_IMAGE:
            words = f"10 to {MAX_STEPS_FROM_IMAGE}"
            message = (
                f"steps is {request.steps}, but from an image SDXL 1.0 on Bedrock takes {words}; "
                "the optimized variant (model.source: optimized) takes more. Send fewer."
            )
            problems.append(Problem("steps", message, request.steps, words))
        refuse(problems)
        return ()

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""
        return self._payload.encode(request, seed)

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer; a filtered one comes blurred, with its finish reason."""
        return self._payload.decode(body, request, seed)

    def drawn_warnings(self, request: GenerationRequest, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:  # noqa: ARG002 -- SDXL draws the requested size
        """Nothing: the images are as requested."""
        return ()
