"""SDXL 1.0 as Stability AI's AWS Marketplace model package: its payload and its answer.

Source: Stability-AI/aws-jumpstart-examples, `sdxl-v1-0/sdxl-1-0-jumpstart.ipynb`, and Stability-AI/stability-sdk,
branch `sagemaker`. The request is nearly the one of Stability AI's REST API v1. Unset fields are left out, and so is
`clip_guidance_preset`, which SDXL ignores.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from image_api.backends.answers import ModelErrorBody, checked_artifact, raise_model_error, read_answer
from image_api.errors import UnsupportedByModelError
from image_api.request import Artifact, GenerationRequest


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

    def check(self, request: GenerationRequest) -> None:
        """Refuse what only another model source can do."""
        if given := request.given_extras():
            raise UnsupportedByModelError(
                f"extras has {', '.join(given)}, but the deployed model source, optimized, has no refiner settings; "
                "the open variant (model.source: open) has. Leave extras out."
            )

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""
        payload: dict[str, Any] = {
            "text_prompts": request.text_prompts,
            "width": request.width,
            "height": request.height,
            "cfg_scale": request.cfg_scale,
            "steps": request.steps,
            "seed": seed,
            "sampler": request.sampler,
            "samples": 1,
        }
        if request.style_preset is not UNSET:
            payload["style_preset"] = request.style_preset
        return msgspec.json.encode(payload)

    def decode(self, body: bytes, seed: int) -> Artifact:  # noqa: ARG002 -- this model says itself which seed it used
        """The image in an answer."""
        answer = read_answer(_decoder, body)
        if answer.error is not None:
            raise_model_error(answer.error)
        if answer.name or answer.result == "error":
            raise_model_error(ModelErrorBody(name=answer.name, message=answer.message))
        return checked_artifact(
            [(artifact.base64, artifact.seed, artifact.finish_reason) for artifact in answer.artifacts]
        )
