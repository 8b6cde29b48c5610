"""The successors of SDXL on Amazon Bedrock: Stable Image Core and Ultra, Stable Diffusion 3.5, Stable Image Inpaint.

Source: Amazon Bedrock User Guide, "Stable Image Core request and response", "Stable Image Ultra request and response",
"Stable Diffusion 3.5 Large" and "Stability AI Image Services" (Inpaint). They take one prompt and one negative prompt
without weights, and an aspect ratio in place of a size; steps, guidance scale and sampler are their own. What a request
loses on the way is a warning in the answer, and what would change its meaning is refused.
"""

from __future__ import annotations

import base64
import io
from typing import Any

import msgspec
from msgspec import UNSET

from image_api.backends.bedrock_answers import decode_answer, drawn_size
from image_api.backends.prompt_texts import PromptTexts, prompt_texts
from image_api.errors import InvalidRequestError, UnsupportedByModelError
from image_api.request import DEFAULT_CFG_SCALE, DEFAULT_SAMPLER, DEFAULT_STEPS, Artifact, GenerationRequest

MAX_SEED = 2**32 - 2
MAX_PROMPT_CHARACTERS = 10_000
# width by height
ASPECT_RATIOS = ("16:9", "1:1", "21:9", "2:3", "3:2", "4:5", "5:4", "9:16", "9:21")
_IGNORED = {"cfg_scale": DEFAULT_CFG_SCALE, "steps": DEFAULT_STEPS, "sampler": DEFAULT_SAMPLER}
# What says how much of an init image stays.
_STRENGTH_FIELDS = frozenset({"init_image_mode", "image_strength", "step_schedule_start", "step_schedule_end"})
_OPTIMIZED_CAN = "the optimized variant (model.source: optimized) can."
_ENDPOINTS_CAN = "SDXL on an endpoint (model.source: optimized or open) can."


class StableImageModel:
    """Stable Image Core and Ultra: text to image only."""

    max_seed = MAX_SEED

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do, and tell what these models leave out."""
        self._check_operation(request)
        if given := request.given_extras():
            raise UnsupportedByModelError(
                f"extras has {', '.join(given)}, but the deployed model source, bedrock, has no refiner settings; "
                "the open variant (model.source: open) has. Leave extras out."
            )
        if request.style_preset is not UNSET:
            raise UnsupportedByModelError(
                f'style_preset is "{request.style_preset}", but the deployed model has no style presets; the optimized '
                "variant (model.source: optimized) has. Leave it out and describe the style in the prompt."
            )
        # Sample i uses seed + i. Random seeds are drawn within the bound.
        if request.seed and max(request.seeds()) > MAX_SEED:
            raise UnsupportedByModelError(
                f"seed is {request.seed} for {request.samples} samples, but the deployed model takes seeds up to "
                f"{MAX_SEED}; {_ENDPOINTS_CAN} Send a smaller seed."
            )
        texts = _texts(request)
        ignored = tuple(
            f"The deployed model has a {name} of its own: {getattr(request, name)} was ignored."
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
        """How the images' size differs from the one that was asked for."""
        asked = (request.width, request.height)
        size = next((found for found in map(drawn_size, artifacts) if found not in (None, asked)), None)
        if size is None:
            return ()
        how = f" in aspect ratio {aspect_ratio(*asked)}" if request.operation == "text-to-image" else ""
        warning = (
            f"The image is {size[0]}x{size[1]} where {asked[0]}x{asked[1]} was asked for: "
            f"the deployed model draws sizes of its own{how}."
        )
        return (warning,)

    def _check_operation(self, request: GenerationRequest) -> None:
        if request.operation == "image-to-image":
            raise UnsupportedByModelError(
                "The deployed model draws from text only; with model.source: bedrock, stability.sd3-5-large-v1:0 draws "
                f"from an image, and {_ENDPOINTS_CAN} Use text-to-image."
            )
        _refuse_mask(request)

    def _specific(self, request: GenerationRequest) -> dict[str, Any]:
        return {"aspect_ratio": aspect_ratio(request.width, request.height)}


class StableDiffusion35Model(StableImageModel):
    """Stable Diffusion 3.5 Large: text to image, and image to image."""

    def _check_operation(self, request: GenerationRequest) -> None:
        _refuse_mask(request)
        if request.init_image is not UNSET and request.init_image.step_schedule_end not in (UNSET, 0.0):
            raise UnsupportedByModelError(
                f"step_schedule_end is {request.init_image.step_schedule_end}, but the deployed model always finishes "
                "its schedule; the optimized variant (model.source: optimized) can stop before. Leave it out."
            )

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

    def check(self, request: GenerationRequest) -> tuple[str, ...]:
        """Refuse what only another model source can do, and tell what this model leaves out."""
        ignored = sorted(request.given & _STRENGTH_FIELDS)
        if not ignored:
            return super().check(request)
        names = ", ".join(ignored)
        return (
            *super().check(request),
            f"The inpaint model decides itself how much of the image stays: {names} was ignored.",
        )

    def _check_operation(self, request: GenerationRequest) -> None:
        """It is only asked for masks."""

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
    fields: dict[str, Any] = {"prompt": texts.prompt, "seed": seed, "output_format": "png"}
    if texts.negative_prompt:
        fields["negative_prompt"] = texts.negative_prompt
    return fields


def _texts(request: GenerationRequest) -> PromptTexts:
    return prompt_texts(request, max_characters=MAX_PROMPT_CHARACTERS, can=_OPTIMIZED_CAN)


def _refuse_mask(request: GenerationRequest) -> None:
    if request.operation == "masking":
        raise UnsupportedByModelError(
            "The deployed model takes no masks; with model.source: bedrock, the inpaint model does "
            "(model.inpaint_model_id: stability.stable-image-inpaint-v1:0), and the optimized variant "
            "(model.source: optimized) can. Use image-to-image or text-to-image."
        )


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
            "mask_image is broken: its pixels cannot be read. Send the whole file.", name="invalid_mask_image"
        ) from exc
    return inverted.getvalue()
