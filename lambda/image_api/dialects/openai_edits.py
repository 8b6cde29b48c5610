"""The two routes of the OpenAI images API that start from an image: edits and variations.

`edits` repaints what is transparent in `mask`, or in the image itself; with neither, the whole image follows the prompt
as far as `image_strength` lets it. `variations` takes no prompt: it draws the image anew with half of it kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from image_api.dialects.http import JSON, HttpRequest, choose_media_type
from image_api.dialects.openai_errors import InvalidParameterError
from image_api.dialects.openai_images import build_asked
from image_api.dialects.openai_parameters import edit_schema, variation_schema
from image_api.dialects.openai_pictures import fit, is_drawable, mask_of_transparency, read_picture
from image_api.dialects.openai_values import domain_fields, from_form, read_parameters, read_size, trained_size
from image_api.dialects.route import Asked
from image_api.errors import UnsupportedMediaTypeError
from image_api.explain import shown
from image_api.multipart_form import is_form, read_form
from image_api.request import MAX_PIXELS, MIN_SIDE, SIZE_STEP

# A variation keeps half of its image: with less, little of it is found again; with more, the copies look alike. The
# prompt adds nothing of its own.
VARIATION_IMAGE_STRENGTH = 0.5
VARIATION_PROMPT = "high quality, detailed"

_IMAGE_NAMES = ("image", "image[]")
_MASK = "mask"


def read_edit(http: HttpRequest) -> Asked:
    """The request of `POST /v1/images/edits`.

    Raises:
        ImageApiError: the headers, the form or a file in it cannot be accepted; the message says why.
    """
    texts, files = _read_files(http, (*_IMAGE_NAMES, _MASK))
    schema = edit_schema()
    warnings: list[str] = []
    values = read_parameters(from_form(texts, schema), schema, warnings)
    fields = domain_fields(values, values["prompt"], warnings)
    image = read_picture(_one_image(files), "image")
    size = _target_size(values, warnings)
    if _MASK in files:
        _refuse_strength(values, "mask is sent")
        mask = mask_of_transparency(read_picture(files[_MASK], _MASK), image)
        image = fit(image.opaque(), size, warnings)
        fields |= {
            "init_image": image.png(),
            "mask_source": "MASK_IMAGE_WHITE",
            "mask_image": fit(mask, image.size, []).png(),
        }
        return build_asked(fields, "masking", values, warnings)
    if image.has_transparent_pixels:
        _refuse_strength(values, "the image has transparent pixels")
        fields |= {"init_image": fit(image, size, warnings).png(), "mask_source": "INIT_IMAGE_ALPHA"}
        return build_asked(fields, "masking", values, warnings)
    fields["init_image"] = fit(image.opaque(), size, warnings).png()
    if "image_strength" in values:
        fields["image_strength"] = values["image_strength"]
    return build_asked(fields, "image-to-image", values, warnings)


def read_variation(http: HttpRequest) -> Asked:
    """The request of `POST /v1/images/variations`.

    Raises:
        ImageApiError: the headers, the form or a file in it cannot be accepted; the message says why.
    """
    texts, files = _read_files(http, _IMAGE_NAMES)
    schema = variation_schema()
    warnings: list[str] = []
    values = read_parameters(from_form(texts, schema), schema, warnings)
    fields = domain_fields(values, VARIATION_PROMPT, warnings)
    image = read_picture(_one_image(files), "image").opaque()
    fields |= {
        "init_image": fit(image, _target_size(values, warnings), warnings).png(),
        "image_strength": values.get("image_strength", VARIATION_IMAGE_STRENGTH),
    }
    return build_asked(fields, "image-to-image", values, warnings, default_format="url")


def _read_files(http: HttpRequest, names: tuple[str, ...]) -> tuple[dict[str, str], dict[str, bytes]]:
    """The texts of a form, and its files, which have to be among `names`."""
    choose_media_type(http, (JSON,))
    if not is_form(http):
        content_type = http.headers.get("content-type", "")[:100]
        raise UnsupportedMediaTypeError(
            f"Content-Type is {content_type!r}, allowed is multipart/form-data. Send the request as a form with files."
        )
    texts: dict[str, str] = {}
    files: dict[str, bytes] = {}
    for name, value in read_form(http).items():
        if isinstance(value, str) == (name in names):
            kind, wanted = ("a text", "a file") if isinstance(value, str) else ("a file", "a text")
            raise InvalidParameterError(f"{shown(name)} is {kind}, allowed is {wanted}. Send it so.", param=name)
        if isinstance(value, str):
            texts[name] = value
        else:
            files[name] = value
    return texts, files


def _one_image(files: Mapping[str, bytes]) -> bytes:
    images = [files[name] for name in _IMAGE_NAMES if name in files]
    if not images:
        raise InvalidParameterError(
            "image is missing. Send a file: it is required.", param="image", code="missing_required_parameter"
        )
    if len(images) > 1:
        raise InvalidParameterError("image and image[] are both sent, allowed is one image. Send one.", param="image")
    return images[0]


def _target_size(values: Mapping[str, Any], warnings: list[str]) -> tuple[int, int] | None:
    """The size to draw in; None for that of the image."""
    name = values.get("size", "auto")
    size = read_size(name)
    if size is None:
        return None
    size = trained_size(size, name, warnings)
    if not is_drawable(size):
        raise InvalidParameterError(
            f"size is {name}, allowed are sides from {MIN_SIDE} pixels in multiples of {SIZE_STEP} and at most "
            f"{MAX_PIXELS} pixels in all. Change it, or leave it out for the size of the image.",
            param="size",
        )
    return size


def _refuse_strength(values: Mapping[str, Any], reason: str) -> None:
    if "image_strength" in values:
        raise InvalidParameterError(
            f"image_strength is {values['image_strength']:g}, but {reason}, so that pixels are repainted altogether "
            "or not at all. Leave it out.",
            param="image_strength",
        )
