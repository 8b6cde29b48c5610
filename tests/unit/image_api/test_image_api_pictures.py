"""Pictures are read as what they show: 16 bits, the side that is up, colour profiles and CMYK, on every route alike."""

from __future__ import annotations

import base64
import io
import struct
import zlib
from collections.abc import Callable

import pytest
from image_api.errors import Problem
from image_api.images import read_image_info
from image_api.pictures import file_as_shown, read_picture
from image_api_fakes import ApplicationUnderTest
from image_api_forms import IMAGE_TO_IMAGE, MASKING, form, in_base64, post_http, post_json
from openai_in_process import payload
from PIL import Image, ImageCms

_ORIENTATION = 0x0112
_EDITS = "/v1/images/edits"
_SIZE = (512, 320)


def _file(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def _grey16(size: tuple[int, int] = _SIZE) -> Image.Image:
    """Black to white from left to right."""
    row = b"".join(struct.pack("<H", x * 65_535 // (size[0] - 1)) for x in range(size[0]))
    return Image.frombytes("I;16", size, row * size[1])


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    return exif


def _swapped_profile() -> bytes:
    """A colour profile in which red and blue are exchanged."""
    data = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    data = data.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    red, blue = data.index(b"rXYZ", 128), data.index(b"bXYZ", 128)
    data[red : red + 4], data[blue : blue + 4] = b"bXYZ", b"rXYZ"
    return bytes(data)


def _shown(file: bytes) -> Image.Image:
    shown = file_as_shown(file, "image")
    assert not isinstance(shown, Problem)
    image: Image.Image = Image.open(io.BytesIO(shown))
    image.load()
    return image


def _sent_by_every_route(api: ApplicationUnderTest, file: bytes) -> list[Image.Image]:
    """What the model is sent for a file by the form, by JSON, and by the edits of the other convention."""
    replies = [
        post_http(api, IMAGE_TO_IMAGE, form({"text_prompts[0][text]": "oil"}, {"init_image": file})),
        post_json(api, IMAGE_TO_IMAGE, init_image=in_base64(file)),
        post_http(api, _EDITS, form({"prompt": "oil"}, {"image": file})),
    ]
    assert [reply.status for reply in replies] == [200] * 3
    sent = [base64.b64decode(payload_["init_image"]) for payload_ in api.runtime.payloads]
    return [Image.open(io.BytesIO(image)) for image in sent]


def _mean(image: Image.Image) -> int:
    mean = image.convert("L").resize((1, 1), Image.Resampling.BOX).getpixel((0, 0))
    assert isinstance(mean, int)
    return mean


def test_sixteen_bits_are_scaled_to_eight() -> None:
    values = (0, 128, 256, 641, 16_415, 32_831, 65_535)
    file = _file(Image.frombytes("I;16", (7, 1), b"".join(struct.pack("<H", value) for value in values)))

    picture = read_picture(file, "image")

    assert not isinstance(picture, Problem)
    assert [picture.image.getpixel((x, 0)) for x in range(7)] == [(grey,) * 3 for grey in (0, 0, 1, 2, 64, 128, 255)]


@pytest.mark.parametrize(
    ("file", "mean"),
    [
        (_file(Image.new("1", _SIZE, 1)), 255),
        (_file(Image.new("L", _SIZE, 90)), 90),
        (_file(Image.new("P", _SIZE, 0)), 0),
        (_file(_grey16()), 127),
        (_file(Image.new("CMYK", _SIZE, (0, 0, 0, 155)), "JPEG"), 100),
        (_file(Image.new("RGB", _SIZE, (120, 120, 120)), "JPEG"), 120),
        (_file(Image.new("RGB", _SIZE, (120, 120, 120)), "WEBP", lossless=True), 120),
    ],
    ids=["1", "L", "P", "I;16", "CMYK", "JPEG", "WebP"],
)
def test_every_route_reads_a_picture_alike(api: ApplicationUnderTest, file: bytes, mean: int) -> None:
    for image in _sent_by_every_route(api, file):
        assert image.size == _SIZE
        assert _mean(image) == pytest.approx(mean, abs=2)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize(("orientation", "corner"), [(6, (319, 0)), (8, (0, 511)), (3, (511, 319))])
def test_turned_picture_is_turned_upright_on_every_route(
    api: ApplicationUnderTest, kind: str, orientation: int, corner: tuple[int, int]
) -> None:
    image = Image.new("RGB", _SIZE, "white")
    image.paste("black", (0, 0, 64, 64))
    file = _file(image, kind, exif=_exif(orientation))

    for sent in _sent_by_every_route(api, file):
        assert sent.size == (_SIZE if orientation == 3 else _SIZE[::-1])
        pixel = sent.convert("L").getpixel(corner)
        assert isinstance(pixel, int)
        assert pixel < 20


def test_orientation_that_turns_nothing_leaves_the_file_as_it_is() -> None:
    file = _file(Image.new("RGB", _SIZE), "JPEG", exif=_exif(1))

    assert not read_image_info(file).is_plain
    assert file_as_shown(file, "image") is file


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_colour_profile_is_applied_on_every_route(api: ApplicationUnderTest, kind: str) -> None:
    file = _file(Image.new("RGB", _SIZE, (250, 10, 10)), kind, icc_profile=_swapped_profile(), quality=95)

    for sent in _sent_by_every_route(api, file):
        red, _, blue = sent.convert("RGB").getpixel((100, 100))  # type: ignore[misc]
        assert blue > 200
        assert red < 80


def test_profile_keeps_transparency() -> None:
    image = Image.new("RGBA", (64, 64), (250, 10, 10, 255))
    image.paste((0, 0, 0, 0), (0, 0, 32, 64))

    shown = _shown(_file(image, icc_profile=_swapped_profile()))

    assert shown.mode == "RGBA"
    assert shown.getpixel((10, 10))[3] == 0  # type: ignore[index]
    assert shown.getpixel((50, 10))[2] > 200  # type: ignore[index,operator]


@pytest.mark.parametrize("profile", [b"no profile", ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()])
def test_profile_that_does_not_belong_to_the_picture_changes_nothing(profile: bytes) -> None:
    shown = _shown(_file(Image.new("RGB", (64, 64), (250, 10, 10)), icc_profile=profile))

    assert shown.convert("RGB").getpixel((0, 0)) == (250, 10, 10)


def test_standard_profile_leaves_the_file_as_it_is() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    file = _file(Image.new("RGB", (64, 64)), icc_profile=profile)

    assert file_as_shown(file, "image") is file


def test_grey_of_sixteen_bits_keeps_the_value_that_counts_as_transparent() -> None:
    shown = _shown(_file(_grey16(), transparency=0))

    assert shown.mode == "RGBA"
    assert (shown.getpixel((0, 0)), shown.getpixel((511, 0))) == ((0, 0, 0, 0), (255, 255, 255, 255))


def test_mask_is_read_as_it_shows(api: ApplicationUnderTest) -> None:
    image, mask = Image.new("RGB", _SIZE[::-1]), Image.new("L", _SIZE, 0)
    mask.paste(255, (0, 0, 64, 320))

    reply = post_json(
        api,
        MASKING,
        init_image=in_base64(_file(image)),
        mask_source="MASK_IMAGE_WHITE",
        mask_image=in_base64(_file(mask, "JPEG", exif=_exif(6))),
    )

    assert reply.status == 200
    sent = Image.open(io.BytesIO(base64.b64decode(payload(api)["mask_image"]))).convert("L")
    assert sent.size == _SIZE[::-1]
    assert (sent.getpixel((10, 10)), sent.getpixel((10, 500))) == (255, 0)


def _claims(width: int, height: int) -> bytes:
    """The head of a PNG of this size, with nothing behind it."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))


@pytest.mark.parametrize("size", [(20_000, 20_000), (4097, 4096), (2**31 - 1, 2**31 - 1)])
def test_too_many_pixels_are_refused_by_their_number(size: tuple[int, int]) -> None:
    problem = read_picture(_claims(*size), "image")

    assert isinstance(problem, Problem)
    assert problem.name == "image_too_large"
    assert f"{size[0]}x{size[1]}" in problem.message


@pytest.mark.parametrize("make", [lambda: _file(_grey16())[:200], lambda: _file(Image.new("RGB", _SIZE), "JPEG")[:300]])
def test_damaged_picture_is_a_problem(make: Callable[[], bytes]) -> None:
    problem = read_picture(make(), "image")

    assert isinstance(problem, Problem)
    assert problem.name == "invalid_image_format"
