"""The one domain model: what a request for images can say, within which bounds, and what comes back.

Every dialect parses into `GenerationRequest`, every backend answers with `GenerationResult`. How a request is written
in JSON, with these bounds, is in `bodies.py`.

The types are msgspec structs rather than pydantic models because a cold start pays for the import: 25 ms against 90 ms.

Every bound below is that of Stability AI's hosted REST API v1 (its OpenAPI document, `TextToImageRequestBody`) unless a
comment gives another source.
"""

from __future__ import annotations

import secrets
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import UNSET, Meta, UnsetType

SIZE_STEP = 64
MIN_SIDE = 128
# The area SDXL 1.0 was trained for (1024x1024); none of its nine sizes is larger, and the hosted API refuses more as
# `invalid_pixel_count`. It also bounds the answer: an 8-bit RGB PNG of that area that does not compress at all takes
# 3.2 MB, 4.2 MB in base64, which fits the 6,291,456 bytes that InvokeEndpoint and Lambda let through.
MAX_PIXELS = 1024 * 1024
# The longest side that the area leaves beside the shortest.
MAX_SIDE = MAX_PIXELS // MIN_SIDE
MAX_PROMPT_CHARACTERS = 2000
# Init image and mask together, before base64, which makes 6,000,000 bytes of them: the model and Lambda take
# 6,291,456, and the other fields need the rest.
MAX_IMAGE_BYTES = 4_500_000
# The longest prompt of any convention: the OpenAI API's for gpt-image-1. SDXL reads the beginning of it.
MAX_LONG_PROMPT_CHARACTERS = 32_000
# Ours: the hosted API states no maximum. Each prompt is a pass through both text encoders.
MAX_TEXT_PROMPTS = 10
MAX_CFG_SCALE = 35
MIN_STEPS, MAX_STEPS = 10, 150
MAX_SAMPLES = 10
MAX_SEED = 2**32 - 1

# The hosted default is 512, its generic one for all engines; SDXL 1.0 is trained around 1024 and crops below it.
DEFAULT_SIDE = 1024
DEFAULT_CFG_SCALE = 7.0
DEFAULT_STEPS = 50
# The hosted API chooses a sampler itself where none is named, by rules that are not public. Naming one makes both model
# sources draw alike; Stability AI recommends this one for most uses.
DEFAULT_SAMPLER: Sampler = "K_DPMPP_2M"

# Stability AI's SageMaker SDK (stability-sdk, branch `sagemaker`); K_DPMPP_SDE is not in the hosted list.
Sampler = Literal[
    "DDIM",
    "DDPM",
    "K_DPMPP_2M",
    "K_DPMPP_2S_ANCESTRAL",
    "K_DPMPP_SDE",
    "K_DPM_2",
    "K_DPM_2_ANCESTRAL",
    "K_EULER",
    "K_EULER_ANCESTRAL",
    "K_HEUN",
    "K_LMS",
]
StylePreset = Literal[
    "3d-model",
    "analog-film",
    "anime",
    "cinematic",
    "comic-book",
    "digital-art",
    "enhance",
    "fantasy-art",
    "isometric",
    "line-art",
    "low-poly",
    "modeling-compound",
    "neon-punk",
    "origami",
    "photographic",
    "pixel-art",
    "tile-texture",
]
STYLE_PRESETS: tuple[StylePreset, ...] = get_args(StylePreset)
ClipGuidancePreset = Literal["FAST_BLUE", "FAST_GREEN", "NONE", "SIMPLE", "SLOW", "SLOWER", "SLOWEST"]
FinishReason = Literal["SUCCESS", "CONTENT_FILTERED"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)

