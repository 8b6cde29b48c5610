"""Image sizes as people say them: by intended use, or as width x height."""

from __future__ import annotations

import re

from image_api.presets import SIZE_PRESETS

from sdxl.errors import UsageError

_BY_NAME = {preset.name: preset for preset in SIZE_PRESETS}
_DIMENSIONS = re.compile(r"(\d{1,5})\s*[xX\u00d7]\s*(\d{1,5})")


def parse_size(value: str) -> tuple[int, int]:
    """Return (width, height) for a preset's name or for "1344x768". Bounds are the API's to check."""
    preset = _BY_NAME.get(value.strip().lower())
    if preset is not None:
        return preset.width, preset.height
    dimensions = _DIMENSIONS.fullmatch(value.strip())
    if dimensions is None:
        raise UsageError(
            f"--size {value!r} is not a size. Use one of {', '.join(_BY_NAME)}, or WIDTHxHEIGHT as in 1344x768."
        )
    return int(dimensions[1]), int(dimensions[2])
