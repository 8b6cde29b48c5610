"""The successors of SDXL on Amazon Bedrock: Stable Image Core and Ultra, Stable Diffusion 3.5, Stable Image Inpaint.

Source: Amazon Bedrock User Guide, "Stable Image Core request and response", "Stable Image Ultra request and response",
"Stable Diffusion 3.5 Large" and "Stability AI Image Services" (Inpaint). They take one prompt and one negative prompt
without weights, and an aspect ratio in place of a size; steps, guidance scale and sampler are their own. What a request
loses on the way is a warning in the answer, and what would change its meaning is refused.

An answer has seeds, finish reasons and images, side by side. A finish reason is null or one of "Filter reason: prompt",
"Filter reason: output image", "Filter reason: input image" and "Inference error", and a reply that was filtered may
hold nothing but `finish_reasons`. What was filtered in the request is an error 400, as Stability AI's REST API v1
answers filtered prompts, because the caller can change it. What was filtered in the image becomes that API's
`CONTENT_FILTERED` artifact, so that the other samples of the request are still answered. That API sends a blurred image
then; where Bedrock sends none, it is plain grey.
"""

from __future__ import annotations

import base64
import io
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET

from image_api.backends.answers import checked_artifact, read_answer
from image_api.capabilities import (
    ALL_PARAMETERS,
    IGNORED_PARAMETERS,
    IMAGE_PARAMETERS,
    MASK_PARAMETERS,
    OPTIMIZED_CAN,
    STRENGTH_PARAMETERS,
    Capabilities,
    extras_problems,
    refuse,
)
from image_api.errors import InvalidRequestError, ModelError, Problem, RefusedPromptError
from image_api.images import BrokenHeaderError, UnknownFormatError, read_image_info, withheld_png_base64
from image_api.request import (
    DEFAULT_CFG_SCALE,
    DEFAULT_SAMPLER,
    DEFAULT_STEPS,
    MAX_TEXT_PROMPTS,
    Artifact,
    GenerationRequest,
)

MAX_SEED = 2**32 - 2
MAX_PROMPT_CHARACTERS = 10_000
# width by height
ASPECT_RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
_IGNORED = {"cfg_scale": DEFAULT_CFG_SCALE, "steps": DEFAULT_STEPS, "sampler": DEFAULT_SAMPLER}
# What these models decide themselves.
_SET_BY_MODEL = frozenset({"cfg_scale", "steps", "sampler", "extras"})
_TEXT_PARAMETERS = ALL_PARAMETERS - IGNORED_PARAMETERS - _SET_BY_MODEL - IMAGE_PARAMETERS - MASK_PARAMETERS
_NEUTRAL_WEIGHTS = (1.0, -1.0)
_FILTERED = "Filter reason:"
# Signature, IHDR and a little more, in base64: enough to read a PNG's size.
_HEAD_CHARACTERS = 64
_ENDPOINTS_CAN = "SDXL on an endpoint (model.source: optimized or open) can."


class _Answer(msgspec.Struct):
    seeds: tuple[int, ...] = ()
    finish_reasons: tuple[str | None, ...] = ()
    images: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(_Answer)


class StableImageModel:
    """Stable Image Core and Ultra: text to image only."""

    max_seed = MAX_SEED
    capabilities = Capabilities(
        name="the deployed model source, bedrock,",
        operations=frozenset({"text-to-image"}),
        samplers=frozenset(),
        parameters=_TEXT_PARAMETERS,
        max_text_prompts=MAX_TEXT_PROMPTS,
    )

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do, and report what these models leave out."""
        problems = [*self._operation_problems(request), *extras_problems(request, self.capabilities)]
        if request.style_preset is not UNSET:
            message = (
                f'style_preset is "{request.style_preset}", but the deployed model has no style presets; the optimized '
                "variant (model.source: optimized) has. Leave it out and describe the style in the prompt."
            )
            problems.append(Problem("style_preset", message, request.style_preset))
        # Sample i uses seed + i. Random seeds are drawn within the bound.
        if request.seed and max(request.seeds()) > MAX_SEED:
            message = (
                f"seed is {request.seed} for {request.samples} images, but the deployed model takes seeds up to "
                f"{MAX_SEED}; {_ENDPOINTS_CAN} Send a smaller seed."
            )
            problems.append(Problem("seed", message, request.seed, f"a seed up to {MAX_SEED}"))
        texts = _texts(request)
        if isinstance(texts, Problem):
            problems.append(texts)
        refuse(problems)
        assert isinstance(texts, PromptTexts)  # noqa: S101 - the problem was raised
        ignored = tuple(
            f"The deployed model has its own {name}: {getattr(request, name)} was ignored."
            for name, default in _IGNORED.items()
            if name in request.given and getattr(request, name) != default
        )
        return (*texts.warnings, *ignored)

    def encode(self, request: GenerationRequest, seed: int) -> bytes:
        """The body that asks for one image with this seed."""
        return msgspec.json.encode(_common(request, seed) | self._specific(request))

    def decode(self, body: bytes, request: GenerationRequest, seed: int) -> Artifact:
        """The image in an answer."""
        return decode_answer(body, request, seed)

    def drawn_warnings(self, request: GenerationRequest, artifacts: tuple[Artifact, ...]) -> tuple[str, ...]:
        """How the images' size differs from the requested one."""
        wanted = (request.width, request.height)
        size = next((found for found in map(drawn_size, artifacts) if found not in (None, wanted)), None)
        if size is None:
            return ()
        how = f" in aspect ratio {aspect_ratio(*wanted)}" if request.operation == "text-to-image" else ""
        warning = (
            f"The image is {size[0]}x{size[1]} where {wanted[0]}x{wanted[1]} was requested: "
            f"the deployed model draws its own sizes{how}."
        )
        return (warning,)

    def _operation_problems(self, request: GenerationRequest) -> list[Problem]:
        if request.operation in self.capabilities.operations:
            return []
        if request.operation == "masking":
            message = (
                "The deployed model takes no masks; with model.source: bedrock, the inpaint model does "
                "(model.inpaint_model_id: stability.stable-image-inpaint-v1:0), and the optimized variant "
                "(model.source: optimized) can. Leave the mask out."
            )
            return [Problem("mask_source", message)]
        message = (
            "The deployed model draws from text only; with model.source: bedrock, stability.sd3-5-large-v1:0 draws "
            f"from an image, and {_ENDPOINTS_CAN} Draw from a prompt alone."
        )
        return [Problem("init_image", message)]

    def _specific(self, request: GenerationRequest) -> dict[str, Any]:
        return {"aspect_ratio": aspect_ratio(request.width, request.height)}


