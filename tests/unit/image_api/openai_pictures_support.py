"""Image files for tests, drawn with Pillow, and what is in those that the model was sent."""

from __future__ import annotations

import base64
import io
from typing import Any

from PIL import Image


def picture(size: tuple[int, int] = (128, 128), mode: str = "RGB", kind: str = "PNG", **options: Any) -> bytes:
    """An image of one colour; with mode RGBA its left half is transparent."""
    color = (200, 100, 50, 255) if mode == "RGBA" else (200, 100, 50) if mode == "RGB" else 120
    image = Image.new(mode, size, color)
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def sent(text: str) -> Image.Image:
    """The image in a field of a payload."""
    image: Image.Image = Image.open(io.BytesIO(base64.b64decode(text)))
    image.load()
    return image
