"""Image headers: format, size and transparency of what real encoders write, and what is refused."""

from __future__ import annotations

import io

import pytest
from image_api.images import BrokenHeaderError, ImageInfo, UnknownFormatError, read_image_info
from PIL import Image


def encoded(image_format: str, mode: str = "RGB", size: tuple[int, int] = (192, 128), **options: object) -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, image_format, **options)
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "image_format", "has_alpha"),
    [
        (encoded("PNG"), "PNG", False),
        (encoded("PNG", "RGBA"), "PNG", True),
        (encoded("PNG", "LA"), "PNG", True),
        (encoded("PNG", "L"), "PNG", False),
        (encoded("PNG", "P"), "PNG", False),
        (encoded("PNG", "P", transparency=0), "PNG", True),
        (encoded("JPEG"), "JPEG", False),
        (encoded("JPEG", progressive=True), "JPEG", False),
        (encoded("JPEG", comment=b"\xff\xc0" * 40, exif=b"Exif\0\0" + b"\xff\xd8\xff" * 20), "JPEG", False),
        (encoded("WEBP"), "WebP", False),
        (encoded("WEBP", lossless=True), "WebP", False),
        (encoded("WEBP", "RGBA", lossless=True), "WebP", True),
        (encoded("WEBP", exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0"), "WebP", False),
    ],
)
def test_format_size_and_transparency_are_read(data: bytes, image_format: str, has_alpha: bool) -> None:
    info = read_image_info(data)

    assert (info.format, info.width, info.height) == (image_format, 192, 128)
    if image_format != "WebP":
        assert info.has_alpha is has_alpha


def test_webp_with_transparency_is_seen() -> None:
    file = io.BytesIO()
    image = Image.new("RGBA", (192, 128), (1, 2, 3, 255))
    image.putpixel((0, 0), (0, 0, 0, 0))
    for options in ({}, {"lossless": True}):
        file = io.BytesIO()
        image.save(file, "WEBP", **options)
        assert read_image_info(file.getvalue()) == ImageInfo("WebP", 192, 128, has_alpha=True)


@pytest.mark.parametrize(
    "data",
    [b"", b"a puppy", b"GIF89a\x01\x00", b"%PDF-1.7", encoded("BMP"), encoded("GIF"), encoded("TIFF"), b"RIFF1234WAVE"],
)
def test_other_formats_are_not_known(data: bytes) -> None:
    with pytest.raises(UnknownFormatError):
        read_image_info(data)


@pytest.mark.parametrize("image_format", ["PNG", "JPEG", "WEBP"])
def test_every_cut_is_noticed_or_leaves_the_size_whole(image_format: str) -> None:
    data = encoded(image_format)
    whole = read_image_info(data)

    for length in range(min(len(data), 700)):
        try:
            info = read_image_info(data[:length])
        except (UnknownFormatError, BrokenHeaderError):
            continue
        assert (info.width, info.height) == (whole.width, whole.height)


@pytest.mark.parametrize(
    "data",
    [
        b"\x89PNG\r\n\x1a\n" + b"\0" * 30,
        b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + b"\0" * 20,
        b"\xff\xd8\xff\xd9",
        b"\xff\xd8\xff\xe0\x00\x00" + b"\0" * 60_000,
        b"\xff\xd8\xff\xff\xff\xff",
        b"\xff\xd8\xff\xda\x00\x02",
        b"RIFF\0\0\0\0WEBPVP8 " + b"\0" * 30,
        b"RIFF\0\0\0\0WEBPVP9 " + b"\0" * 30,
    ],
)
def test_broken_header_is_refused(data: bytes) -> None:
    with pytest.raises(BrokenHeaderError):
        read_image_info(data)
