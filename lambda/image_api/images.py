"""Image files: what one is by its first bytes, whether a model's is complete, and which ones a request may carry.

Nothing is decoded here: `pictures.py` does that, with Pillow, for the few images that need it. A header of a few bytes
is enough to refuse what the model would refuse. Sources: W3C PNG specification, 5.2, 11.2.2 and 11.3; ITU-T T.81
(JPEG), B.1 and B.2.2; ICC.1 (profiles in JPEG), B.4; RFC 9649 (WebP), 2.3 to 2.7.

A model's image stays in base64. Decoding 4 MB costs 5 ms, more than everything else that the function does with an
image; the checks of `png_base64_problem` cost 1 ms and find what goes wrong with a model's answer: text that is not
base64, an image of another format, and an image that is cut short.
"""

from __future__ import annotations

import base64
import struct
import zlib
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import UNSET

from image_api.errors import Problem
from image_api.explain import shown
from image_api.request import MAX_PIXELS, MIN_SIDE, SIZE_STEP, ImageFormat, Mask

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_WEBP_CHUNKS_START = 12
# PNG colour types with an alpha channel.
_PNG_ALPHA_TYPES = frozenset({4, 6})
_PNG_MAX_PLAIN_BITS = 8
# Chunks of a PNG that change what its pixels show: a colour profile, and Exif with the side that is up. ImageMagick
# writes Exif as text under the third name.
_PNG_PROFILE, _PNG_EXIF, _PNG_EXIF_TEXT = b"iCCP", b"eXIf", b"Raw profile type exif"
# The same in a JPEG: application segments 1 (Exif) and 2 (colour profile); and four components are CMYK.
_JPEG_EXIF, _JPEG_PROFILE = (0xE1, b"Exif\0"), (0xE2, b"ICC_PROFILE\0")
_JPEG_MAX_PLAIN_COMPONENTS = 3
# And in the flags of a WebP: a colour profile, Exif.
_WEBP_PROFILE, _WEBP_EXIF, _WEBP_ALPHA = 0x20, 0x08, 0x10
# JPEG frame headers: all of SOF0 to SOF15 but DHT, JPG and DAC, which lie between them.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# JPEG markers without a length: TEM and RST0 to RST7.
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9
_JPEG_SCAN_MARKER = bytes((0xFF, _JPEG_SCAN))
# A progressive JPEG has about ten scans. 25,000 of them, in less than 1 MB, take a decoder half a minute.
MAX_JPEG_SCANS = 100
# A decoder needs memory for each row: 16 million rows of one pixel take 0.9 GB.
MAX_FILE_SIDE = 16_384
_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
# Of the signature's eight bytes, those that base64 keeps apart from what follows them.
_SIGNATURE = base64.b64encode(_PNG_SIGNATURE)[:10].decode()
# The chunk that ends every PNG (W3C, Portable Network Graphics, 11.2.5): length 0, type, checksum.
_END_CHUNK = b"\x00\x00\x00\x00IEND\xaeB`\x82"
_TAIL_CHARACTERS = 24
# Small enough to stay in the processor's cache and in memory that the allocator keeps: the whole text at once takes
# twice as long, most of it for fresh memory pages.
_BLOCK_CHARACTERS = 65_536


class ImageInfo(msgspec.Struct, frozen=True):
    """Format and size of an image, as its file stores it; `has_alpha` where its pixels can be transparent.

    `is_deep` where a sample has more than 8 bits. `is_plain` where the pixels show what they hold: up to 8 bits of grey
    or RGB, the first row on top, no colour profile. Others may show something else than a reader of the bare pixels
    sees.
    """

    format: ImageFormat
    width: int
    height: int
    has_alpha: bool
    is_plain: bool = True
    is_deep: bool = False


class UnknownFormatError(ValueError):
    """The bytes are not a PNG, JPEG or WebP."""


class BrokenHeaderError(ValueError):
    """The bytes begin as an image does, but its size cannot be read."""


class CostlyImageError(BrokenHeaderError):
    """Decoding the image would take more time or memory than a request may; the message says what is too much."""


