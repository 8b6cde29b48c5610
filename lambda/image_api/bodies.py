"""How requests are written in JSON: one flat body for each operation, as Stability AI's REST API v1 has them.

These types check a request (`validation.py` adds the rules that span fields); the OpenAPI document, the table in the
documentation and `GET /v1/presets` are made from them.

A body in multipart/form-data has the same fields, with images as files (`dialects/multipart_form.py`).
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
    ClipGuidancePreset,
    Extras,
    InitImageMode,
    MaskSource,
    Operation,
    Sampler,
    TextPrompt,
)

SIZE_PATTERN = rf"^({'|'.join(preset.name for preset in SIZE_PRESETS)}|[1-9][0-9]{{2,3}}x[1-9][0-9]{{2,3}})$"
# JSON schemas have no type for bytes; `byte` is OpenAPI's name for base64.
_BASE64 = {"format": "byte"}

# Types that the bodies of other conventions share.
_Side = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIZE_STEP)]
Width = Annotated[_Side, Meta(description=f"Width in pixels. Width times height is at most {MAX_PIXELS}.")]
Height = Annotated[_Side, Meta(description=f"Height in pixels. Width times height is at most {MAX_PIXELS}.")]
Share = Annotated[float, Meta(ge=0, le=1)]
CfgScale = Annotated[
    float, Meta(ge=0, le=MAX_CFG_SCALE, description="How closely the image follows the prompt; 5 to 15 work best.")
]
Steps = Annotated[int, Meta(ge=MIN_STEPS, le=MAX_STEPS, description="Diffusion steps: time against detail.")]
Seed = Annotated[
    int,
    Meta(
        ge=0,
        le=MAX_SEED,
        description="The same seed and parameters give the same image. 0 draws a seed, which the answer names.",
    ),
]
Samples = Annotated[int, Meta(ge=1, le=MAX_SAMPLES, description="How many images; each has its own seed.")]


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
    cfg_scale: CfgScale = DEFAULT_CFG_SCALE
    steps: Steps = DEFAULT_STEPS
    seed: Seed = 0
    sampler: Annotated[Sampler, Meta(description="Which sampler to use.")] = DEFAULT_SAMPLER
    samples: Samples = 1
    # A text, because a deployment may add styles. Which ones there are is checked against its settings.
    style_preset: Annotated[str, Meta(description="A style to draw in.")] | UnsetType = UNSET
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
    width: Width = DEFAULT_SIDE
    height: Height = DEFAULT_SIDE


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
        Share, Meta(description="How much of the init image stays: near 1 nearly all, near 0 nearly nothing.")
    ] = DEFAULT_IMAGE_STRENGTH
    step_schedule_start: Annotated[
        Share,
        Meta(description="Where in the diffusion to start: 1 ignores the init image, 0 keeps it. 1 - image_strength."),
    ] = DEFAULT_STEP_SCHEDULE_START
    step_schedule_end: (
        Annotated[Share, Meta(description="Where in the diffusion to stop; below step_schedule_start.")] | UnsetType
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
