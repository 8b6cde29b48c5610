"""Renews `inference/contract.json`, what the model server shares with the API: `python -m tools.inference_contract`.

The model server imports nothing of the toolkit, and answers the same requests within the same bounds.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, get_args

import msgspec
from image_api import request
from image_api.styles import BUILT_IN_STYLES

FILE = Path(__file__).resolve().parents[1] / "inference" / "contract.json"


def contract() -> dict[str, Any]:
    """Return the names, bounds and defaults of a request, and the styles' words."""
    return {
        "made_by": "python -m tools.inference_contract",
        "samplers": list(request.SAMPLERS),
        "clip_guidance_presets": list(get_args(request.ClipGuidancePreset)),
        "init_image_modes": list(get_args(request.InitImageMode)),
        "mask_sources": list(get_args(request.MaskSource)),
        "size_step": request.SIZE_STEP,
        "min_side": request.MIN_SIDE,
        "max_pixels": request.MAX_PIXELS,
        "max_prompt_characters": request.MAX_PROMPT_CHARACTERS,
        "max_text_prompts": request.MAX_TEXT_PROMPTS,
        "max_cfg_scale": request.MAX_CFG_SCALE,
        "min_steps": request.MIN_STEPS,
        "max_steps": request.MAX_STEPS,
        "max_samples": request.MAX_SAMPLES,
        "max_seed": request.MAX_SEED,
        "default_side": request.DEFAULT_SIDE,
        "default_cfg_scale": request.DEFAULT_CFG_SCALE,
        "default_steps": request.DEFAULT_STEPS,
        "default_sampler": request.DEFAULT_SAMPLER,
        "default_image_strength": request.DEFAULT_IMAGE_STRENGTH,
        "default_step_schedule_start": request.DEFAULT_STEP_SCHEDULE_START,
        "styles": {
            style.name: {
                "prompt": style.prompt,
                "negative": style.negative,
                "parameters": msgspec.to_builtins(style.parameters),
            }
            for style in BUILT_IN_STYLES
        },
    }


def text() -> str:
    """Return the file."""
    return json.dumps(contract(), indent=2, ensure_ascii=False) + "\n"


def main() -> int:
    """Write the file."""
    FILE.write_text(text(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
