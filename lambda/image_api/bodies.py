"""How requests are written in JSON: one flat body for each operation, as Stability AI's REST API v1 has them.

The committed JSON schemas are generated from these types (`schema.py`), API Gateway enforces them before a function
runs, and the documentation's table is made from them. The function checks the same again, because it can be invoked
past the gateway, and adds the rules that span fields (`validation.py`).

A body in multipart/form-data has the same fields, with images as files (`multipart_form.py`).
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from image_api.presets import SIZE_PRESETS
from image_api.request import (
    DEFAULT_CFG_SCALE,
    DEFAULT_IMAGE_STRENGTH,
    DEFAULT_SAMPLER,
    DEFAULT_SIDE,
    DEFAULT_STEP_SCHEDULE_START,
    DEFAULT_STEPS,
    MAX_CFG_SCALE,
    MAX_PIXELS,
    MAX_SAMPLES,
    MAX_SEED,
    MAX_SIDE,
    MAX_STEPS,
    MAX_TEXT_PROMPTS,
    MIN_SIDE,
    MIN_STEPS,
    SIZE_STEP,
    STYLE_PRESETS,
    ClipGuidancePreset,
    Extras,
    InitImageMode,
    MaskSource,
    Operation,
    Sampler,
    TextPrompt,
)

SIZE_PATTERN = rf"^({'|'.join(preset.name for preset in SIZE_PRESETS)}|[1-9][0-9]{{2,3}}x[1-9][0-9]{{2,3}})$"
# JSON schemas have no type for bytes; `byte` is OpenAPI's name for base64, and draft-04 lets validators skip it.
_BASE64 = {"format": "byte"}

_Side = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIZE_STEP)]
_Share = Annotated[float, Meta(ge=0, le=1)]


class GenerationBody(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every operation has."""

    text_prompts: Annotated[
        tuple[TextPrompt, ...],
        Meta(
            min_length=1,
            max_length=MAX_TEXT_PROMPTS,
            description="What the image shows. At least one prompt needs a weight above 0.",
        ),
    ]
    cfg_scale: Annotated[
        float, Meta(ge=0, le=MAX_CFG_SCALE, description="How closely the image follows the prompt; 5 to 15 work best.")
    ] = DEFAULT_CFG_SCALE
    steps: Annotated[int, Meta(ge=MIN_STEPS, le=MAX_STEPS, description="Diffusion steps: time against detail.")] = (
        DEFAULT_STEPS
    )
    seed: Annotated[
        int,
        Meta(
            ge=0,
            le=MAX_SEED,
            description="The same seed and parameters give the same image. 0 draws a seed, which the answer names.",
        ),
    ] = 0
    sampler: Annotated[Sampler, Meta(description="Which sampler to use.")] = DEFAULT_SAMPLER
    samples: Annotated[int, Meta(ge=1, le=MAX_SAMPLES, description="How many images; each has a seed of its own.")] = 1
    # A text here, because a deployment may have styles of its own; the schema names those that every deployment has.
    style_preset: (
        Annotated[str, Meta(description="A style to draw in.", extra_json_schema={"enum": list(STYLE_PRESETS)})]
        | UnsetType
    ) = UNSET
    clip_guidance_preset: Annotated[ClipGuidancePreset, Meta(description="Accepted and ignored: SDXL has none.")] = (
        "NONE"
    )
    extras: Annotated[Extras, Meta(description="Settings that only some model sources have.")] | UnsetType = UNSET


class TextToImageBody(GenerationBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for images made from words alone."""

    size: (
        Annotated[
            str,
            Meta(
                description='In place of width and height: a size by its use, such as widescreen, or "1344x768".',
                extra_json_schema={"pattern": SIZE_PATTERN},
            ),
        ]
        | UnsetType
    ) = UNSET
    width: Annotated[_Side, Meta(description=f"Width in pixels. Width times height is at most {MAX_PIXELS}.")] = (
        DEFAULT_SIDE
    )
    height: Annotated[_Side, Meta(description=f"Height in pixels. Width times height is at most {MAX_PIXELS}.")] = (
        DEFAULT_SIDE
    )


class ImageToImageBody(GenerationBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for images made from words and an image, whose size they have."""

    init_image: Annotated[
        bytes,
        Meta(
            description="The image to start from: PNG, JPEG or WebP, sides multiples of 64; base64 in JSON.",
            extra_json_schema=_BASE64,
        ),
    ]
    init_image_mode: Annotated[
        InitImageMode, Meta(description="Whether image_strength or the step_schedule fields say how much of it stays.")
    ] = "IMAGE_STRENGTH"
    image_strength: Annotated[
        _Share, Meta(description="How much of the init image stays: near 1 nearly all, near 0 nearly nothing.")
    ] = DEFAULT_IMAGE_STRENGTH
    step_schedule_start: Annotated[
        _Share,
        Meta(description="Where in the diffusion to start: 1 ignores the init image, 0 keeps it. 1 - image_strength."),
    ] = DEFAULT_STEP_SCHEDULE_START
    step_schedule_end: (
        Annotated[_Share, Meta(description="Where in the diffusion to stop; below step_schedule_start.")] | UnsetType
    ) = UNSET


class MaskingBody(ImageToImageBody, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request for images in which only the masked part of an image is drawn anew."""

    mask_source: Annotated[
        MaskSource,
        Meta(description="Which pixels are drawn anew: white or black ones of mask_image, clear ones of init_image."),
    ]
    mask_image: (
        Annotated[
            bytes,
            Meta(
                description="The mask: PNG, JPEG or WebP of the init image's size; base64 in JSON.",
                extra_json_schema=_BASE64,
            ),
        ]
        | UnsetType
    ) = UNSET


BODIES: dict[Operation, type[GenerationBody]] = {
    "text-to-image": TextToImageBody,
    "image-to-image": ImageToImageBody,
    "masking": MaskingBody,
}
