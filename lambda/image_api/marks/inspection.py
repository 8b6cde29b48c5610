"""Reads every mark of an image file: settings, declaration and content credentials."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from image_api.marks.files import A1111_KEYWORD, SETTINGS_KEYWORD, FileText, read_file_text
from image_api.marks.statements import ImageSettings, declared_source_type, read_settings, settings_in_xmp
from image_api.request import ImageFormat

_MAX_PARAMETERS_CHARACTERS = 100_000


class CredentialsBody(msgspec.Struct, frozen=True, kw_only=True):
    """Content credentials (C2PA) of a file."""

    status: Annotated[
        Literal["none", "valid", "changed", "invalid", "not_checked"],
        Meta(
            description="`changed`: the file is not the one that was signed. `invalid`: the credentials themselves do "
            "not hold. `not_checked`: there are some, and this deployment signs none, so it cannot check them."
        ),
    ]
    trusted: Annotated[
        bool | None, Meta(description="Whether the signer's certificates lead to one that is trusted here.")
    ] = None
    signer: Annotated[str | None, Meta(description="Name in the signer's certificate.")] = None
    issuer: Annotated[str | None, Meta(description="Organization in the signer's certificate.")] = None
    serial_number: Annotated[str | None, Meta(description="Serial number of the signer's certificate.")] = None
    signed_at: Annotated[
        str | None, Meta(description="When, as the signer says; a time stamp of a third party where there is one.")
    ] = None
    source_type: Annotated[str | None, Meta(description="The digital source type that was signed.")] = None
    generator: Annotated[str | None, Meta(description="The program that made the credentials.")] = None
    ingredients: Annotated[int, Meta(ge=0, description="Images whose credentials are kept in these.")] = 0
    problems: Annotated[tuple[str, ...], Meta(description="Status codes of C2PA for what does not hold.")] = ()


class FileMarks(msgspec.Struct, frozen=True, kw_only=True):
    """What an image file says of itself."""

    format: ImageFormat
    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    declared: Annotated[
        str | None,
        Meta(
            description="IPTC's digital source type in the file's XMP, which anyone can write or remove; "
            "`trainedAlgorithmicMedia` for an image that a model made. null: nothing is declared."
        ),
    ]
    settings: Annotated[ImageSettings | None, Meta(description="What the image was made with, as this API writes it.")]
    parameters: Annotated[str | None, Meta(description="What the image was made with, in AUTOMATIC1111's wording.")]
    credentials: CredentialsBody


def read_marks(file: bytes, *, trust_anchors: str | None) -> FileMarks:
    """The marks of an image file.

    `trust_anchors` are certificates in PEM, empty to trust no signer; None where content credentials are not to be
    checked.

    Raises:
        UnknownFormatError: it is not a PNG, JPEG or WebP.
        DamagedFileError: its structure is broken or cut short.
    """
    found = read_file_text(file)
    parameters = found.texts.get(A1111_KEYWORD, found.comment)[:_MAX_PARAMETERS_CHARACTERS]
    return FileMarks(
        format=found.format,
        width=found.width,
        height=found.height,
        declared=declared_source_type(found.xmp),
        settings=read_settings(found.texts.get(SETTINGS_KEYWORD) or settings_in_xmp(found.xmp)),
        parameters=parameters or None,
        credentials=_credentials(file, found, trust_anchors),
    )


def _credentials(file: bytes, found: FileText, trust_anchors: str | None) -> CredentialsBody:
    if not found.credentials_bytes:
        return CredentialsBody(status="none")
    if trust_anchors is None:
        return CredentialsBody(status="not_checked")
    # The library is there only where images are signed, and few requests need it.
    from image_api.marks.credentials import verify  # noqa: PLC0415

    seen = verify(file, f"image/{found.format.lower()}", trust_anchors)
    return CredentialsBody(
        status=seen.status,
        trusted=seen.trusted,
        signer=seen.signer or None,
        issuer=seen.issuer or None,
        serial_number=seen.serial_number or None,
        signed_at=seen.signed_at or None,
        source_type=seen.source_type or None,
        generator=seen.generator or None,
        ingredients=seen.ingredients,
        problems=seen.problems,
    )