def read_image_info(data: bytes) -> ImageInfo:
    """Format, size and transparency of an image file.

    Raises:
        UnknownFormatError: it is not a PNG, JPEG or WebP.
        BrokenHeaderError: its header is cut short or broken.
        CostlyImageError: it has a side or a number of scans that no picture needs.
    """
    try:
        if data.startswith(_PNG_SIGNATURE):
            info = _png(data)
        elif data.startswith(_JPEG_SIGNATURE):
            info = _jpeg(data)
        elif data[:4] == b"RIFF" and data[8:_WEBP_CHUNKS_START] == b"WEBP":
            info = _webp(data)
        else:
            raise UnknownFormatError
    except IndexError as exc:
        raise BrokenHeaderError from exc
    if not info.width or not info.height:
        raise BrokenHeaderError
    if max(info.width, info.height) > MAX_FILE_SIDE:
        raise CostlyImageError(f"has {info.width}x{info.height} pixels; allowed are sides of at most {MAX_FILE_SIDE}")
    # Every scan is a pass over all pixels. Its marker can stand nowhere in what is compressed (ITU-T T.81, B.1.1.2).
    if info.format == "JPEG" and (scans := data.count(_JPEG_SCAN_MARKER)) > MAX_JPEG_SCANS:
        raise CostlyImageError(f"has {scans} scans; allowed are at most {MAX_JPEG_SCANS}")
    return info


def png_base64_problem(text: str) -> str | None:
    """What keeps `text` from being a complete PNG in base64; None if nothing does."""
    if not text:
        return "it is empty"
    padding = _outside_alphabet(text)
    if padding not in ("", "=", "==") or not text.endswith(padding):
        return "it is not base64"
    if len(text) % 4:
        return "its base64 is cut short"
    if not text.startswith(_SIGNATURE):
        return "it is not a PNG"
    if not base64.b64decode(text[-_TAIL_CHARACTERS:]).endswith(_END_CHUNK):
        return "the PNG is cut short"
    return None


@lru_cache(maxsize=8)
def withheld_png_base64(width: int, height: int) -> str:
    """A plain grey PNG in base64, in place of an image that a content filter withholds.

    The hosted API sends a blurred image then; models that send none get this one, so that callers always find one.
    """
    rows = (b"\0" + b"\x80" * width) * height
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    image = _PNG_SIGNATURE + _chunk(b"IHDR", header) + _chunk(b"IDAT", zlib.compress(rows, 9)) + _END_CHUNK
    return base64.b64encode(image).decode()


def read_image_field(field: str, image: bytes) -> ImageInfo | Problem:
    """What the image in a field is; a problem if it is empty, of another format, or without a size."""
    allowed = "a PNG, JPEG or WebP"
    if not image:
        return Problem(field, f"{field} is empty. Send {allowed}.", shown(image), allowed, name="invalid_file_size")
    try:
        return read_image_info(image)
    except UnknownFormatError:
        return Problem(
            field,
            f"{field} begins with {image[:8].hex(' ')}, which is no PNG, JPEG or WebP. Send one of these.",
            shown(image),
            allowed,
            name="invalid_mime_type",
        )
    except BrokenHeaderError:
        return Problem(
            field,
            f"{field} is cut short or broken: its {len(image)} bytes do not give its size. Send the whole file.",
            shown(image),
            allowed,
            name="invalid_image_dimensions",
        )


def init_image_problem(info: ImageInfo) -> Problem | None:
    """What keeps SDXL from drawing an image of the init image's size; None if nothing does."""
    width, height = info.width, info.height
    if not (width % SIZE_STEP or height % SIZE_STEP or min(width, height) < MIN_SIDE or width * height > MAX_PIXELS):
        return None
    words = f"sides of at least {MIN_SIDE}, multiples of {SIZE_STEP}, and at most {MAX_PIXELS} pixels together"
    return Problem(
        "init_image",
        f"init_image is {width}x{height} pixels; allowed are {words}. Resize it, for instance to {_nearest(info)}.",
        f"{width}x{height} pixels",
        words,
        name="invalid_image_dimensions",
    )


def mask_source_problem(mask: Mask, init: ImageInfo) -> Problem | None:
    """What keeps the mask from being where `mask_source` says; None if nothing does."""
    if mask.source == "INIT_IMAGE_ALPHA":
        return _alpha_problem(mask, init)
    if mask.image is not UNSET:
        return None
    return _mask_problem(
        f"mask_image is missing, but mask_source is {mask.source}. "
        "Send the mask, or mask_source INIT_IMAGE_ALPHA to take it from init_image.",
        None,
    )


def mask_size_problem(mask: ImageInfo, init: ImageInfo) -> Problem | None:
    """What keeps the mask from fitting the init image; None if nothing does."""
    if (mask.width, mask.height) == (init.width, init.height):
        return None
    return _mask_problem(
        f"mask_image is {mask.width}x{mask.height} pixels, but init_image is {init.width}x{init.height}. "
        "Send a mask of the same size.",
        f"{mask.width}x{mask.height} pixels",
        f"{init.width}x{init.height} pixels",
    )


