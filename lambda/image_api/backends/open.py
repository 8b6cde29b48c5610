"""SDXL 1.0 Open from SageMaker JumpStart: its payload and its answer.

Source: aws/amazon-sagemaker-examples, `archived/image-generation-stable-diffusion.ipynb`, and JumpStart model
`model-imagegeneration-stabilityai-stable-diffusion-xl-base-1-0`, version 1.0.15. It draws one image per request, names
its samplers by their classes, takes one prompt and one negative prompt, and has a refiner. It knows neither styles nor
masks. Where the deployment approximates masks, `approximate_masks.py` does it around this model's image-to-image.

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
from image_api.presets import sent_prompts
from image_api.request import OPERATIONS, Artifact, GenerationRequest, Sampler

SAMPLER_CLASSES: dict[Sampler, str] = {
    "K_DPMPP_2M": "DPMPP2MSampler",
    "K_DPMPP_2S_ANCESTRAL": "DPMPP2SAncestralSampler",
    "K_EULER": "EulerEDMSampler",
    "K_EULER_ANCESTRAL": "EulerAncestralSampler",
    "K_HEUN": "HeunEDMSampler",
    "K_LMS": "LinearMultistepSampler",
}
MASK_WARNING = (
    "The mask is approximated: the model draws the whole image, of which the masked part is kept under a soft edge. "
    "What is drawn may not continue the image around it."
)
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

    def __init__(self, *, approximates_masks: bool = False) -> None:
        self.capabilities = open_capabilities(approximates_masks=approximates_masks)

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do; a mask is approximated where the deployment says so."""
        refuse(
            [
                *sampler_problems(request, self.capabilities),
                *_size_problems(request),
                *_prompt_problems(request),
                *_image_problems(request, self.capabilities),
            ]
        )
        return () if request.mask is UNSET else (MASK_WARNING,)

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed.

        Raises:
            UnsupportedByModelError: the request has a mask, and an image of it is damaged.
        """
        if request.mask is not UNSET:
            # 30 ms that only these requests need to wait for.
            from image_api.backends.approximate_masks import prepared  # noqa: PLC0415

            request = prepared(request)
        payload: dict[str, Any] = {
            "text_prompts": sent_prompts(request.text_prompts),
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

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer. This model neither filters nor says its seed."""
        answer = read_answer(_decoder, body)
        if answer.error is not None:
            raise_model_error(answer.error)
        if answer.name or answer.message:
            raise_model_error(ModelErrorBody(name=answer.name, message=answer.message))
        drawn = checked_artifact([(answer.generated_image, seed, "SUCCESS")])
        if request.mask is UNSET:
            return drawn
        from image_api.backends.approximate_masks import composited  # noqa: PLC0415 -- as above

        return composited(drawn, request)


def open_capabilities(*, approximates_masks: bool) -> Capabilities:
    """What the open variant can do, with masks or without."""
    parameters = ALL_PARAMETERS - IGNORED_PARAMETERS - {"step_schedule_end"}
    return Capabilities(
        name="the deployed model source, open,",
        operations=frozenset(OPERATIONS) if approximates_masks else frozenset({"text-to-image", "image-to-image"}),
        samplers=frozenset(SAMPLER_CLASSES),
        parameters=parameters if approximates_masks else parameters - MASK_PARAMETERS,
        max_text_prompts=2,
    )


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


def _image_problems(request: GenerationRequest, able: Capabilities) -> list[Problem]:
    problems = []
    if request.mask is not UNSET and "masking" not in able.operations:
        message = (
            "A mask is sent, but the deployed model source, open, draws no masks; it approximates them where the "
            "environment has model.masks: approximate; the optimized variant (model.source: optimized) and Bedrock "
            "(model.source: bedrock, with an inpaint model) draw them. Leave the mask out: all of the image then "
            "follows the prompt."
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
