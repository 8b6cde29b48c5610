"""SDXL 1.0 as Stability AI's AWS Marketplace model package: its payload and its answer.

Source: Stability-AI/aws-jumpstart-examples, `sdxl-v1-0/sdxl-1-0-jumpstart.ipynb`, and Stability-AI/stability-sdk,
branch `sagemaker`. The request is nearly the one of Stability AI's REST API v1. Unset fields are left out, and so is
`clip_guidance_preset`, which SDXL ignores. Images travel in base64.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from image_api.backends.answers import ModelErrorBody, checked_artifact, raise_model_error, read_answer
from image_api.capabilities import (
    ALL_PARAMETERS,
    IGNORED_PARAMETERS,
    STRENGTH_PARAMETERS,
    Capabilities,
    extras_problems,
    refuse,
)
from image_api.images import withheld_png_base64
from image_api.presets import sent_prompts
from image_api.request import (
    MAX_TEXT_PROMPTS,
    OPERATIONS,
    SAMPLERS,
    Artifact,
    GenerationRequest,
    InitImage,
    Mask,
)


class _Artifact(msgspec.Struct):
    seed: int
    finish_reason: str = msgspec.field(name="finishReason")
    base64: str = ""


class _Answer(msgspec.Struct):
    """Artifacts, or an error in `error`, or an error at the top level."""

    result: str = ""
    artifacts: tuple[_Artifact, ...] = ()
    error: ModelErrorBody | None = None
    id: str = ""
    name: str = ""
    message: str = ""


_decoder = msgspec.json.Decoder(_Answer)


class OptimizedModel:
    """The optimized variant."""

    accept = "application/json;png"
    capabilities = Capabilities(
        name="the deployed model source, optimized,",
        operations=frozenset(OPERATIONS),
        samplers=frozenset(SAMPLERS),
        parameters=ALL_PARAMETERS - IGNORED_PARAMETERS - {"extras"},
        max_text_prompts=MAX_TEXT_PROMPTS,
    )

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do; nothing is done otherwise than requested."""
        refuse(extras_problems(request, self.capabilities))
        return ()

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""
        payload: dict[str, Any] = {
            "text_prompts": sent_prompts(request.text_prompts),
            "cfg_scale": request.cfg_scale,
            "steps": request.steps,
            "seed": seed,
            "sampler": request.sampler,
            "samples": 1,
        }
        if request.style_preset is not UNSET:
            payload["style_preset"] = request.style_preset
        return msgspec.json.encode(payload | _size_or_images(request))

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:  # noqa: ARG002 -- its answer names the seed
        """The image in an answer."""
        answer = read_answer(_decoder, body)
        if answer.error is not None:
            raise_model_error(answer.error)
        if answer.name or answer.result == "error":
            raise_model_error(ModelErrorBody(name=answer.name, message=answer.message))
        return checked_artifact(
            [
                (artifact.base64 or _withheld(artifact, request), artifact.seed, artifact.finish_reason)
                for artifact in answer.artifacts
            ]
        )


def _withheld(artifact: _Artifact, request: GenerationRequest) -> str:
    """A plain image where the model's filter sends none."""
    return withheld_png_base64(request.width, request.height) if artifact.finish_reason == "CONTENT_FILTERED" else ""


def _size_or_images(request: GenerationRequest) -> dict[str, Any]:
    """With an init image the size is the image's, and the body has no other."""
    if request.init_image is UNSET:
        return {"width": request.width, "height": request.height}
    return _init_fields(request.init_image, request) | _mask_fields(request.mask)


def _init_fields(init: InitImage, request: GenerationRequest) -> dict[str, Any]:
    fields: dict[str, Any] = {"init_image": init.image}
    # With a mask the model starts from noise under it unless the request says otherwise.
    if request.mask is not UNSET and not request.given & STRENGTH_PARAMETERS:
        return fields
    fields["init_image_mode"] = init.mode
    if init.mode == "IMAGE_STRENGTH":
        return fields | {"image_strength": init.image_strength}
    fields["step_schedule_start"] = init.step_schedule_start
    return fields if init.step_schedule_end is UNSET else fields | {"step_schedule_end": init.step_schedule_end}


def _mask_fields(mask: Mask | UnsetType) -> dict[str, Any]:
    if mask is UNSET:
        return {}
    return {"mask_source": mask.source} | ({} if mask.image is UNSET else {"mask_image": mask.image})
