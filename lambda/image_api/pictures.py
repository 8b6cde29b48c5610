"""The pixels of images that callers send, read with Pillow as what they show.

A file can show something else than its bare pixels: a camera writes into it which side is up, a scanner 16 bits for
each sample, a photo editor a colour profile, a printer's program CMYK. A model decodes the bare pixels. What is read
here is upright, in 8 bits of RGB, and in the colours that screens show (sRGB).

Pillow takes 30 ms to import. This module is imported by the requests that need it, and by no others. Sources: W3C PNG
specification, 13.12 (sample depth rescaling); Pillow's documentation, "Concepts", Modes.
"""

from __future__ import annotations

import io
import struct
import zlib

from PIL import ExifTags, Image, ImageCms, ImageOps

from image_api.errors import Problem
from image_api.explain import shown
from image_api.images import BrokenHeaderError, CostlyImageError, UnknownFormatError, read_image_info

FORMATS = ("PNG", "JPEG", "WEBP")
# Beyond this an image costs more memory than the function has to spare: 64 MiB for each of its copies.
MAX_INPUT_PIXELS = 4096 * 4096
_ALLOWED = f"{', '.join(FORMATS)} of at most {MAX_INPUT_PIXELS} pixels"
# The value of Exif's orientation (EXIF 2.3, 4.6.4) that turns nothing.
_UPRIGHT = 1
# A fast compression: the file only travels to the model.
_COMPRESS_LEVEL = 1
# What Pillow raises for files that are damaged or not what they claim, by its decoders' own documentation and source.
DAMAGED = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    zlib.error,
    Image.DecompressionBombError,
)
# 16 bits to 8: Pillow's own conversion cuts off at 255, which makes nearly all of an image white.
_EIGHT_BITS = [round(value / 257) for value in range(65_536)]
_SRGB = ImageCms.createProfile("sRGB")

Size = tuple[int, int]


class Picture:
    """An image in RGB or RGBA, or a mask in greys.

    `file` is a PNG with just these pixels, if there is one.
    """

    def __init__(self, image: Image.Image, file: bytes | None = None) -> None:
        self.image = image
        self._file = file

    @property
    def size(self) -> Size:
        """Width and height in pixels."""
        return self.image.size

    @property
    def has_transparent_pixels(self) -> bool:
        """Whether any pixel is transparent altogether."""
        return self.image.mode == "RGBA" and self._alpha().getextrema()[0] == 0

    def opaque(self) -> Picture:
        """The image without transparency, on white where it had any."""
        if self.image.mode != "RGBA":
            return self
        white = Image.new("RGBA", self.size, "white")
        return Picture(Image.alpha_composite(white, self.image).convert("RGB"))

    def transparency(self) -> Picture:
        """White where this image is transparent altogether, black elsewhere."""
        return Picture(self._alpha().point([255] + [0] * 255))

    def fitted(self, size: Size) -> Picture:
        """The image scaled to `size`, cut at two sides where its proportions differ."""
        # A mask stays black and white: a grey edge would be repainted by some models and kept by others.
        method = Image.Resampling.NEAREST if self.image.mode == "L" else Image.Resampling.LANCZOS
        return Picture(ImageOps.fit(self.image, size, method))

    def png(self) -> bytes:
        """The image as a PNG file."""
        if self._file is not None:
            return self._file
        buffer = io.BytesIO()
        self.image.save(buffer, "PNG", compress_level=_COMPRESS_LEVEL)
        return buffer.getvalue()

    def _alpha(self) -> Image.Image:
        return self.image.getchannel("A")


def read_picture(file: bytes, field: str) -> Picture | Problem:
    """The image in a file that was sent as `field`; a problem if it is not an image, too large, or damaged."""
    image = _opened(file, field)
    if isinstance(image, Problem):
        return image
    try:
        converted = _as_shown(image)
        # A colour that counts as transparent, which a PNG may name, is what few models read: it became alpha.
        is_same = image.format == "PNG" and converted.mode == image.mode and not _shows_something_else(image, file)
    except DAMAGED:
        return _damaged(image, file, field)
    return Picture(converted, file if is_same else None)


def file_as_shown(file: bytes, field: str) -> bytes | Problem:
    """`file`, or where its bare pixels show something else a PNG of what it shows; a problem as in `read_picture`."""
    image = _opened(file, field)
    if isinstance(image, Problem):
        return image
    try:
        return Picture(_as_shown(image)).png() if _shows_something_else(image, file) else file
    except DAMAGED:
        return _damaged(image, file, field)