class StableDiffusion35Model(StableImageModel):
    """Stable Diffusion 3.5 Large: text to image, and image to image."""

    capabilities = msgspec.structs.replace(
        StableImageModel.capabilities,
        operations=frozenset({"text-to-image", "image-to-image"}),
        parameters=_TEXT_PARAMETERS | IMAGE_PARAMETERS - {"step_schedule_end"},
    )

    def _operation_problems(self, request: GenerationRequest) -> list[Problem]:
        problems = super()._operation_problems(request)
        if request.init_image is not UNSET and request.init_image.step_schedule_end not in (UNSET, 0.0):
            end = str(request.init_image.step_schedule_end)
            message = (
                f"step_schedule_end is {end}, but the deployed model always finishes its schedule; the optimized "
                "variant (model.source: optimized) can stop before. Leave it out."
            )
            problems.append(Problem("step_schedule_end", message, request.init_image.step_schedule_end))
        return problems

    def _specific(self, request: GenerationRequest) -> dict[str, Any]:
        if request.init_image is UNSET:
            return {"mode": "text-to-image", **super()._specific(request)}
        # Its strength is the share that is drawn anew: 0 gives the image back, 1 ignores it.
        return {
            "mode": "image-to-image",
            "image": _base64(request.init_image.image),
            "strength": request.init_image.denoising_share,
        }