Operation = Literal["text-to-image", "image-to-image", "masking"]
InitImageMode = Literal["IMAGE_STRENGTH", "STEP_SCHEDULE"]
MaskSource = Literal["MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
ImageFormat = Literal["PNG", "JPEG", "WebP"]
# The two say the same: the schedule starts at 1 - image_strength.
DEFAULT_IMAGE_STRENGTH = 0.35
DEFAULT_STEP_SCHEDULE_START = 0.65


class TextPrompt(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A piece of text and how strongly it counts; a negative weight names what the image must not show."""

    text: Annotated[str, Meta(min_length=1, max_length=MAX_PROMPT_CHARACTERS, description="What the image shows.")]
    weight: Annotated[
        float, Meta(description="How strongly this prompt counts. A negative weight makes a negative prompt.")
    ] = 1.0


class Extras(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings that only some model sources have: the refiner of SDXL 1.0 Open.

    Left out, the model's own values hold: refiner on, 40 steps, strength 0.2 (JumpStart model
    `stable-diffusion-xl-base-1-0`, version 1.0.15). The step bounds are those of `steps`, with 1 as the least.
    """

    use_refiner: Annotated[bool, Meta(description="Run the refiner after the base model. Open only.")] | UnsetType = (
        UNSET
    )
    refiner_steps: (
        Annotated[int, Meta(ge=1, le=MAX_STEPS, description="Steps of the refiner's schedule. Open only.")] | UnsetType
    ) = UNSET
    refiner_strength: (
        Annotated[float, Meta(ge=0, le=1, description="How much the refiner may change. Open only.")] | UnsetType
    ) = UNSET


class InitImage(msgspec.Struct, frozen=True):
    """The image to start from: a PNG, JPEG or WebP, and how much of it stays.

    `image_strength` near 1 keeps it and near 0 ignores it. `step_schedule_start` says the same the other way round, as
    the share of the diffusion that runs (1 ignores the image), and `step_schedule_end` where the diffusion stops.
    """

    image: bytes
    mode: InitImageMode = "IMAGE_STRENGTH"
    image_strength: float = DEFAULT_IMAGE_STRENGTH
    step_schedule_start: float = DEFAULT_STEP_SCHEDULE_START
    step_schedule_end: float | UnsetType = UNSET

    @property
    def denoising_share(self) -> float:
        """The share of the diffusion that runs: 0 gives the image back, 1 ignores it."""
        # Rounded: 1 - 0.35 is 0.65 to callers, and not 0.6499999999999999 in a payload.
        return round(1 - self.image_strength, 6) if self.mode == "IMAGE_STRENGTH" else self.step_schedule_start


class Mask(msgspec.Struct, frozen=True):
    """Which pixels of the init image are drawn anew: the white or the black ones of `image`, or its own clear ones."""

    source: MaskSource
    image: bytes | UnsetType = UNSET


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request for images, whatever convention it came in and whatever model will draw it.

    Built by `validation.convert_request`, which checks it. `width` and `height` are those of the answer: with an init
    image, the init image's. `given` names the fields that the caller sent; what it does not name is a default.
    """

    text_prompts: tuple[TextPrompt, ...]
    width: int = DEFAULT_SIDE
    height: int = DEFAULT_SIDE
    cfg_scale: float = DEFAULT_CFG_SCALE
    steps: int = DEFAULT_STEPS
    seed: int = 0
    sampler: Sampler = DEFAULT_SAMPLER
    samples: int = 1
    style_preset: str | UnsetType = UNSET
    clip_guidance_preset: ClipGuidancePreset = "NONE"
    extras: Extras | UnsetType = UNSET
    init_image: InitImage | UnsetType = UNSET
    mask: Mask | UnsetType = UNSET
    given: frozenset[str] = frozenset()

    @property
    def operation(self) -> Operation:
        """What kind of request this is."""
        if self.mask is not UNSET:
            return "masking"
        return "text-to-image" if self.init_image is UNSET else "image-to-image"

    def given_extras(self) -> dict[str, bool | int | float]:
        """The extras that the caller set, by name."""
        if self.extras is UNSET:
            return {}
        return {name: value for name, value in msgspec.structs.asdict(self.extras).items() if value is not UNSET}

    def seeds(self) -> tuple[int, ...]:
        """The seed of each sample, drawn if the request asks for a random one: never 0, which means random.

        Sample i uses seed + i, so that sample 2 of a seed can be requested alone; after the last seed comes 1.
        """
        # `secrets`, not `random`: a SnapStart snapshot clones the state of `random` into every execution environment,
        # so that all of them would draw the same "random" images.
        first = self.seed or secrets.randbelow(MAX_SEED) + 1
        return tuple((first - 1 + index) % MAX_SEED + 1 for index in range(self.samples))


class Encoding(msgspec.Struct, frozen=True):
    """How a caller wants images in an answer. `quality`, from 1 to 100, counts for JPEG and WebP only."""

    format: ImageFormat = "PNG"
    quality: int = 100


class Artifact(msgspec.Struct, frozen=True):
    """One image that a model drew. `image_base64` is a complete file in base64: a PNG that the backend checked, or
    what `encoding.py` made of it, as `format` says. `is_marked` once `marks/marker.py` has written what it says of
    itself.

    Base64 and not bytes is what is kept, because every model answers in it and both faces of the API send it on: an
    image of 3 MB is neither decoded nor encoded on its way.
    """

    image_base64: str
    seed: int
    finish_reason: FinishReason
    format: ImageFormat = "PNG"
    is_marked: bool = False

    @property
    def image(self) -> bytes:
        """The file itself."""
        return msgspec.convert(self.image_base64, bytes)


class LinkedArtifact(msgspec.Struct, frozen=True):
    """One image that did not fit into the answer: `url` is a link to it that expires."""

    url: str
    seed: int
    finish_reason: FinishReason


class GenerationResult(msgspec.Struct, frozen=True):
    """The images of one request, in the order of its seeds, and in `warnings` how they differ from it.

    Warnings are sentences in ASCII: they travel in a header.
    """

    artifacts: tuple[Artifact | LinkedArtifact, ...]
    warnings: tuple[str, ...] = ()
    # Which variant drew them, and of which model source it is.
    variant: str = ""
    source: str = ""
