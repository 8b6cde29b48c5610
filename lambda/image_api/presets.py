"""What creators are shown: sizes by intended use, a line on each sampler, and which parameters are advanced.

Source: Stability AI's REST API v1 lists the nine sizes for SDXL 1.0 (`DiffuseImageHeight`). Other sizes are allowed,
but the model was not trained for them and may crop its subject: `size_warning` says so, and the API sends it on.
"""

from __future__ import annotations

import re

import msgspec

from image_api.request import Sampler


class SizePreset(msgspec.Struct, frozen=True):
    """A size with the name that creators choose it by."""

    name: str
    label: str
    ratio: str
    width: int
    height: int


SIZE_PRESETS = (
    SizePreset("fullscreen", "Fullscreen", "4:3", 1152, 896),
    SizePreset("widescreen", "Widescreen", "16:9", 1344, 768),
    SizePreset("ultrawide", "Ultrawide", "21:9", 1536, 640),
    SizePreset("mobile-landscape", "Mobile landscape", "3:2", 1216, 832),
    SizePreset("square", "Square", "1:1", 1024, 1024),
    SizePreset("mobile-portrait", "Mobile portrait", "2:3", 832, 1216),
    SizePreset("tall", "Tall", "9:16", 768, 1344),
)

# The name of the size that a request without one gets.
DEFAULT_SIZE_NAME = "square"

SIZES_BY_NAME = {preset.name: preset for preset in SIZE_PRESETS}

# 896x1152 and 640x1536 are trained for as well, but they have no name.
TRAINED_SIZES = frozenset({(preset.width, preset.height) for preset in SIZE_PRESETS} | {(896, 1152), (640, 1536)})


# What each sampler is good for. Order: the recommended one first.
SAMPLER_NOTES: dict[Sampler, str] = {
    "K_DPMPP_2M": "Sharp images in few steps; right for most uses.",
    "K_DPMPP_2S_ANCESTRAL": "Fine texture and variety; the image keeps changing with more steps.",
    "K_DPMPP_SDE": "Rich detail from few steps, each of which takes twice as long.",
    "K_EULER": "Plain and fast; soft, predictable images.",
    "K_EULER_ANCESTRAL": "Fast and varied; the image keeps changing with more steps.",
    "K_HEUN": "More exact than K_EULER, each step takes twice as long.",
    "K_LMS": "Smooth images, steady from about 30 steps.",
    "K_DPM_2": "Exact and slow: each step takes twice as long.",
    "K_DPM_2_ANCESTRAL": "Varied and slow: each step takes twice as long.",
    "DDIM": "The classic; even results, at home with init images.",
    "DDPM": "The original; needs many steps.",
}

# Good for most images: a higher cfg_scale burns colours in, a lower one loses the prompt.
RECOMMENDED_RANGES: dict[str, tuple[float, float]] = {
    "cfg_scale": (5, 15),
    "steps": (30, 60),
    "image_strength": (0.2, 0.6),
    "step_schedule_start": (0.4, 0.8),
}

# What a user interface shows only on request.
ADVANCED_PARAMETERS = frozenset(
    {
        "cfg_scale",
        "clip_guidance_preset",
        "extras",
        "height",
        "init_image_mode",
        "sampler",
        "seed",
        "step_schedule_end",
        "step_schedule_start",
        "steps",
        "width",
    }
)

_DIMENSIONS = re.compile(r"([1-9][0-9]{2,3})x([1-9][0-9]{2,3})")


def parse_size(text: str) -> tuple[int, int]:
    """Width and height for a preset's name or for "1344x768". Bounds are not checked.

    Raises:
        ValueError: it is neither.
    """
    if preset := SIZES_BY_NAME.get(text):
        return preset.width, preset.height
    dimensions = _DIMENSIONS.fullmatch(text)
    if dimensions is None:
        raise ValueError(text)
    return int(dimensions[1]), int(dimensions[2])


def size_warning(width: int, height: int) -> str | None:
    """The warning for a caller about this size; None where SDXL 1.0 is trained for it."""
    if (width, height) in TRAINED_SIZES:
        return None
    trained = ", ".join(f"{w}x{h}" for w, h in sorted(TRAINED_SIZES, reverse=True))
    return f"SDXL 1.0 is not trained for {width}x{height} and may crop its subject. Trained sizes: {trained}."
