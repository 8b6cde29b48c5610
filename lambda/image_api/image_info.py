"""What an image file is, read from its first bytes: its format, its size and whether it can be transparent.

Sources: W3C PNG specification, 5.2 and 11.2.2; ITU-T T.81 (JPEG), B.1 and B.2.2; RFC 9649 (WebP), 2.3 to 2.7. Nothing
is decoded: a model does that anyway, and a header of a few bytes is enough to refuse what it would refuse.
"""

from __future__ import annotations

from typing import Literal

import msgspec

ImageFormat = Literal["PNG", "JPEG", "WebP"]

_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_JPEG_SIGNATURE = b"\xff\xd8\xff"
_WEBP_CHUNKS_START = 12
# PNG colour types with an alpha channel.
_PNG_ALPHA_TYPES = frozenset({4, 6})
# JPEG frame headers: all of SOF0 to SOF15 but DHT, JPG and DAC, which lie between them.
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
# JPEG markers without a length: TEM and RST0 to RST7.
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})
_JPEG_SCAN, _JPEG_END = 0xDA, 0xD9


class ImageInfo(msgspec.Struct, frozen=True):
    """Format and size of an image; `has_alpha` where its pixels can be transparent."""

    format: ImageFormat
    width: int
    height: int
    has_alpha: bool


class UnknownFormatError(ValueError):
    """The bytes are no PNG, JPEG or WebP."""


class BrokenHeaderError(ValueError):
    """The bytes begin as an image does, but its size cannot be read."""


def read_image_info(data: bytes) -> ImageInfo:
    """What the image is.

    Raises:
        UnknownFormatError: it is no PNG, JPEG or WebP.
        BrokenHeaderError: its header is cut short or broken.
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
    return info


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
    )


def _jpeg(data: bytes) -> ImageInfo:
    at = 2
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
            )
        at += max(2, _number(data, at, 2, "big"))


def _webp(data: bytes) -> ImageInfo:
    kind, content = data[12:16], _WEBP_CHUNKS_START + 8
    if kind == b"VP8X":
        width, height = (1 + _number(data, content + offset, 3, "little") for offset in (4, 7))
        return ImageInfo(format="WebP", width=width, height=height, has_alpha=bool(data[content] & 0x10))
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
