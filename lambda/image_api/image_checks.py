"""The rules for images that callers send: format, size, and a mask that fits. Names of errors are Stability AI's."""

from __future__ import annotations

from msgspec import UNSET

from image_api.errors import InvalidRequestError
from image_api.image_info import BrokenHeaderError, ImageInfo, UnknownFormatError, read_image_info
from image_api.request import MAX_PIXELS, MIN_SIDE, SIZE_STEP, Mask


def check_init_image(image: bytes) -> ImageInfo:
    """Read the init image.

    Raises:
        InvalidRequestError: it is empty, of another format, or of a size that SDXL cannot draw.
    """
    info = _read("init_image", image)
    width, height = info.width, info.height
    if width % SIZE_STEP or height % SIZE_STEP or min(width, height) < MIN_SIDE or width * height > MAX_PIXELS:
        raise InvalidRequestError(
            f"init_image is {width}x{height} pixels; allowed are sides of at least {MIN_SIDE}, multiples of "
            f"{SIZE_STEP}, and at most {MAX_PIXELS} pixels together. Resize it, for instance to {_nearest(info)}.",
            name="invalid_image_dimensions",
        )
    return info


def check_mask(mask: Mask, init: ImageInfo) -> None:
    """Raise `InvalidRequestError` unless the mask fits the init image."""
    if mask.source == "INIT_IMAGE_ALPHA":
        if mask.image is not UNSET:
            raise InvalidRequestError(
                "mask_image is given, but mask_source is INIT_IMAGE_ALPHA, which takes the mask from init_image. "
                "Leave mask_image out, or send mask_source MASK_IMAGE_WHITE or MASK_IMAGE_BLACK.",
                name="invalid_mask_image",
            )
        if not init.has_alpha:
            raise InvalidRequestError(
                f"mask_source is INIT_IMAGE_ALPHA, but init_image is a {init.format} without transparency. "
                "Send a PNG with an alpha channel, or a mask_image with mask_source MASK_IMAGE_WHITE.",
                name="invalid_mask_image",
            )
        return
    if mask.image is UNSET:
        raise InvalidRequestError(
            f"mask_image is missing, but mask_source is {mask.source}. "
            "Send the mask, or mask_source INIT_IMAGE_ALPHA to take it from init_image.",
            name="invalid_mask_image",
        )
    info = _read("mask_image", mask.image)
    if (info.width, info.height) != (init.width, init.height):
        raise InvalidRequestError(
            f"mask_image is {info.width}x{info.height} pixels, but init_image is {init.width}x{init.height}. "
            "Send a mask of the same size.",
            name="invalid_mask_image",
        )


def _read(field: str, image: bytes) -> ImageInfo:
    if not image:
        raise InvalidRequestError(f"{field} is empty. Send a PNG, JPEG or WebP.", name="invalid_file_size")
    try:
        return read_image_info(image)
    except UnknownFormatError as exc:
        raise InvalidRequestError(
            f"{field} begins with {image[:8].hex(' ')}, which is no PNG, JPEG or WebP. Send one of these.",
            name="invalid_mime_type",
        ) from exc
    except BrokenHeaderError as exc:
        raise InvalidRequestError(
            f"{field} is cut short or broken: its {len(image)} bytes do not tell its size. Send the whole file.",
            name="invalid_image_dimensions",
        ) from exc


def _nearest(info: ImageInfo) -> str:
    """The allowed size that keeps the image's shape best, not larger than it needs to be."""
    shrink = min(1.0, (MAX_PIXELS / (info.width * info.height)) ** 0.5)
    sides = [
        min(MAX_PIXELS // MIN_SIDE, max(MIN_SIDE, int(side * shrink) // SIZE_STEP * SIZE_STEP))
        for side in (info.width, info.height)
    ]
    return f"{sides[0]}x{sides[1]}"
