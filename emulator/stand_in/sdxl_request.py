"""Stability AI's own request for SDXL 1.0, which the Marketplace model package and Bedrock's first SDXL share.

Fields and samplers: Stability-AI/aws-jumpstart-examples, sdxl-v1-0, and Stability-AI/stability-sdk, branch sagemaker.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image, ImageOps

from emulator.stand_in.payload import MAX_PIXELS, MAX_SEED, Payload, PayloadError, label_text
from emulator.stand_in.picture import Edit, PictureRequest, draw_png

SAMPLERS = (
    "DDIM",
    "DDPM",
    "K_DPMPP_SDE",
    "K_DPMPP_2M",
    "K_DPMPP_2S_ANCESTRAL",
    "K_DPM_2",
    "K_DPM_2_ANCESTRAL",
    "K_EULER",
    "K_EULER_ANCESTRAL",
    "K_HEUN",
    "K_LMS",
)
STYLE_PRESETS = (
    "enhance",
    "anime",
    "photographic",
    "digital-art",
    "comic-book",
    "fantasy-art",
    "line-art",
    "analog-film",
    "neon-punk",
    "isometric",
    "low-poly",
    "origami",
    "modeling-compound",
    "cinematic",
    "3d-model",
    "pixel-art",
    "tile-texture",
)
CLIP_GUIDANCE_PRESETS = ("FAST_BLUE", "FAST_GREEN", "NONE", "SIMPLE", "SLOW", "SLOWER", "SLOWEST")
INIT_IMAGE_MODES = ("IMAGE_STRENGTH", "STEP_SCHEDULE")
MASK_SOURCES = ("MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA")
IMAGE_MODE_FIELDS = ("init_image_mode", "image_strength", "step_schedule_start", "step_schedule_end")
MASK_FIELDS = ("mask_source", "mask_image")
FIELDS = (
    *("text_prompts", "width", "height", "cfg_scale", "steps", "seed", "sampler", "samples"),
    *("style_preset", "clip_guidance_preset", "extras", "init_image", *IMAGE_MODE_FIELDS, *MASK_FIELDS),
)
DEFAULT_IMAGE_STRENGTH = 0.35


@dataclass(frozen=True)
class Limits:
    """What one host of the model allows."""

    max_samples: int
    max_steps: int
    max_steps_with_image: int
    sizes: frozenset[tuple[int, int]] | None = None
    """The only sizes, or None for any multiples of 64."""
    max_prompt_length: int | None = None


def artifacts(payload: Payload, limits: Limits) -> list[dict[str, Any]]:
    """The artifacts of a request, each with the seed it was made from; raises PayloadError."""
    return list(_artifacts(payload, limits))


def _artifacts(payload: Payload, limits: Limits) -> Iterator[dict[str, Any]]:
    prompts = payload.prompts()
    longest = max(len(prompt.text) for prompt in prompts)
    if limits.max_prompt_length is not None and longest > limits.max_prompt_length:
        message = f"the text of a prompt must have at most {limits.max_prompt_length} characters, not {longest}"
        raise PayloadError(message, name="invalid_prompts")
    edit = _edit(payload)
    width, height = _size(payload, limits, edit)
    most_steps = limits.max_steps_with_image if edit else limits.max_steps
    steps = payload.integer("steps", 50, minimum=10, maximum=most_steps)
    samples = payload.integer("samples", 1, minimum=1, maximum=limits.max_samples)
    payload.number("cfg_scale", 7, minimum=0, maximum=35)
    payload.choice("sampler", SAMPLERS)
    payload.choice("style_preset", STYLE_PRESETS)
    payload.choice("clip_guidance_preset", CLIP_GUIDANCE_PRESETS)
    seed = payload.integer("seed", 0, minimum=0, maximum=MAX_SEED) or 1 + secrets.randbelow(MAX_SEED)
    details = payload.details(without=("seed", "samples"))
    for sample in range(samples):
        own_seed = (seed + sample) % (MAX_SEED + 1)
        png = draw_png(PictureRequest(label_text(prompts), own_seed, width, height, steps, details), edit)
        yield {"seed": own_seed, "base64": base64.b64encode(png).decode(), "finishReason": "SUCCESS"}


def _size(payload: Payload, limits: Limits, edit: Edit | None) -> tuple[int, int]:
    width = payload.integer("width", 1024, minimum=128)
    height = payload.integer("height", 1024, minimum=128)
    for name, side in (("width", width), ("height", height)):
        if side % 64:
            raise PayloadError(f"{name} must be a multiple of 64, not {side}")
    where = "width and height"
    if edit:
        # The result takes over the initial image's size, not that of width and height.
        (width, height), where = edit.image.size, "init_image"
        if min(width, height) < 128:
            raise PayloadError(f"init_image must have sides of at least 128 pixels, not {width}x{height}")
    if limits.sizes is not None and (width, height) not in limits.sizes:
        allowed = sorted(f"{w}x{h}" for w, h in limits.sizes)
        raise PayloadError(f"{where} must be one of {allowed}, not {width}x{height}")
    if width * height > MAX_PIXELS:
        raise PayloadError(f"{width}x{height} has more than {MAX_PIXELS} pixels")
    return width, height


def _edit(payload: Payload) -> Edit | None:
    image = payload.image("init_image")
    if image is None:
        orphans = [name for name in (*IMAGE_MODE_FIELDS, *MASK_FIELDS) if name in payload.fields]
        if orphans:
            raise PayloadError(f"{orphans} need an init_image")
        return None
    replaced = _replaced(payload, image)
    return Edit(image, _kept(payload, masked=replaced is not None), replaced)


def _kept(payload: Payload, *, masked: bool) -> float:
    """How much of the initial image stays: its strength, or what the step schedule leaves out."""
    mode = payload.choice("init_image_mode", INIT_IMAGE_MODES, "IMAGE_STRENGTH")
    strength = payload.number("image_strength", DEFAULT_IMAGE_STRENGTH, minimum=0, maximum=1)
    start = payload.number("step_schedule_start", 1 - DEFAULT_IMAGE_STRENGTH, minimum=0, maximum=1)
    end = payload.number("step_schedule_end", 0, minimum=0, maximum=1)
    foreign = ("image_strength",) if mode == "STEP_SCHEDULE" else ("step_schedule_start", "step_schedule_end")
    misplaced = [name for name in foreign if name in payload.fields]
    if misplaced:
        other = next(known for known in INIT_IMAGE_MODES if known != mode)
        raise PayloadError(f"{misplaced} are for init_image_mode {other}, not {mode}")
    if masked and not any(name in payload.fields for name in IMAGE_MODE_FIELDS):
        # A mask alone has its pixels replaced outright.
        return 0.0
    return strength if mode == "IMAGE_STRENGTH" else 1 - max(0.0, start - end)


def _replaced(payload: Payload, image: Image.Image) -> Image.Image | None:
    """The pixels that the mask names, white."""
    source = payload.choice("mask_source", MASK_SOURCES)
    mask = payload.image("mask_image")
    if mask is not None and source not in {"MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK"}:
        raise PayloadError("a mask_image needs mask_source MASK_IMAGE_WHITE or MASK_IMAGE_BLACK")
    if source is None:
        return None
    if source == "INIT_IMAGE_ALPHA":
        if not image.has_transparency_data:
            raise PayloadError("mask_source INIT_IMAGE_ALPHA needs an init_image with an alpha channel")
        return ImageOps.invert(image.convert("RGBA").getchannel("A"))
    if mask is None:
        raise PayloadError(f"mask_source {source} needs a mask_image")
    if mask.size != image.size:
        raise PayloadError(f"mask_image is {mask.size}, init_image is {image.size}: both must have one size")
    levels = mask.convert("L")
    return levels if source == "MASK_IMAGE_WHITE" else ImageOps.invert(levels)


def with_artifacts_changed(body: bytes, **changes: str) -> bytes:
    """A successful answer with every artifact changed."""
    answer = json.loads(body)
    changed = [{**artifact, **changes} for artifact in answer["artifacts"]]
    return json.dumps({**answer, "artifacts": changed}).encode()
