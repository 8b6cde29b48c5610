"""Image sizes as people type them: by intended use, or as width x height."""

from __future__ import annotations

from image_api import presets

from sdxl.errors import UsageError


def parse_size(value: str) -> tuple[int, int]:
    """Return (width, height) for a preset's name or for "1344x768". Bounds are the API's to check."""
    try:
        return presets.parse_size("".join(value.lower().replace("\u00d7", "x").split()))
    except ValueError as exc:
        raise UsageError(
            f"--size {value!r} is not a size. Use one of {', '.join(presets.SIZES_BY_NAME)}, or WIDTHxHEIGHT as in "
            "1344x768."
        ) from exc
