"""Draws the stand-in's picture: a landscape that depends on the whole request, labelled as not from a model."""

from __future__ import annotations

import colorsys
import hashlib
import io
import math
import random
import unicodedata
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageDraw, ImageFont

LABEL = "stand-in, not a model"

_BANDS = 4
_GRAIN_LEVELS = 4
"""Grey levels of the grain. Four make a PNG of 1024x1024 about as large as a photograph's: 1.2 to 1.5 MB."""


@dataclass(frozen=True)
class PictureRequest:
    """What a picture depends on. `details` is any text that names the remaining parameters."""

    prompt: str
    seed: int
    width: int
    height: int
    steps: int
    details: str = ""


@dataclass(frozen=True)
class Edit:
    """An initial image of the picture's own size, and how much of it stays.

    `kept` is from 0 (all drawn anew) to 1 (as it was). `replaced` is grey levels: white pixels are the only ones that
    change, black ones stay exactly as they were; None changes all of them.
    """

    image: Image.Image
    kept: float
    replaced: Image.Image | None = None


def draw_png(request: PictureRequest, edit: Edit | None = None) -> bytes:
    """A PNG of the requested size: the same bytes for the same request, other bytes for any other."""
    return encode(draw(request, edit), "PNG")


def draw(request: PictureRequest, edit: Edit | None = None) -> Image.Image:
    """The picture, or with `edit` the initial image changed towards it."""
    digest = hashlib.sha256(repr(request).encode("utf-8", "backslashreplace")).digest()
    dice = random.Random(digest)  # noqa: S311 - a picture needs reproducible numbers, not secret ones
    image = _landscape(request, dice)
    image = ImageChops.add(image, _grain(request, dice))
    if edit is None:
        _write_label(image, request)
        return image
    before = edit.image.convert("RGB")
    image = Image.blend(image, before, edit.kept)
    _write_label(image, request)
    # The label too stays within the pixels that the mask names: all others are exactly those of the initial image.
    return image if edit.replaced is None else Image.composite(image, before, edit.replaced)


def encode(image: Image.Image, image_format: str) -> bytes:
    """The picture as a PNG or JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, image_format, **({"compress_level": 1} if image_format == "PNG" else {"quality": 90}))
    return buffer.getvalue()


def _landscape(request: PictureRequest, dice: random.Random) -> Image.Image:
    width, height = request.width, request.height
    hue = dice.random()
    top, horizon = _colour(hue, 0.6, 0.5), _colour(hue + dice.choice((-1, 1)) * dice.uniform(0.12, 0.25), 0.4, 1.0)
    ramp = Image.linear_gradient("L").resize((width, height))
    image = Image.composite(Image.new("RGB", ramp.size, horizon), Image.new("RGB", ramp.size, top), ramp)
    _add_sun(image, dice, _colour(hue + 0.5, 0.25, 0.95))
    draw = ImageDraw.Draw(image)
    for band in range(_BANDS):
        shade = 0.72 - 0.16 * band
        base = height * (0.5 + 0.12 * band)
        draw.polygon(_ridge(width, height, base, dice), fill=_colour(hue + 0.08 * band, 0.35 + 0.08 * band, shade))
    return image


def _add_sun(image: Image.Image, dice: random.Random, colour: tuple[int, int, int]) -> None:
    size = max(8, int(min(image.size) * dice.uniform(0.3, 0.7)))
    # Pillow's radial gradient is dark in the middle and reaches white in the corners.
    disc = ImageChops.invert(Image.radial_gradient("L").resize((size, size)))
    glow = disc.point([min(255, max(0, value - 75) * 2) for value in range(256)])
    centre = int(image.width * dice.uniform(0.1, 0.9)), int(image.height * dice.uniform(0.1, 0.4))
    place = centre[0] - size // 2, centre[1] - size // 2
    image.paste(colour, (*place, place[0] + size, place[1] + size), glow)


def _ridge(width: int, height: int, base: float, dice: random.Random) -> list[tuple[float, float]]:
    waves = [(dice.uniform(0.02, 0.07) * height / n, dice.uniform(0.6, 1.4) * n, dice.uniform(0, 7)) for n in (1, 2, 5)]
    step = max(1, width // 256)
    edge: list[tuple[float, float]] = [
        (x, base + sum(size * math.sin(math.tau * turns * x / width + phase) for size, turns, phase in waves))
        for x in range(0, width + step, step)
    ]
    return [*edge, (width, height), (0, height)]


def _colour(hue: float, saturation: float, value: float) -> tuple[int, int, int]:
    red, green, blue = colorsys.hsv_to_rgb(hue % 1, min(1, saturation), value)
    return int(red * 235), int(green * 235), int(blue * 235)


def _grain(request: PictureRequest, dice: random.Random) -> Image.Image:
    noise = dice.randbytes(request.width * request.height * 3)
    levels = [value * _GRAIN_LEVELS // 256 for value in range(256)]
    return Image.frombytes("RGB", (request.width, request.height), noise).point(levels * 3)


def _write_label(image: Image.Image, request: PictureRequest) -> None:
    size = max(9, min(image.size) // 40)
    font = ImageFont.load_default(size)
    lines = [
        LABEL,
        _writable(request.prompt, image.width // max(1, size // 2)),
        f"seed {request.seed}, {request.width}x{request.height}, {request.steps} steps",
    ]
    band = Image.new("RGBA", (image.width, (len(lines) * 3 + 1) * size // 2), (0, 0, 0, 150))
    image.paste(band, (0, image.height - band.height), band)
    draw = ImageDraw.Draw(image)
    for row, line in enumerate(lines):
        draw.text((size, image.height - band.height + size // 2 + row * size * 3 // 2), line, fill="white", font=font)


def _writable(text: str, longest: int) -> str:
    """The text in letters that Pillow's built-in font has: accents are kept, other scripts become code points."""
    plain = unicodedata.normalize("NFKC", text[: longest * 2])
    flat = " ".join("".join(c if c.isprintable() else " " for c in plain if not _is_surrogate(c)).split())
    line = flat.encode("latin-1", "backslashreplace").decode("latin-1")
    return line if len(line) <= longest else f"{line[: longest - 3]}..."


def _is_surrogate(character: str) -> bool:
    return "\ud800" <= character <= "\udfff"
