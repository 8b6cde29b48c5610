"""`POST /v1/marks`: what an image file says of itself, and whether its content credentials hold.

Any PNG, JPEG or WebP may be sent, whoever made it. Nothing in it is decoded, fetched or kept.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from image_api.dialects.http import FORM, JSON, HttpReply, HttpRequest, check_json_content_type, json_reply
from image_api.dialects.multipart_form import each_once, is_form, read_form, typed_fields
from image_api.dialects.route import EXAMPLE_PNG, Convention, Deployment, PlainRoute
from image_api.dialects.stability_v1 import StabilityErrorBody, error_reply
from image_api.errors import InvalidRequestError, Problem
from image_api.explain import shown
from image_api.images import UnknownFormatError
from image_api.marks.files import DamagedFileError
from image_api.marks.inspection import FileMarks, read_marks
from image_api.settings import Settings
from image_api.validation import read_fields, read_json

_ALLOWED = "a PNG, JPEG or WebP"


class MarksRequestBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The image whose marks are wanted."""

    image: Annotated[
        bytes,
        Meta(
            description="The image: PNG, JPEG or WebP; base64 in JSON.",
            extra_json_schema={"format": "byte"},
        ),
    ]


def marks_reply(http: HttpRequest, deployment: Deployment) -> HttpReply:
    """Answer `POST /v1/marks`.

    Raises:
        ImageApiError: the body holds no image whose structure can be read.
    """
    image = _read_image(http)
    try:
        return json_reply(200, read_marks(image, trust_anchors=_trust_anchors(deployment.settings)))
    except UnknownFormatError as exc:
        message = f"image begins with {image[:8].hex(' ') or 'nothing'}, which is no PNG, JPEG or WebP. Send one."
        raise _problem(message, image, "invalid_mime_type") from exc
    except DamagedFileError as exc:
        message = f"image is damaged: {exc}. Send the whole file, as it was saved."
        raise _problem(message, image, "invalid_image_format") from exc


def _read_image(http: HttpRequest) -> bytes:
    if is_form(http):
        fields: object = typed_fields(each_once(read_form(http)), MarksRequestBody)
    else:
        check_json_content_type(http)
        fields = read_json(http.body)
    body, _, problems = read_fields(MarksRequestBody, fields)
    if problems:
        raise InvalidRequestError.of(problems)
    return body.image


def _trust_anchors(settings: Settings) -> str | None:
    if settings.content_credentials is None:
        return None
    # As in `api.py`: the library is there only where images are signed.
    from image_api.marks.credentials import own_trust_anchors  # noqa: PLC0415

    return own_trust_anchors()


def _problem(message: str, image: bytes, name: str) -> InvalidRequestError:
    return InvalidRequestError.of([Problem("image", message, shown(image), _ALLOWED, name=name)])


ROUTES: tuple[PlainRoute, ...] = (
    PlainRoute(
        method="POST",
        path="/v1/marks",
        operation_id="readMarks",
        summary="Read what an image says of itself: settings, declaration and content credentials",
        description="The file stays as it is, and is not kept. A declaration and settings are text that anyone can "
        "write or remove; content credentials are signed, and hold for this very file.",
        convention=Convention(name="Marks", error_reply=error_reply, error_body=StabilityErrorBody),
        bodies={FORM: MarksRequestBody, JSON: MarksRequestBody},
        example={"image": EXAMPLE_PNG},
        answers={JSON: FileMarks},
        errors=(400, 413, 415),
        answer=marks_reply,
    ),
)