def _refused_unopened(file: bytes, field: str) -> Problem | None:
    """What is wrong by the file's own header: a few kilobytes can claim more than there is time or memory for."""
    try:
        info = read_image_info(file)
    except CostlyImageError as exc:
        message = f"{field} {exc}. Save it again and send the new file."
        return Problem(field, message, shown(file), _ALLOWED, name="image_too_large")
    except (UnknownFormatError, BrokenHeaderError):
        return _unreadable(file, field)
    size = (info.width, info.height)
    return _too_large(size, field) if info.width * info.height > MAX_INPUT_PIXELS else None


def _opened(file: bytes, field: str) -> Image.Image | Problem:
    """The image, decoded and not converted."""
    if problem := _refused_unopened(file, field):
        return problem
    try:
        image: Image.Image = Image.open(io.BytesIO(file), formats=FORMATS)
    except DAMAGED:
        return _unreadable(file, field)
    # Pillow may go by another header of the file than the first one.
    if image.width * image.height > MAX_INPUT_PIXELS:
        return _too_large(image.size, field)
    try:
        image.load()
    except DAMAGED:
        return _damaged(image, file, field)
    return image


def _shows_something_else(image: Image.Image, file: bytes) -> bool:
    """Whether a reader of the bare pixels sees something else than the file shows."""
    is_turned = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT) != _UPRIGHT
    return is_turned or read_image_info(file).is_deep or image.mode == "CMYK" or _profile_of(image) is not None


def _as_shown(image: Image.Image) -> Image.Image:
    """The image in RGB or RGBA."""
    upright = ImageOps.exif_transpose(image)
    samples = _in_eight_bits(upright) if upright.mode.startswith("I") else upright
    mode = "RGBA" if samples.has_transparency_data else "RGB"
    return _in_screen_colours(samples, mode) or samples.convert(mode)


def _in_eight_bits(image: Image.Image) -> Image.Image:
    """A grey image of 16 bits in 8 bits, with an alpha channel where one value of it counts as transparent."""
    wide = image.convert("I")
    grey = wide.point(_EIGHT_BITS, "L")
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        alpha = wide.point([0 if value == clear else 255 for value in range(65_536)], "L")
        return _with_info(Image.merge("LA", (grey, alpha)), image)
    return _with_info(grey, image)


def _with_info(image: Image.Image, source: Image.Image) -> Image.Image:
    image.info = {name: value for name, value in source.info.items() if name != "transparency"}
    return image


def _profile_of(image: Image.Image) -> ImageCms.ImageCmsProfile | None:
    """The colour profile that an image carries; None for sRGB, which changes nothing, and for one that is broken."""
    data = image.info.get("icc_profile")
    if not data:
        return None
    try:
        profile = ImageCms.ImageCmsProfile(io.BytesIO(data))
        name = ImageCms.getProfileDescription(profile)
    except (OSError, ImageCms.PyCMSError):
        # As browsers do it: the pixels are shown as if there were no profile.
        return None
    return None if "srgb" in name.lower() else profile


def _in_screen_colours(image: Image.Image, mode: str) -> Image.Image | None:
    """The image in sRGB; None where its profile does not say how, or there is none."""
    profile = _profile_of(image)
    if profile is None:
        return None
    alpha = image.convert("RGBA").getchannel("A") if mode == "RGBA" else None
    colours = image if image.mode in ("L", "RGB", "CMYK") else image.convert("L" if image.mode == "LA" else "RGB")
    try:
        converted: Image.Image | None = ImageCms.profileToProfile(colours, profile, _SRGB, outputMode="RGB")
    except ImageCms.PyCMSError:
        # The profile is one for other pixels than these, such as one of CMYK in an RGB image.
        return None
    if converted is not None and alpha is not None:
        converted.putalpha(alpha)
    return converted


def _unreadable(file: bytes, field: str) -> Problem:
    message = f"{field} is not a readable image. Send {_ALLOWED}."
    return Problem(field, message, shown(file), _ALLOWED, name="invalid_image_format")


def _damaged(image: Image.Image, file: bytes, field: str) -> Problem:
    message = f"{field} is a damaged {image.format} file. Save it again and send the new file."
    return Problem(field, message, shown(file), _ALLOWED, name="invalid_image_format")


def _too_large(size: Size, field: str) -> Problem:
    text = f"{size[0]}x{size[1]}"
    message = f"{field} is {text}, allowed are at most {MAX_INPUT_PIXELS} pixels. Scale it down."
    return Problem(field, message, text, _ALLOWED, name="image_too_large")
