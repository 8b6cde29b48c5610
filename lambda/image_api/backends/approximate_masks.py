"""Masks for a model that has image-to-image and no inpainting: draw the whole image, keep the masked part of it.

Under the mask the model is given a blur of what is around it, so that what stood there does not shine through. What it
draws is laid over the init image under the mask, with a soft edge inside of it: every pixel outside the mask stays as
it was sent. It is an approximation. The model does not know where the mask is, so what it draws need not continue lines
and light across the edge, and may place what the prompt names outside the mask, where it is not seen.

Pillow takes 30 ms to import. This module is imported with the first mask.
"""

from __future__ import annotations

import base64
import functools
import io
import threading

import msgspec
from msgspec import UNSET
from PIL import Image, ImageChops, ImageFilter, ImageOps

from image_api.capabilities import STRENGTH_PARAMETERS
from image_api.errors import ModelError, Problem, UnsupportedByModelError
from image_api.pictures import DAMAGED, Picture, read_picture
from image_api.request import Artifact, GenerationRequest, InitImage

# How much of the blur under the mask stays where the caller does not say: enough for the colours around it to go on,
# and little enough for the prompt to decide what is there. Ours: no source gives a figure for this way of drawing.
IMAGE_STRENGTH = 0.15
# Grey values from here on count as white.
_WHITE = 128
# Pixels of the soft edge, widest first. The first under which most of the mask is drawn in full is taken.
_EDGES = (16, 8, 4, 2)
_LEAST_DRAWN_SHARE = 0.5
_DRAWN = 230
# The sides of the blurs, from coarse to fine.
_BLUR_SIDES = (1, 4, 16, 64)
_COMPRESS_LEVEL = 4
# The samples of a request are drawn side by side, and one of them reads its images for all.
_lock = threading.Lock()


class MaskedImage(msgspec.Struct, frozen=True):
    """The init image in RGB, and a mask in L whose white pixels are drawn anew."""

    init: Image.Image
    mask: Image.Image


def prepared(request: GenerationRequest) -> GenerationRequest:
    """The request for image-to-image that stands in for one with a mask.

    Raises:
        UnsupportedByModelError: an image is damaged.
    """
    with _lock:
        return _prepared(request)


@functools.lru_cache(maxsize=1)
def _prepared(request: GenerationRequest) -> GenerationRequest:
    masked = _masked_image(request)
    if request.init_image is UNSET:
        raise TypeError("a mask without an init image")
    says_strength = bool(request.given & STRENGTH_PARAMETERS)
    # A caller who names a strength wants that much of what stands there.
    start = masked.init if says_strength else _filled(masked)
    init = msgspec.structs.replace(request.init_image, image=Picture(start).png())
    if not says_strength:
        init = InitImage(image=init.image, image_strength=IMAGE_STRENGTH)
    return msgspec.structs.replace(request, init_image=init, mask=UNSET)


def composited(drawn: Artifact, request: GenerationRequest) -> Artifact:
    """`drawn` where the mask is white, and the init image everywhere else.

    Raises:
        ModelError: what the model drew is damaged.
    """
    with _lock:
        masked = _masked_image(request)
    try:
        with Image.open(io.BytesIO(drawn.image)) as image:
            new = image.convert("RGB")
    except DAMAGED as exc:
        raise ModelError("The model's image is damaged. Try again; if it persists, its log says why.") from exc
    if new.size != masked.init.size:
        new = new.resize(masked.init.size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    Image.composite(new, masked.init, _soft(masked.mask)).save(buffer, "PNG", compress_level=_COMPRESS_LEVEL)
    return msgspec.structs.replace(drawn, image_base64=base64.b64encode(buffer.getvalue()).decode())


@functools.lru_cache(maxsize=1)
def _masked_image(request: GenerationRequest) -> MaskedImage:
    """The request's image and mask."""
    if request.init_image is UNSET or request.mask is UNSET:
        raise TypeError("a request without a mask")
    init = _read(request.init_image.image, "init_image")
    if request.mask.image is UNSET:
        clear = init.image.getchannel("A") if init.image.mode == "RGBA" else Image.new("L", init.size, "white")
        grey = ImageOps.invert(clear)
    else:
        grey = _read(request.mask.image, "mask_image").opaque().image.convert("L")
        if request.mask.source == "MASK_IMAGE_BLACK":
            grey = ImageOps.invert(grey)
    mask = grey.point([0] * _WHITE + [255] * (256 - _WHITE))
    return MaskedImage(init.opaque().image, mask)


def _read(file: bytes, field: str) -> Picture:
    picture = read_picture(file, field)
    if isinstance(picture, Problem):
        raise UnsupportedByModelError.of([picture])
    return picture


def _filled(masked: MaskedImage) -> Image.Image:
    """The init image with a blur of its surroundings under the mask."""
    known = masked.init.convert("RGBA")
    known.putalpha(ImageOps.invert(masked.mask))
    filled = Image.new("RGBA", known.size, "grey")
    for side in _BLUR_SIDES:
        # Pillow weighs pixels by their alpha when it scales them: only what is not masked has a colour here.
        small = known.resize((side, side), Image.Resampling.BOX)
        if side == 1 and small.getchannel("A").getextrema()[1]:
            small.putalpha(255)
        filled.alpha_composite(small.resize(known.size, Image.Resampling.BILINEAR))
    filled.alpha_composite(known)
    return filled.convert("RGB")


def _soft(mask: Image.Image) -> Image.Image:
    """The mask with an edge that fades out inside of it: black stays black."""
    whole = mask.histogram()[255]
    for edge in _EDGES:
        blurred = mask.filter(ImageFilter.GaussianBlur(edge / 2))
        # Half of white lies on the edge itself, less of it outside.
        inside = blurred.point([max(0, 2 * value - 255) for value in range(256)])
        soft = ImageChops.darker(inside, mask)
        if sum(soft.histogram()[_DRAWN:]) >= _LEAST_DRAWN_SHARE * whole:
            return soft
    return mask
