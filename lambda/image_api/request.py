"""The one domain model: what can be asked of SDXL, within which bounds, and what comes back.

Every dialect parses into `GenerationRequest`, every backend answers with `GenerationResult`. The API's JSON schema is
generated from these types (`schema.py`), and API Gateway enforces it before a function runs; the function checks the
same again, because it can be invoked past the gateway, and adds the rules that span fields (`validation.py`).

The types are msgspec structs rather than pydantic models because a cold start pays for the import: 25 ms against 90 ms.

Every bound below is that of Stability AI's hosted REST API v1 (its OpenAPI document, `TextToImageRequestBody`) unless a
comment gives another source.
"""

from __future__ import annotations

import base64
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
ClipGuidancePreset = Literal["FAST_BLUE", "FAST_GREEN", "NONE", "SIMPLE", "SLOW", "SLOWER", "SLOWEST"]
FinishReason = Literal["SUCCESS", "CONTENT_FILTERED"]
SAMPLERS: tuple[Sampler, ...] = get_args(Sampler)

_Side = Annotated[int, Meta(ge=MIN_SIDE, le=MAX_SIDE, multiple_of=SIZE_STEP)]


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


class GenerationRequest(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request for images, whatever convention it came in and whatever model will draw it."""

    text_prompts: Annotated[
        tuple[TextPrompt, ...],
        Meta(
            min_length=1,
            max_length=MAX_TEXT_PROMPTS,
            description="What the image shows. At least one prompt needs a weight above 0.",
        ),
    ]
    width: Annotated[_Side, Meta(description="Width in pixels. Width times height is at most 1048576.")] = DEFAULT_SIDE
    height: Annotated[_Side, Meta(description="Height in pixels. Width times height is at most 1048576.")] = (
        DEFAULT_SIDE
    )
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
    style_preset: Annotated[StylePreset, Meta(description="A style to draw in.")] | UnsetType = UNSET
    clip_guidance_preset: Annotated[ClipGuidancePreset, Meta(description="Accepted and ignored: SDXL has none.")] = (
        "NONE"
    )
    extras: Annotated[Extras, Meta(description="Settings that only some model sources have.")] | UnsetType = UNSET

    def given_extras(self) -> dict[str, bool | int | float]:
        """The extras that the caller set, by name."""
        if self.extras is UNSET:
            return {}
        return {name: value for name, value in msgspec.structs.asdict(self.extras).items() if value is not UNSET}

    def seeds(self) -> tuple[int, ...]:
        """The seed of each sample, drawn if the request asks for a random one: never 0, which means random.

        Sample i uses seed + i, so that sample 2 of a seed can be asked for alone; behind the last seed comes 1.
        """
        # `secrets`, not `random`: a SnapStart snapshot clones the state of `random` into every execution environment,
        # so that all of them would draw the same "random" images.
        first = self.seed or secrets.randbelow(MAX_SEED) + 1
        return tuple((first - 1 + index) % MAX_SEED + 1 for index in range(self.samples))


class Artifact(msgspec.Struct, frozen=True):
    """One image that a model drew. `image_base64` is a complete PNG in base64, checked by the backend.

    Base64 and not bytes is what is kept, because every model answers in it and both faces of the API send it on: an
    image of 3 MB is neither decoded nor encoded on its way.
    """

    image_base64: str
    seed: int
    finish_reason: FinishReason

    @property
    def image(self) -> bytes:
        """The PNG itself."""
        return base64.b64decode(self.image_base64)


class LinkedArtifact(msgspec.Struct, frozen=True):
    """One image that did not fit into the answer: `url` is a link to it that expires."""

    url: str
    seed: int
    finish_reason: FinishReason


class GenerationResult(msgspec.Struct, frozen=True):
    """The images of one request, in the order of its seeds."""

    artifacts: tuple[Artifact | LinkedArtifact, ...]