class InpaintModel(StableImageModel):
    """Stable Image Inpaint: draws the white pixels of a mask anew, or without a mask the image's clear ones."""

    capabilities = msgspec.structs.replace(
        StableImageModel.capabilities,
        operations=frozenset({"masking"}),
        parameters=_TEXT_PARAMETERS | MASK_PARAMETERS | {"init_image"},
    )

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do, and report what this model leaves out."""
        ignored = sorted(request.given & STRENGTH_PARAMETERS)
        if not ignored:
            return super().check(request)
        names = ", ".join(ignored)
        return (
            *super().check(request),
            f"The inpaint model decides itself how much of the image stays: {names} was ignored.",
        )

    def _specific(self, request: GenerationRequest) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        if request.init_image is not UNSET:
            fields["image"] = _base64(request.init_image.image)
        if request.mask is not UNSET and request.mask.image is not UNSET:
            is_black = request.mask.source == "MASK_IMAGE_BLACK"
            fields["mask"] = _base64(_inverted(request.mask.image) if is_black else request.mask.image)
        return fields


def aspect_ratio(width: int, height: int) -> str:
    """The aspect ratio that these models draw in which is nearest to `width` by `height`."""

    def stretch(ratio: str) -> float:
        across, down = map(int, ratio.split(":"))
        share = (width * down) / (height * across)
        return max(share, 1 / share)

    return min(ASPECT_RATIOS, key=stretch)


def _common(request: GenerationRequest, seed: int) -> dict[str, Any]:
    texts = _texts(request)
    assert isinstance(texts, PromptTexts)  # noqa: S101 - `check` refused the others
    fields: dict[str, Any] = {"prompt": texts.prompt, "seed": seed, "output_format": "png"}
    if texts.negative_prompt:
        fields["negative_prompt"] = texts.negative_prompt
    return fields


def _texts(request: GenerationRequest) -> PromptTexts | Problem:
    return prompt_texts(request, max_characters=MAX_PROMPT_CHARACTERS, can=OPTIMIZED_CAN)


def _base64(image: bytes) -> str:
    return base64.b64encode(image).decode()


def _inverted(mask: bytes) -> bytes:
    """The mask with black and white exchanged, as a PNG: the model draws white pixels anew."""
    # 30 ms that only these requests need to wait for.
    from PIL import Image, ImageOps  # noqa: PLC0415

    inverted = io.BytesIO()
    try:
        with Image.open(io.BytesIO(mask)) as image:
            ImageOps.invert(image.convert("L")).save(inverted, "PNG")
    except (OSError, ValueError, SyntaxError) as exc:
        # Pillow: a file that it cannot identify or that is cut short; SyntaxError is what broken PNG chunks raise.
        raise InvalidRequestError(
            "mask_image is broken: its pixels cannot be read. Send the whole file.",
            name="invalid_mask_image",
            field="mask_image",
        ) from exc
    return inverted.getvalue()


def decode_answer(body: bytes, request: GenerationRequest, seed: int) -> Artifact:
    """The image in an answer.

    Raises:
        RefusedPromptError: the prompt, or an image in the request, was filtered.
        ModelError: there is no image, or not a complete one.
    """
    answer = read_answer(_decoder, body)
    if len(answer.finish_reasons) > 1:
        raise ModelError(f"The model sent {len(answer.finish_reasons)} images where one was requested. Try again.")
    reason = answer.finish_reasons[0] if answer.finish_reasons else None
    if reason is not None and reason.startswith(_FILTERED):
        return _filtered(reason, answer, request, seed)
    if reason is not None:
        cause = RuntimeError(f"finish reason {reason!r}")
        raise ModelError(
            "The model could not finish the image. Try again, with another seed if it persists."
        ) from cause
    seeds = answer.seeds or (seed,)
    return checked_artifact([(image, seeds[0], "SUCCESS") for image in answer.images])


def drawn_size(artifact: Artifact) -> tuple[int, int] | None:
    """Width and height of an image that a model drew; None where its header does not tell, or nothing was drawn."""
    if artifact.finish_reason != "SUCCESS":
        return None
    try:
        info = read_image_info(base64.b64decode(artifact.image_base64[:_HEAD_CHARACTERS]))
    except (UnknownFormatError, BrokenHeaderError):
        return None
    return info.width, info.height


def _filtered(reason: str, answer: _Answer, request: GenerationRequest, seed: int) -> Artifact:
    if "prompt" in reason:
        raise RefusedPromptError("The model's content filter refused the prompt. Change its wording.")
    if "input image" in reason:
        raise RefusedPromptError(
            "The model's content filter refused an image of the request. Send another.",
            name="bad_request",
            field="init_image",
        )
    if answer.images and answer.images[0]:
        return checked_artifact([(answer.images[0], (answer.seeds or (seed,))[0], "CONTENT_FILTERED")])
    return Artifact(
        image_base64=withheld_png_base64(request.width, request.height),
        seed=seed,
        finish_reason="CONTENT_FILTERED",
    )


class PromptTexts(NamedTuple):
    """What the image shows, what it must not show (empty where nothing is said), and what was lost by joining."""

    prompt: str
    negative_prompt: str
    warnings: tuple[str, ...]


def prompt_texts(request: GenerationRequest, *, max_characters: int, can: str) -> PromptTexts | Problem:
    """The request's prompts, joined. A weight of 0 says nothing: its text is left out.

    A problem is found in positive prompts of different weights, which one text cannot carry, and in a text that is too
    long; it names `can`, a model source that can.
    """
    positive = [prompt for prompt in request.text_prompts if prompt.weight > 0]
    negative = [prompt for prompt in request.text_prompts if prompt.weight < 0]
    weights = [prompt.weight for prompt in positive]
    if len(set(weights)) > 1:
        received = f"different weights ({', '.join(f'{weight:g}' for weight in weights)})"
        message = (
            f"text_prompts has positive prompts of {received}, but the deployed model takes one prompt without "
            f"weights; {can} Send one weight, or one prompt."
        )
        return Problem("text_prompts", message, received, "one weight")
    texts = [", ".join(prompt.text.strip() for prompt in prompts) for prompts in (positive, negative)]
    for kind, text in zip(("positive", "negative"), texts, strict=True):
        if len(text) > max_characters:
            message = (
                f"text_prompts has {len(text)} characters in its {kind} prompts together, but the deployed model takes "
                f"{max_characters}; {can} Shorten them."
            )
            return Problem("text_prompts", message, f"{len(text)} characters", f"{max_characters} characters")
    return PromptTexts(texts[0], texts[1], tuple(_losses(weights, [prompt.weight for prompt in negative])))


def _losses(positive: list[float], negative: list[float]) -> list[str]:
    losses = []
    if len(positive) > 1:
        losses.append(f"The deployed model takes one prompt: the {len(positive)} positive prompts were joined.")
    if len(negative) > 1:
        losses.append(f"The deployed model takes one negative prompt: the {len(negative)} were joined.")
    if ignored := [f"{weight:g}" for weight in (*positive, *negative) if weight not in _NEUTRAL_WEIGHTS]:
        losses.append(f"The deployed model takes no prompt weights: {', '.join(ignored)} was ignored.")
    return losses
