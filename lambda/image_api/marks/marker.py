"""Marks the images of an answer: the one place through which each image goes that the API returns or stores."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Protocol

import msgspec
from msgspec import UNSET

from image_api.deadline import Deadline
from image_api.engines import ENGINE_ID
from image_api.errors import ModelError, SigningError
from image_api.images import UnknownFormatError
from image_api.marks.files import (
    A1111_KEYWORD,
    SETTINGS_KEYWORD,
    DamagedFileError,
    TextTooLongError,
    png_base64_has_credentials,
    read_file_text,
    write_jpeg_base64,
    write_png_base64,
    write_webp,
)
from image_api.marks.statements import (
    ImageSettings,
    a1111_parameters,
    settings_json,
    settings_of,
    xmp_packet,
)
from image_api.request import Artifact, GenerationRequest, GenerationResult
from image_api.settings import Settings

UNSIGNED_WARNING = "The images carry no content credentials: signing them failed."
NOT_KEPT_WARNING = "The content credentials of the init image are damaged, and are not kept in the images."
_NO_ROOM_WARNING = "The settings do not fit into a JPEG: its file says only that a model made it."
# Chunk heads and lengths, and what base64 makes of a seed that is longer.
_FILE_OVERHEAD_BYTES = 200


class Unsigned(msgspec.Struct, frozen=True):
    """An image to sign: the file, its media type, and the files whose content credentials go into its own."""

    file: bytes
    media_type: str
    ingredients: tuple[bytes, ...] = ()


class Signed(msgspec.Struct, frozen=True):
    """A signed image. `keeps_all` is false where the credentials of an ingredient could not be read."""

    file: bytes
    keeps_all: bool = True


class ImageSigner(Protocol):
    """Signs images with content credentials."""

    def warm(self) -> None:
        """Create what the first signature needs."""

    def signed_bytes(self, ingredients_bytes: int) -> int:
        """About how many bytes the credentials add to an image, at most, with `ingredients_bytes` of kept ones."""

    def sign(self, images: Sequence[Unsigned], deadline: Deadline) -> tuple[Signed, ...]:
        """Each of `images` with content credentials.

        Raises:
            SigningError: an image could not be signed, or not in time.
        """


class Marker:
    """Marks images as the deployment's settings say. Without `signer` they carry no content credentials."""

    def __init__(
        self,
        settings: Settings,
        *,
        parameters: frozenset[str],
        signer: ImageSigner | None = None,
        on_signing_failure: Callable[[SigningError], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._parameters = parameters
        self._signer = signer
        self._on_signing_failure = on_signing_failure

    def marks_of(self, sent: GenerationRequest, drawn: GenerationRequest) -> Marks:
        """The marks of a request's images. `sent` is in the caller's words, `drawn` is what the model got."""
        settings = self._settings
        of_all = settings_of(sent, drawn, parameters=self._parameters, model=settings.bedrock_model_id or ENGINE_ID)
        return Marks(
            of_all if settings.writes_parameters else None,
            is_declared=settings.writes_declaration,
            signer=self._signer,
            init_image=None if drawn.init_image is UNSET else drawn.init_image.image,
            may_be_unsigned=settings.content_credentials is not None
            and settings.content_credentials.on_failure == "unsigned",
            on_signing_failure=self._on_signing_failure,
        )


class Marks:
    """The marks of one request's images."""

    def __init__(
        self,
        settings: ImageSettings | None,
        *,
        is_declared: bool,
        signer: ImageSigner | None,
        init_image: bytes | None,
        may_be_unsigned: bool,
        on_signing_failure: Callable[[SigningError], None],
    ) -> None:
        self._settings = settings
        self._is_declared = is_declared
        self._signer = signer
        self._init_image = init_image
        self._may_be_unsigned = may_be_unsigned
        self._on_signing_failure = on_signing_failure

    @cached_property
    def bytes_per_image(self) -> int:
        """About how many characters of base64 the marks add to an image, at most."""
        size = len(xmp_packet(is_declared=self._is_declared))
        if self._settings is not None:
            # The JSON in XMP escapes quotes, the comment has two bytes for each character.
            size += 6 * len(a1111_parameters(self._settings).encode())
        if self._signer is not None:
            size += self._signer.signed_bytes(self._init_credentials_bytes)
        return (size + _FILE_OVERHEAD_BYTES) * 4 // 3 if size else 0

    def write(self, result: GenerationResult, deadline: Deadline) -> GenerationResult:
        """`result` with marks in each image that has none yet; links stay as they are.

        Raises:
            ModelError: an image is damaged.
            SigningError: the images could not be signed, and the deployment wants them signed.
        """
        bare = [one for one in result.artifacts if isinstance(one, Artifact) and not one.is_marked]
        if not bare or (self._settings is None and not self._is_declared and self._signer is None):
            return result
        warnings: list[str] = []
        try:
            marked = [self._with_text(artifact, warnings) for artifact in bare]
        except DamagedFileError as exc:
            raise ModelError("The model's image is damaged. Try again; if it persists, its log says why.") from exc
        if self._signer is not None:
            marked = self._signed(self._signer, bare, marked, warnings, deadline)
        by_identity = {id(before): after for before, after in zip(bare, marked, strict=True)}
        artifacts = tuple(by_identity.get(id(one), one) for one in result.artifacts)
        return msgspec.structs.replace(
            result, artifacts=artifacts, warnings=(*result.warnings, *dict.fromkeys(warnings))
        )

    @cached_property
    def _init_credentials_bytes(self) -> int:
        """How many bytes of content credentials the init image carries."""
        if self._init_image is None:
            return 0
        try:
            return read_file_text(self._init_image).credentials_bytes
        except (UnknownFormatError, DamagedFileError):
            # The model may read it all the same; there are no credentials to keep in it.
            return 0

    def _with_text(self, artifact: Artifact, warnings: list[str]) -> Artifact:
        if self._signer is None and _has_credentials(artifact):
            # The model's provider signed the file. Anything added would break its signature.
            return msgspec.structs.replace(artifact, is_marked=True)
        settings = None if self._settings is None else msgspec.structs.replace(self._settings, seed=artifact.seed)
        comment = "" if settings is None else a1111_parameters(settings)
        packed = "" if settings is None else settings_json(settings)
        if artifact.format == "PNG":
            texts = {} if settings is None else {A1111_KEYWORD: comment, SETTINGS_KEYWORD: packed}
            xmp = xmp_packet(is_declared=self._is_declared)
            written = write_png_base64(artifact.image_base64, texts, xmp) if texts or xmp else artifact.image_base64
            return msgspec.structs.replace(artifact, image_base64=written, is_marked=True)
        xmp = xmp_packet(is_declared=self._is_declared, settings=packed)
        if not xmp:
            return msgspec.structs.replace(artifact, is_marked=True)
        if artifact.format == "WebP":
            written = base64.b64encode(write_webp(artifact.image, comment, xmp)).decode()
            return msgspec.structs.replace(artifact, image_base64=written, is_marked=True)
        try:
            written = write_jpeg_base64(artifact.image_base64, comment, xmp)
        except TextTooLongError:
            warnings.append(_NO_ROOM_WARNING)
            xmp = xmp_packet(is_declared=self._is_declared)
            written = write_jpeg_base64(artifact.image_base64, "", xmp) if xmp else artifact.image_base64
        return msgspec.structs.replace(artifact, image_base64=written, is_marked=True)

    def _signed(
        self,
        signer: ImageSigner,
        before: Sequence[Artifact],
        marked: list[Artifact],
        warnings: list[str],
        deadline: Deadline,
    ) -> list[Artifact]:
        """`marked` with content credentials. `before` are the same images as they were drawn."""
        of_request = (self._init_image,) if self._init_image is not None and self._init_credentials_bytes else ()
        unsigned = [
            Unsigned(
                after.image,
                f"image/{after.format.lower()}",
                (*of_request, *((drawn.image,) if _has_credentials(drawn) else ())),
            )
            for drawn, after in zip(before, marked, strict=True)
        ]
        try:
            signed = signer.sign(unsigned, deadline)
        except SigningError as exc:
            self._on_signing_failure(exc)
            if not self._may_be_unsigned:
                raise
            warnings.append(UNSIGNED_WARNING)
            return marked
        if not all(one.keeps_all for one in signed):
            warnings.append(NOT_KEPT_WARNING)
        return [
            # In base64, in three fifths of the time that the standard library's encoder takes.
            msgspec.structs.replace(artifact, image_base64=msgspec.to_builtins(one.file))
            for artifact, one in zip(marked, signed, strict=True)
        ]


def _has_credentials(artifact: Artifact) -> bool:
    """Whether the model's own file is signed. Only models answer with PNG; what was encoded here is not."""
    return artifact.format == "PNG" and png_base64_has_credentials(artifact.image_base64)