def _alpha_problem(mask: Mask, init: ImageInfo) -> Problem | None:
    if mask.image is not UNSET:
        return _mask_problem(
            "mask_image is given, but mask_source is INIT_IMAGE_ALPHA, which takes the mask from init_image. "
            "Leave mask_image out, or send mask_source MASK_IMAGE_WHITE or MASK_IMAGE_BLACK.",
            shown(mask.image),
        )
    if init.has_alpha:
        return None
    return _mask_problem(
        f"mask_source is INIT_IMAGE_ALPHA, but init_image is a {init.format} without transparency. "
        "Send a PNG with an alpha channel, or a mask_image with mask_source MASK_IMAGE_WHITE.",
        mask.source,
        field="mask_source",
    )


def _mask_problem(
    message: str, received: str | None, allowed: str | None = None, *, field: str = "mask_image"
) -> Problem:
    return Problem(field, message, received, allowed, name="invalid_mask_image")


def _nearest(info: ImageInfo) -> str:
    """The allowed size that keeps the image's shape best, not larger than it needs to be."""
    shrink = min(1.0, (MAX_PIXELS / (info.width * info.height)) ** 0.5)
    sides = [
        min(MAX_PIXELS // MIN_SIDE, max(MIN_SIDE, int(side * shrink) // SIZE_STEP * SIZE_STEP))
        for side in (info.width, info.height)
    ]
    return f"{sides[0]}x{sides[1]}"


def _number(data: bytes, start: int, length: int, order: Literal["big", "little"]) -> int:
    if start + length > len(data):
        raise IndexError
    return int.from_bytes(data[start : start + length], order)


def _png(data: bytes) -> ImageInfo:
    if data[12:16] != b"IHDR":
        raise BrokenHeaderError
    # Palettes and plain colours become transparent by a tRNS chunk, which stands before the pixels.
    head = data[: max(0, data.find(b"IDAT"))]
    return ImageInfo(
        format="PNG",
        width=_number(data, 16, 4, "big"),
        height=_number(data, 20, 4, "big"),
        has_alpha=data[25] in _PNG_ALPHA_TYPES or b"tRNS" in head,
        is_deep=data[24] > _PNG_MAX_PLAIN_BITS,
        is_plain=data[24] <= _PNG_MAX_PLAIN_BITS
        and _PNG_PROFILE not in head
        and _PNG_EXIF not in data
        and _PNG_EXIF_TEXT not in data,
    )


def _jpeg(data: bytes) -> ImageInfo:
    at, is_plain = 2, True
    while True:
        if data[at] != 0xFF:
            raise BrokenHeaderError
        while data[at] == 0xFF:
            at += 1
        marker = data[at]
        at += 1
        if marker in _JPEG_BARE:
            continue
        if marker in (_JPEG_SCAN, _JPEG_END):
            raise BrokenHeaderError
        if marker in _JPEG_FRAMES:
            return ImageInfo(
                format="JPEG",
                width=_number(data, at + 5, 2, "big"),
                height=_number(data, at + 3, 2, "big"),
                has_alpha=False,
                is_plain=is_plain and data[at + 7] <= _JPEG_MAX_PLAIN_COMPONENTS,
            )
        for special, name in (_JPEG_EXIF, _JPEG_PROFILE):
            if marker == special and data.startswith(name, at + 2):
                is_plain = False
        at += max(2, _number(data, at, 2, "big"))


def _webp(data: bytes) -> ImageInfo:
    kind, content = data[12:16], _WEBP_CHUNKS_START + 8
    if kind == b"VP8X":
        width, height = (1 + _number(data, content + offset, 3, "little") for offset in (4, 7))
        flags = data[content]
        return ImageInfo(
            format="WebP",
            width=width,
            height=height,
            has_alpha=bool(flags & _WEBP_ALPHA),
            is_plain=not flags & (_WEBP_PROFILE | _WEBP_EXIF),
        )
    if kind == b"VP8L" and data[content] == 0x2F:
        bits = _number(data, content + 1, 4, "little")
        return ImageInfo(
            format="WebP",
            width=1 + (bits & 0x3FFF),
            height=1 + (bits >> 14 & 0x3FFF),
            has_alpha=bool(bits >> 28 & 1),
        )
    if kind == b"VP8 " and data[content + 3 : content + 6] == b"\x9d\x01\x2a":
        width, height = (_number(data, content + offset, 2, "little") & 0x3FFF for offset in (6, 8))
        return ImageInfo(format="WebP", width=width, height=height, has_alpha=False)
    raise BrokenHeaderError


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _outside_alphabet(text: str) -> str:
    """The characters of `text` that are not base64's own: its padding, where it is base64."""
    blocks = (text[start : start + _BLOCK_CHARACTERS] for start in range(0, len(text), _BLOCK_CHARACTERS))
    return b"".join(block.encode(errors="replace").translate(None, _ALPHABET) for block in blocks).decode()
