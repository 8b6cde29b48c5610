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
from image_api.capabilities import (
    ALL_PARAMETERS,
    IGNORED_PARAMETERS,
    MASK_PARAMETERS,
    OPTIMIZED_CAN,
    Capabilities,
    refuse,
    sampler_problems,
)
from image_api.errors import Problem
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
    capabilities = Capabilities(
        name="the deployed model source, open,",
        operations=frozenset({"text-to-image", "image-to-image"}),
        samplers=frozenset(SAMPLER_CLASSES),
        parameters=ALL_PARAMETERS - IGNORED_PARAMETERS - MASK_PARAMETERS - {"step_schedule_end"},
        max_text_prompts=2,
    )

    def check(self, request: GenerationRequest) -> None:
        """Refuse what only another model source can do."""
        refuse(
            [
                *sampler_problems(request, self.capabilities),
                *_size_problems(request),
                *_prompt_problems(request),
                *_image_problems(request),
            ]
        )

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


def _size_problems(request: GenerationRequest) -> list[Problem]:
    if min(request.width, request.height) > _MIN_SIDE_EXCLUSIVE:
        return []
    size, words = f"{request.width}x{request.height}", f"sides above {_MIN_SIDE_EXCLUSIVE} pixels"
    message = (
        f"width x height is {size}, but the deployed model source, open, takes only {words}; {OPTIMIZED_CAN} "
        "Send at least 320 for both."
    )
    field = "width" if request.width <= request.height else "height"
    return [Problem(field, message, size, words, name="invalid_height_or_width")]


def _prompt_problems(request: GenerationRequest) -> list[Problem]:
    negative = sum(prompt.weight < 0 for prompt in request.text_prompts)
    positive = len(request.text_prompts) - negative
    if positive == 1 and negative <= 1:
        return []
    received = f"{positive} prompts with a weight of 0 or more and {negative} with a negative weight"
    words = "exactly one prompt and at most one negative prompt"
    message = (
        f"text_prompts has {received}, but the deployed model source, open, takes {words}; {OPTIMIZED_CAN} "
        "Join the texts into one."
    )
    return [Problem("text_prompts", message, received, words)]


def _image_problems(request: GenerationRequest) -> list[Problem]:
    problems = []
    if request.mask is not UNSET:
        message = (
            f"mask_source is {request.mask.source}, but the deployed model source, open, draws no masks; the optimized "
            "variant (model.source: optimized) and Bedrock (model.source: bedrock, with an inpaint model) can. "
            "Send the init image without a mask to POST /v1/generation/{engine_id}/image-to-image."
        )
        problems.append(Problem("mask_source", message, request.mask.source))
    if request.init_image is not UNSET and request.init_image.step_schedule_end is not UNSET:
        end = f"{request.init_image.step_schedule_end:g}"
        message = (
            f"step_schedule_end is {end}, but the deployed model source, open, always runs its diffusion to the end; "
            f"{OPTIMIZED_CAN} Leave step_schedule_end out."
        )
        problems.append(Problem("step_schedule_end", message, request.init_image.step_schedule_end))
    return problems
