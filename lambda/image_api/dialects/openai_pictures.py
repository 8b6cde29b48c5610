"""Images that callers of the OpenAI images API send: read, brought to a size that SDXL draws, and made into masks.

That API takes PNG, JPEG and WebP of any size, and marks what to repaint by transparency. SDXL takes sides in multiples
of 64, and a mask whose white pixels are repainted. Pillow, which turns one into the other, takes a while to import:
this module is imported by the requests that carry an image, and by no others.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import Image, ImageOps

from image_api.dialects.openai_errors import InvalidParameterError
from image_api.dialects.openai_values import nearest_trained_size
from image_api.request import MAX_PIXELS, MIN_SIDE, SIZE_STEP

FORMATS = ("PNG", "JPEG", "WEBP")
# Beyond this an image costs more memory than the function has to spare: 64 MiB for each of its copies.
MAX_INPUT_PIXELS = 4096 * 4096
# A fast compression: the file only travels to the model.
_COMPRESS_LEVEL = 1
# What Pillow raises for files that are damaged or not what they claim, by its decoders' own documentation and source.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, OverflowError, struct.error, zlib.error)

Size = tuple[int, int]


class Picture:
    """An image, and the file it came from as long as nothing has changed it."""

    def __init__(self, image: Image.Image, file: bytes | None = None) -> None:
        self._image = image
        self._file = file

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self._image.size

    @property
    def has_transparent_pixels(self) -> bool:
        """Whether any pixel is transparent altogether."""
        return self._image.mode == "RGBA" and self._alpha().getextrema()[0] == 0

    def opaque(self) -> Picture:
        """The image without transparency, on white where it had any."""
        if self._image.mode != "RGBA":
            return self
        white = Image.new("RGBA", self.size, "white")
        return Picture(Image.alpha_composite(white, self._image).convert("RGB"))

    def transparency(self) -> Picture:
        """White where this image is transparent altogether, black elsewhere."""
        return Picture(self._alpha().point([255] + [0] * 255))

    def fitted(self, size: Size) -> Picture:
        """The image scaled to `size`, cut at two sides where its proportions differ."""
        # A mask stays black and white: a grey edge would be repainted by some models and kept by others.
        method = Image.Resampling.NEAREST if self._image.mode == "L" else Image.Resampling.LANCZOS
        return Picture(ImageOps.fit(self._image, size, method))

    def png(self) -> bytes:
        """The image as a PNG file."""
        if self._file is not None:
            return self._file
        buffer = io.BytesIO()
        self._image.save(buffer, "PNG", compress_level=_COMPRESS_LEVEL)
        return buffer.getvalue()

    def _alpha(self) -> Image.Image:
        return self._image.getchannel("A")


def read_picture(file: bytes, param: str) -> Picture:
    """The image in a file that was sent as `param`.

    Raises:
        InvalidParameterError: it is none, too large, or damaged.
    """
    try:
        # The format and the size are in the head of a file: nothing is decoded yet.
        image: Image.Image = Image.open(io.BytesIO(file), formats=FORMATS)
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning) as exc:
        raise InvalidParameterError(
            f"{param} is no image that can be read, allowed are {', '.join(FORMATS)} of at most {MAX_INPUT_PIXELS} "
            "pixels. Send such a file.",
            param=param,
            code="invalid_image_format",
        ) from exc
    if image.width * image.height > MAX_INPUT_PIXELS:
        raise InvalidParameterError(
            f"{param} is {image.width}x{image.height}, allowed are at most {MAX_INPUT_PIXELS} pixels. Scale it down.",
            param=param,
            code="image_too_large",
        )
    try:
        image.load()
        # Cameras store how they were held beside the image.
        turned = ImageOps.exif_transpose(image)
        has_alpha = "A" in turned.mode or "a" in turned.mode or "transparency" in turned.info
        converted = turned.convert("RGBA" if has_alpha else "RGB")
    except _DAMAGED as exc:
        raise InvalidParameterError(
            f"{param} is a damaged {image.format} file. Save it anew and send that.",
            param=param,
            code="invalid_image_format",
        ) from exc
    # A colour that counts as transparent, which a PNG may name, is what few models read: it became alpha.
    unchanged = image.format == "PNG" and converted.mode == image.mode and turned.size == image.size
    return Picture(converted, file if unchanged else None)


def mask_of_transparency(mask: Picture, image: Picture) -> Picture:
    """The model's mask of a caller's: white where `mask` is transparent.

    Raises:
        InvalidParameterError: it has nothing transparent, or another size than `image`.
    """
    if mask.size != image.size:
        raise InvalidParameterError(
            f"mask is {mask.size[0]}x{mask.size[1]} and image is {image.size[0]}x{image.size[1]}, allowed is the same "
            "size. Scale one to the other.",
            param="mask",
        )
    if not mask.has_transparent_pixels:
        raise InvalidParameterError(
            "mask has no transparent pixels, which are what is repainted. Erase the part to repaint, and save it as a "
            "PNG with transparency.",
            param="mask",
        )
    return mask.transparency()


def fit(picture: Picture, size: Size | None, warnings: list[str]) -> Picture:
    """`picture` in `size`, or in its own where SDXL draws that; the change is told in `warnings`."""
    own = picture.size
    if size is None:
        size = own if is_drawable(own) else nearest_trained_size(*own)
    if size == own:
        return picture
    warnings.append(f"The image of {own[0]}x{own[1]} was scaled and cut to {size[0]}x{size[1]}.")
    return picture.fitted(size)


def is_drawable(size: Size) -> bool:
    """Whether SDXL draws images of this size."""
    width, height = size
    return min(size) >= MIN_SIDE and width % SIZE_STEP == height % SIZE_STEP == 0 and width * height <= MAX_PIXELS
