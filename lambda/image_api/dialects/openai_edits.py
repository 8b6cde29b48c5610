"""The two routes of the OpenAI images API that start from an image: edits and variations.

`edits` repaints what is transparent in `mask`, or in the image itself; with neither, the whole image follows the prompt
as far as `image_strength` lets it. `variations` takes no prompt: it draws the image anew with half of it kept.

That API takes PNG, JPEG and WebP of any size, as files of a form or for edits as data URLs in JSON, and marks what to
repaint by transparency. SDXL takes one image with sides in multiples of 64, and repaints the white pixels of a mask.
Pillow, which turns one into the other, takes a while to import: this module is imported by the requests that carry an
image, and by no others.
"""

from __future__ import annotations

import re
from typing import TypeVar

import msgspec

from image_api.dialects.http import (
    EVENT_STREAM,
    FORM,
    JSON,
    HttpRequest,
    check_json_content_type,
    choose_media_type,
)
from image_api.dialects.multipart_form import FormPart, each_once, is_form, read_form, typed_fields
from image_api.dialects.openai_parameters import ImageEditBody, ImageVariationBody
from image_api.dialects.openai_requests import (
    domain_fields,
    is_drawable,
    nearest_trained_size,
    parsed_request,
    read_parameters,
    read_size,
    repaints_transparency,
)
from image_api.dialects.route import Deployment, ParsedRequest
from image_api.errors import Problem, UnsupportedMediaTypeError
from image_api.explain import brief, shown
from image_api.pictures import Picture, Size, read_picture
from image_api.request import Operation
from image_api.validation import read_json

# A variation keeps half of its image: with less, little of it is found again; with more, the copies look alike. The
# prompt adds nothing by itself.
VARIATION_IMAGE_STRENGTH = 0.5
VARIATION_PROMPT = "high quality, detailed"

# Clients write a list of images as image[], image[0] or image, each as often as there are images.
_IMAGE_NAME = re.compile(r"image(\[\d{0,3}\])?")
_DATA_URL = re.compile(r"data:image/[a-z0-9.+-]{1,40}(;[a-z0-9=._-]{1,40})*;base64,", re.IGNORECASE)

FormBody = ImageEditBody | ImageVariationBody
FormT = TypeVar("FormT", ImageEditBody, ImageVariationBody)


class ReadBody(msgspec.Struct, frozen=True):
    """What a body holds: its fields, its images in their order, and what is wrong with it."""

    fields: object
    images: list[bytes]
    problems: list[Problem]
    # What the images are called in it.
    images_field: str = "image"


