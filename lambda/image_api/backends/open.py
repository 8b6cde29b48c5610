"""SDXL 1.0 Open from SageMaker JumpStart: its payload and its answer.

Source: aws/amazon-sagemaker-examples, `archived/image-generation-stable-diffusion.ipynb`, and JumpStart model
`model-imagegeneration-stabilityai-stable-diffusion-xl-base-1-0`, version 1.0.15. It draws one image per request, names
its samplers by their classes, takes one prompt and one negative prompt, and has a refiner. It knows neither styles nor
masks.

Its `image_strength` is read as diffusers' `strength`, where 1.0 draws everything anew: the opposite of this API's,
which is therefore sent as 1 - image_strength. That direction is inferred from the handler in the container's own test.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

from image_api.backends.answers import ModelErrorBody, checked_artifact, raise_model_error, read_answer
from image_api.errors import UnsupportedByModelError
from image_api.request import Artifact, GenerationRequest, Sampler

SAMPLER_CLASSES: dict[Sampler, str] = {
    "K_DPMPP_2M": "DPMPP2MSampler",
    "K_DPMPP_2S_ANCESTRAL": "DPMPP2SAncestralSampler",
    "K_EULER": "EulerEDMSampler",
    "K_EULER_ANCESTRAL": "EulerAncestralSampler",
    "K_HEUN": "HeunEDMSampler",
    "K_LMS": "LinearMultistepSampler",
}
# The model takes sides above 256 and divisible by 8; of the API's multiples of 64 the first is 320.
_MIN_SIDE_EXCLUSIVE = 256
_OPTIMIZED_CAN = "the optimized variant (model.source: optimized) can."


class _Answer(msgspec.Struct):
    """An image, or an error."""

    generated_image: str = ""
    error: ModelErrorBody | None = None
    name: str = ""
    message: str = ""


_decoder = msgspec.json.Decoder(_Answer)


class OpenModel:
    """The open variant."""

    accept = "application/json"

    def check(self, request: GenerationRequest) -> None:
        """Refuse what only another model source can do."""
        _check_sampler(request)
        _check_size(request)
        _check_prompts(request)
        _check_images(request)

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""
        payload: dict[str, Any] = {
            "text_prompts": request.text_prompts,
            "cfg_scale": request.cfg_scale,
            "steps": request.steps,
            "seed": seed,
            "sampler": SAMPLER_CLASSES[request.sampler],
        }
        if request.init_image is UNSET:
            payload |= {"width": request.width, "height": request.height}
        else:
            # The size is the image's. Strength counts the other way round than in this API: 1.0 draws all anew.
            payload |= {
                "init_image": request.init_image.image,
                "image_strength": request.init_image.denoising_share,
            }
        # The refiner runs unless the caller says otherwise; the model's own default is stated, not relied upon.
        return msgspec.json.encode(payload | {"use_refiner": True} | request.given_extras())

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:  # noqa: ARG002 -- no filter
        """The image in an answer. This model neither filters nor says its seed."""
        answer = read_answer(_decoder, body)
        if answer.error is not None:
            raise_model_error(answer.error)
        if answer.name or answer.message:
            raise_model_error(ModelErrorBody(name=answer.name, message=answer.message))
        return checked_artifact([(answer.generated_image, seed, "SUCCESS")])


def _check_sampler(request: GenerationRequest) -> None:
    if request.sampler not in SAMPLER_CLASSES:
        raise UnsupportedByModelError(
            f"sampler is {request.sampler}, but the deployed model source, open, has only "
            f"{', '.join(SAMPLER_CLASSES)}; {_OPTIMIZED_CAN} Choose one of these."
        )


def _check_size(request: GenerationRequest) -> None:
    if min(request.width, request.height) <= _MIN_SIDE_EXCLUSIVE:
        raise UnsupportedByModelError(
            f"width x height is {request.width}x{request.height}, but the deployed model source, open, takes only "
            f"sides above {_MIN_SIDE_EXCLUSIVE} pixels; {_OPTIMIZED_CAN} Send at least 320 for both.",
            name="invalid_height_or_width",
        )


def _check_prompts(request: GenerationRequest) -> None:
    negative = sum(prompt.weight < 0 for prompt in request.text_prompts)
    positive = len(request.text_prompts) - negative
    if positive != 1 or negative > 1:
        raise UnsupportedByModelError(
            f"text_prompts has {positive} prompts with a weight of 0 or more and {negative} with a negative weight, "
            "but the deployed model source, open, takes exactly one prompt and at most one negative prompt; "
            f"{_OPTIMIZED_CAN} Join the texts into one.",
            name="invalid_prompts",
        )


def _check_images(request: GenerationRequest) -> None:
    if request.mask is not UNSET:
        raise UnsupportedByModelError(
            f"mask_source is {request.mask.source}, but the deployed model source, open, draws no masks; the optimized "
            "variant (model.source: optimized) and Bedrock (model.source: bedrock, with an inpaint model) can. "
            "Send the init image without a mask to POST /v1/generation/{engine_id}/image-to-image."
        )
    if request.init_image is not UNSET and request.init_image.step_schedule_end is not UNSET:
        raise UnsupportedByModelError(
            f"step_schedule_end is {request.init_image.step_schedule_end:g}, but the deployed model source, open, "
            f"always runs its diffusion to the end; {_OPTIMIZED_CAN} Leave step_schedule_end out."
        )
