"""The image sizes SDXL 1.0 is trained for, with names by intended use.

Source: Stability AI's REST API v1 lists the nine sizes for SDXL 1.0 (`DiffuseImageHeight`). Other sizes are allowed,
but the model was not trained for them and may crop its subject: `size_warning` says so, and the API sends it on.
"""

from __future__ import annotations

import msgspec


class SizePreset(msgspec.Struct, frozen=True):
    """A size with the name that creators choose it by."""

    name: str
    label: str
    width: int
    height: int


SIZE_PRESETS = (
    SizePreset("fullscreen", "Fullscreen 4:3", 1152, 896),
    SizePreset("widescreen", "Widescreen 16:9", 1344, 768),
    SizePreset("ultrawide", "Ultrawide 21:9", 1536, 640),
    SizePreset("mobile-landscape", "Mobile landscape 3:2", 1216, 832),
    SizePreset("square", "Square 1:1", 1024, 1024),
    SizePreset("mobile-portrait", "Mobile portrait 2:3", 832, 1216),
    SizePreset("tall", "Tall 9:16", 768, 1344),
)

# 896x1152 and 640x1536 are trained for as well, but no use asks for them by name.
TRAINED_SIZES = frozenset({(preset.width, preset.height) for preset in SIZE_PRESETS} | {(896, 1152), (640, 1536)})


def size_warning(width: int, height: int) -> str | None:
    """What to tell a caller about this size; None where SDXL 1.0 is trained for it."""
    if (width, height) in TRAINED_SIZES:
        return None
    trained = ", ".join(f"{w}x{h}" for w, h in sorted(TRAINED_SIZES, reverse=True))
    return f"SDXL 1.0 is not trained for {width}x{height} and may crop its subject. Trained sizes: {trained}."
