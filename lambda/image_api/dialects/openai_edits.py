"""The two routes of the OpenAI images API that start from an image: edits and variations.

`edits` repaints what is transparent in `mask`, or in the image itself; with neither, the whole image follows the prompt
as far as `image_strength` lets it. `variations` takes no prompt: it draws the image anew with half of it kept.

That API takes PNG, JPEG and WebP of any size, and marks what to repaint by transparency. SDXL takes sides in multiples
of 64, and a mask whose white pixels are repainted. Pillow, which turns one into the other, takes a while to import:
this module is imported by the requests that carry an image, and by no others.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Sequence
from typing import TypeVar

from PIL import Image, ImageOps

from image_api.dialects.http import FORM, JSON, HttpRequest, choose_media_type
from image_api.dialects.multipart_form import is_form, read_form, typed_fields
from image_api.dialects.openai_parameters import ImageEditBody, ImageVariationBody
from image_api.dialects.openai_requests import (
    domain_fields,
    nearest_trained_size,
    parsed_request,
    read_parameters,
    read_size,
    texts_in_place_of_files,
    trained_size,
)
from image_api.dialects.route import Deployment, ParsedRequest
from image_api.errors import Problem, UnsupportedMediaTypeError
from image_api.explain import shown
from image_api.images import BrokenHeaderError, CostlyImageError, UnknownFormatError, read_image_info
from image_api.request import MAX_PIXELS, MIN_SIDE, SIZE_STEP, Operation

# A variation keeps half of its image: with less, little of it is found again; with more, the copies look alike. The
# prompt adds nothing by itself.
VARIATION_IMAGE_STRENGTH = 0.5
VARIATION_PROMPT = "high quality, detailed"

FORMATS = ("PNG", "JPEG", "WEBP")
# Beyond this an image costs more memory than the function has to spare: 64 MiB for each of its copies.
MAX_INPUT_PIXELS = 4096 * 4096
# A fast compression: the file only travels to the model.
_COMPRESS_LEVEL = 1
# What Pillow raises for files that are damaged or not what they claim, by its decoders' own documentation and source.
_DAMAGED = (OSError, ValueError, SyntaxError, EOFError, IndexError, KeyError, OverflowError, struct.error, zlib.error)

Size = tuple[int, int]


FormBody = ImageEditBody | ImageVariationBody
FormT = TypeVar("FormT", ImageEditBody, ImageVariationBody)


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


def read_edit(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    """The request of `POST /v1/images/edits`.

    Raises:
        ImageApiError: the headers, the form or a file in it cannot be accepted; the message says why.
    """
    warnings: list[str] = []
    form, problems = _read_form(http, ImageEditBody, ("image", "image[]", "mask"), warnings)
    fields = domain_fields(form, "an image", warnings)
    image, size = _picture(_one_image(form, problems), "image", problems), _target_size(form, warnings, problems)
    mask = _picture(form.mask, "mask", problems)
    operation: Operation = "text-to-image"
    if image is not None and form.mask is not None:
        operation = "masking"
        _refuse_strength(form, "mask is sent", problems)
        image_file = fit(image.opaque(), size, warnings)
        fields |= {"init_image": image_file.png(), "mask_source": "MASK_IMAGE_WHITE"}
        if mask is not None and (drawn := _mask_of_transparency(mask, image, problems)) is not None:
            fields["mask_image"] = fit(drawn, image_file.size, []).png()
        else:
            operation = "image-to-image"
            del fields["mask_source"]
    elif image is not None and image.has_transparent_pixels:
        operation = "masking"
        _refuse_strength(form, "the image has transparent pixels", problems)
        fields |= {"init_image": fit(image, size, warnings).png(), "mask_source": "INIT_IMAGE_ALPHA"}
    elif image is not None:
        operation = "image-to-image"
        fields["init_image"] = fit(image.opaque(), size, warnings).png()
        if form.image_strength is not None:
            fields["image_strength"] = form.image_strength
    return parsed_request(fields, operation, form, problems=problems, warnings=warnings, deployment=deployment)


def read_variation(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    """The request of `POST /v1/images/variations`.

    Raises:
        ImageApiError: the headers, the form or a file in it cannot be accepted; the message says why.
    """
    warnings: list[str] = []
    form, problems = _read_form(http, ImageVariationBody, ("image", "image[]"), warnings)
    fields = domain_fields(form, VARIATION_PROMPT, warnings)
    image, size = _picture(_one_image(form, problems), "image", problems), _target_size(form, warnings, problems)
    operation: Operation = "text-to-image"
    if image is not None:
        operation = "image-to-image"
        fields |= {
            "init_image": fit(image.opaque(), size, warnings).png(),
            "image_strength": VARIATION_IMAGE_STRENGTH if form.image_strength is None else form.image_strength,
        }
    return parsed_request(
        fields, operation, form, problems=problems, warnings=warnings, deployment=deployment, default="url"
    )


def read_picture(file: bytes, param: str) -> Picture | Problem:
    """The image in a file that was sent as `param`; a problem if it is not an image, too large, or damaged."""
    words = f"{', '.join(FORMATS)} of at most {MAX_INPUT_PIXELS} pixels"
    try:
        read_image_info(file)
    except CostlyImageError as exc:
        message = f"{param} {exc}. Save it anew, and send that."
        return Problem(param, message, shown(file), words, name="image_too_large")
    except (BrokenHeaderError, UnknownFormatError):
        # Said below, as Pillow sees it.
        pass
    try:
        # The format and the size are in the head of a file: nothing is decoded yet.
        image: Image.Image = Image.open(io.BytesIO(file), formats=FORMATS)
    except (*_DAMAGED, Image.DecompressionBombError, Image.DecompressionBombWarning):
        message = f"{param} is no image that can be read, allowed are {words}. Send such a file."
        return Problem(param, message, shown(file), words, name="invalid_image_format")
    if image.width * image.height > MAX_INPUT_PIXELS:
        size = f"{image.width}x{image.height}"
        message = f"{param} is {size}, allowed are at most {MAX_INPUT_PIXELS} pixels. Scale it down."
        return Problem(param, message, size, words, name="image_too_large")
    try:
        image.load()
        # Cameras store how they were held in the file.
        turned = ImageOps.exif_transpose(image)
        has_alpha = "A" in turned.mode or "a" in turned.mode or "transparency" in turned.info
        converted = turned.convert("RGBA" if has_alpha else "RGB")
    except _DAMAGED:
        message = f"{param} is a damaged {image.format} file. Save it anew and send that."
        return Problem(param, message, shown(file), words, name="invalid_image_format")
    # A colour that counts as transparent, which a PNG may name, is what few models read: it became alpha.
    unchanged = image.format == "PNG" and converted.mode == image.mode and turned.size == image.size
    return Picture(converted, file if unchanged else None)


def fit(picture: Picture, size: Size | None, warnings: list[str]) -> Picture:
    """`picture` in `size`, or in its own where SDXL draws that; `warnings` gets what was changed."""
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


def _read_form(
    http: HttpRequest, body: type[FormT], files: Sequence[str], warnings: list[str]
) -> tuple[FormT, list[Problem]]:
    choose_media_type(http, (JSON,))
    if not is_form(http):
        content_type = http.headers.get("content-type", "")[:100]
        raise UnsupportedMediaTypeError(
            f"Content-Type is {content_type!r}, allowed is {FORM}. Send the request as a form with files."
        )
    fields = typed_fields(read_form(http), body)
    problems = texts_in_place_of_files(fields, files)
    wrong = {problem.field for problem in problems}
    form, found = read_parameters(body, {name: fields[name] for name in fields if name not in wrong}, warnings)
    return form, problems + found


def _one_image(form: FormBody, problems: list[Problem]) -> bytes | None:
    images = [image for image in (form.image, form.images) if image is not None]
    if len(images) == 1:
        return images[0]
    if images:
        message = "image and image[] are both sent, allowed is one image. Send one."
        problems.append(Problem("image", message, "two images", "one image"))
    elif not {"image", "image[]"} & {problem.field for problem in problems}:
        message = "image is missing. Send a file: it is required."
        problems.append(Problem("image", message, None, "a file", kind="missing"))
    return None


def _picture(file: bytes | None, param: str, problems: list[Problem]) -> Picture | None:
    if file is None:
        return None
    picture = read_picture(file, param)
    if isinstance(picture, Problem):
        problems.append(picture)
        return None
    return picture


def _mask_of_transparency(mask: Picture, image: Picture, problems: list[Problem]) -> Picture | None:
    """The model's mask of a caller's: white where `mask` is transparent."""
    if mask.size != image.size:
        own, wanted = (f"{size[0]}x{size[1]}" for size in (mask.size, image.size))
        message = f"mask is {own} and image is {wanted}, allowed is the same size. Scale one to the other."
        problems.append(Problem("mask", message, own, wanted))
        return None
    if not mask.has_transparent_pixels:
        message = (
            "mask has no transparent pixels, which are what is repainted. Erase the part to repaint, and save it as a "
            "PNG with transparency."
        )
        problems.append(Problem("mask", message, "an opaque image", "an image with transparent pixels"))
        return None
    return mask.transparency()


def _target_size(form: FormBody, warnings: list[str], problems: list[Problem]) -> Size | None:
    """The size to draw in; None for that of the image."""
    size = read_size(form.size)
    if isinstance(size, Problem):
        problems.append(size)
        return None
    if size is None:
        return None
    size = trained_size(size, form.size, warnings)
    if is_drawable(size):
        return size
    words = f"sides from {MIN_SIDE} pixels in multiples of {SIZE_STEP} and at most {MAX_PIXELS} pixels in all"
    message = f"size is {form.size}, allowed are {words}. Change it, or leave it out for the size of the image."
    problems.append(Problem("size", message, form.size, words))
    return None


def _refuse_strength(form: ImageEditBody, reason: str, problems: list[Problem]) -> None:
    if form.image_strength is not None:
        message = (
            f"image_strength is {form.image_strength:g}, but {reason}, so that pixels are repainted altogether "
            "or not at all. Leave it out."
        )
        problems.append(Problem("image_strength", message, form.image_strength))
