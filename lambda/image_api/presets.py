"""What creators are shown: sizes by intended use, a line on each sampler, and which parameters are advanced.

Source: Stability AI's REST API v1 lists the nine sizes for SDXL 1.0 (`DiffuseImageHeight`). Other sizes are allowed,
but the model was not trained for them and may crop its subject: `sdxl_warnings` says so, and the API sends it on.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from image_api.request import MAX_PROMPT_CHARACTERS, GenerationRequest, Sampler, TextPrompt


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

# CLIP ViT-L and OpenCLIP ViT-bigG, SDXL's text encoders, read 77 tokens, two of which mark start and end.
PROMPT_TOKENS = 75
# The longest prompt that Stability AI's model packages and Bedrock's SDXL 1.0 take. Several times what is read.
SENT_CHARACTERS = MAX_PROMPT_CHARACTERS
_TOKENS = re.compile(r"\d|[^\W\d_]+|[^\w\s]+|_+")
_LETTERS_OF_A_TOKEN = 10
_LAST_LATIN = 0x24F

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


def sdxl_warnings(request: GenerationRequest) -> tuple[str, ...]:
    """What SDXL 1.0 does not do with a request as its caller may expect it: with its size, and with long prompts."""
    warnings = []
    if (request.width, request.height) not in TRAINED_SIZES:
        trained = ", ".join(f"{width}x{height}" for width, height in sorted(TRAINED_SIZES, reverse=True))
        size = f"{request.width}x{request.height}"
        warnings.append(f"SDXL 1.0 is not trained for {size} and may crop its subject. Trained sizes: {trained}.")
    longest = max(request.text_prompts, key=lambda prompt: prompt_tokens(prompt.text))
    if (tokens := prompt_tokens(longest.text)) > PROMPT_TOKENS:
        kind = "negative prompt" if longest.weight < 0 else "prompt"
        message = (
            f"The {kind} has about {tokens} tokens and SDXL 1.0 reads {PROMPT_TOKENS} at a time: "
            "what lies behind them may have no effect."
        )
        if len(longest.text) > SENT_CHARACTERS:
            message += f" The model is sent the first {SENT_CHARACTERS} of its {len(longest.text)} characters."
        warnings.append(message)
    return tuple(warnings)


def prompt_tokens(text: str) -> int:
    """About how many tokens SDXL's text encoders make of a prompt.

    CLIP's tokenizer splits a text into words, single digits and runs of punctuation, and long words further
    (openai/CLIP, `simple_tokenizer.py`). Its vocabulary is not here: ten letters count as a token, and a character of a
    script other than Latin as two more, because the vocabulary has few of them and splits the others into bytes.
    """
    return sum(
        1 + (len(piece) - 1) // _LETTERS_OF_A_TOKEN + sum(2 * (ord(character) > _LAST_LATIN) for character in piece)
        for piece in _TOKENS.findall(text)
    )


def sent_prompts(prompts: Sequence[TextPrompt]) -> tuple[TextPrompt, ...]:
    """The prompts, each as long as SDXL's servers take it; `sdxl_warnings` names what is left out."""
    return tuple(
        prompt if len(prompt.text) <= SENT_CHARACTERS else TextPrompt(prompt.text[:SENT_CHARACTERS], prompt.weight)
        for prompt in prompts
    )