def read_edit(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    """The request of `POST /v1/images/edits`.

    Raises:
        ImageApiError: the headers, the body or an image in it cannot be accepted; the message says why.
    """
    choose_media_type(http, (JSON, EVENT_STREAM))
    warnings: list[str] = []
    body = _read_form(http, ("mask",)) if is_form(http) else _read_json(http)
    form, problems = _parameters(ImageEditBody, body, warnings)
    fields = domain_fields(form, "an image", warnings)
    image, size = _one_image(body, problems), _target_size(form, warnings, problems)
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
    elif image is not None and image.has_transparent_pixels and _repaints_transparency(form, deployment):
        operation = "masking"
        _refuse_strength(form, "the image has transparent pixels", problems)
        fields |= {"init_image": fit(image, size, warnings).png(), "mask_source": "INIT_IMAGE_ALPHA"}
    elif image is not None:
        operation = "image-to-image"
        if image.has_transparent_pixels:
            warnings.append("The transparent pixels of the image were laid on white; mask says what to repaint.")
        fields["init_image"] = fit(image.opaque(), size, warnings).png()
        if form.image_strength is not None:
            fields["image_strength"] = form.image_strength
    return parsed_request(fields, operation, form, problems=problems, warnings=warnings, deployment=deployment)


def read_variation(http: HttpRequest, deployment: Deployment) -> ParsedRequest:
    """The request of `POST /v1/images/variations`.

    Raises:
        ImageApiError: the headers, the form or a file in it cannot be accepted; the message says why.
    """
    choose_media_type(http, (JSON,))
    if not is_form(http):
        raise UnsupportedMediaTypeError(
            f"Content-Type is {_content_type(http)!r}, allowed is {FORM}. Send the request as a form with files."
        )
    warnings: list[str] = []
    body = _read_form(http)
    form, problems = _parameters(ImageVariationBody, body, warnings)
    fields = domain_fields(form, VARIATION_PROMPT, warnings)
    image, size = _one_image(body, problems), _target_size(form, warnings, problems)
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


def fit(picture: Picture, size: Size | None, warnings: list[str]) -> Picture:
    """`picture` in `size`, or in its own where SDXL draws that; `warnings` gets what was changed."""
    own = picture.size
    if size is None:
        size = own if is_drawable(own) else nearest_trained_size(*own)
    if size == own:
        return picture
    warnings.append(f"The image of {own[0]}x{own[1]} was scaled and cut to {size[0]}x{size[1]}.")
    return picture.fitted(size)


def _read_form(http: HttpRequest, files: tuple[str, ...] = ()) -> ReadBody:
    """A form with the images under any of their names, and `files` as further ones."""
    images: list[bytes] = []
    problems: list[Problem] = []
    others: list[FormPart] = []
    for name, value in read_form(http):
        if _IMAGE_NAME.fullmatch(name):
            if isinstance(value, bytes):
                images.append(value)
            elif value:
                problems.append(_text_in_place_of_file(name, "image"))
        elif name in files and isinstance(value, str):
            problems.append(_text_in_place_of_file(name, name))
        elif name not in files and isinstance(value, bytes) and name not in ImageEditBody.__struct_fields__:
            message = f"Unknown field {shown(name)}, which is a file. An image goes into image or image[]."
            problems.append(Problem(name, message, "a file", "image or image[]", kind="unknown"))
        else:
            others.append((name, value))
    return ReadBody(typed_fields(each_once(others), ImageEditBody), images, problems)


def _text_in_place_of_file(name: str, field: str) -> Problem:
    return Problem(field, f"{shown(name)} is a text, allowed is a file. Send it so.", "a text", "a file")


def _read_json(http: HttpRequest) -> ReadBody:
    """A JSON body with images as data URLs."""
    try:
        check_json_content_type(http)
    except UnsupportedMediaTypeError as exc:
        raise UnsupportedMediaTypeError(
            f"Content-Type is {_content_type(http)!r}, allowed is {FORM}, or {JSON} in UTF-8 with images as data URLs. "
            "Send one of them."
        ) from exc
    fields = read_json(http.body, '{"prompt":"in oil","images":[{"image_url":"data:image/png;base64,..."}]}')
    if not isinstance(fields, dict):
        return ReadBody(fields, [], [])
    problems = [
        Problem(name, f"Unknown field {shown(name)}. The image goes into images.", brief(value), kind="unknown")
        for name, value in fields.items()
        if _IMAGE_NAME.fullmatch(name) and value is not None
    ]
    fields = {name: value for name, value in fields.items() if not _IMAGE_NAME.fullmatch(name)}
    references = fields.pop("images", None)
    if references is not None and not isinstance(references, list):
        message = f"images is {shown(references)}, allowed is an array of one object with image_url. Change it."
        problems.append(Problem("images", message, brief(references), "an array of one object with image_url"))
        references = None
    read = [_of_data_url(item, f"images[{index}]", problems) for index, item in enumerate(references or [])]
    if fields.get("mask") is not None:
        mask = _of_data_url(fields.pop("mask"), "mask", problems)
        fields |= {} if mask is None else {"mask": mask}
    return ReadBody(fields, [image for image in read if image is not None], problems, images_field="images")


def _of_data_url(reference: object, path: str, problems: list[Problem]) -> bytes | None:
    """The image that an object of a JSON body holds."""
    words = "a data URL such as data:image/png;base64,..."
    url = reference.get("image_url") if isinstance(reference, dict) else None
    if not isinstance(reference, dict) or set(reference) != {"image_url"} or not isinstance(url, str):
        message = f"{path} is {shown(reference)}, allowed is an object with image_url, {words}. Nothing else is read."
        problems.append(Problem(path, message, brief(reference), f"an object with image_url, {words}"))
        return None
    head = _DATA_URL.match(url)
    if head is None:
        message = (
            f"{path}.image_url is {shown(url)}, allowed is {words} Images are not fetched from other addresses: "
            "send the image itself."
        )
        problems.append(Problem(f"{path}.image_url", message, brief(url), words))
        return None
    try:
        return msgspec.convert(url[head.end() :], bytes)
    except (msgspec.ValidationError, UnicodeEncodeError):
        message = f"{path}.image_url holds a data URL whose image is not base64. Encode the image's bytes."
        problems.append(Problem(f"{path}.image_url", message, brief(url), words))
        return None


def _content_type(http: HttpRequest) -> str:
    return http.headers.get("content-type", "")[:100]


def _parameters(body: type[FormT], read: ReadBody, warnings: list[str]) -> tuple[FormT, list[Problem]]:
    form, found = read_parameters(body, read.fields, warnings)
    return form, read.problems + found


def _one_image(body: ReadBody, problems: list[Problem]) -> Picture | None:
    name = body.images_field
    if len(body.images) == 1:
        return _picture(body.images[0], name, problems)
    if body.images:
        message = f"SDXL 1.0 draws from one image, and {name} has {len(body.images)}. Send one image."
        problems.append(Problem(name, message, f"{len(body.images)} images", "one image"))
    elif name not in {problem.root for problem in problems}:
        words = "a file" if name == "image" else "an object with image_url"
        message = f"{name} is missing. Send {words}: it is required."
        problems.append(Problem(name, message, None, words, kind="missing"))
    return None


def _repaints_transparency(form: ImageEditBody, deployment: Deployment) -> bool:
    return repaints_transparency(form.model) and "masking" in deployment.capabilities.operations


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
    size = read_size(form.size, warnings)
    if isinstance(size, Problem):
        problems.append(size)
        return None
    return size


def _refuse_strength(form: ImageEditBody, reason: str, problems: list[Problem]) -> None:
    if form.image_strength is not None:
        message = (
            f"image_strength is {form.image_strength:g}, but {reason}, so that pixels are repainted altogether "
            "or not at all. Leave it out."
        )
        problems.append(Problem("image_strength", message, form.image_strength))
