"""How images travel in an answer: in the format that the caller named, and all of them within what Lambda lets through.

A caller who was promised images in the answer gets each of them there. PNG loses nothing, and a few images of it fill
an answer. Then all of them become JPEG, of the highest quality that fits, and a warning names it. JPEG and not WebP:
WebP takes a third less, but 200 ms for an image of 1024x1024 in place of 20 ms, and ten of them would not be ready in
time (measured with Pillow 13.0).

Pillow decodes and encodes. It is imported when the first image needs it.
"""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING, Any

import msgspec

from image_api.errors import ModelError
from image_api.request import Artifact, Encoding, GenerationResult

if TYPE_CHECKING:
    from PIL import Image

# Best first. From 90 on hardly anyone sees a difference; the others are for images that are all noise, ten of which
# have 9.4 MB at quality 90.
QUALITIES = (95, 90, 75, 60, 40)
# Fewer, because each takes ten times as long.
_WEBP_QUALITIES = (75, 40)
# Pillow's documentation, "JPEG saving": above 95 files grow without any gain.
_FULL_COLOUR_QUALITY = 95


def encode(
    result: GenerationResult, wanted: Encoding, *, budget_bytes: int | None, overhead_bytes: int
) -> GenerationResult:
    """`result` in the format that is wanted, or in another that fits; a warning in it names that.

    Args:
        result: The images, as PNG.
        wanted: What the caller asked for.
        budget_bytes: What all images together may take in the answer; None where they are stored.
        overhead_bytes: What an image takes in the answer in addition to its base64.

    Raises:
        ModelError: an image has to be encoded anew, and is damaged.
    """
    drawn = [artifact for artifact in result.artifacts if isinstance(artifact, Artifact)]
    if len(drawn) != len(result.artifacts):
        raise TypeError("an image is stored already")
    if wanted.format == "PNG" and _fits(drawn, budget_bytes, overhead_bytes):
        return result
    opened = [_opened(artifact) for artifact in drawn]
    is_webp = wanted.format == "WebP"
    first = () if wanted.format == "PNG" else (wanted.quality,)
    lower = [quality for quality in (_WEBP_QUALITIES if is_webp else QUALITIES) if not first or quality < first[0]]
    for quality in (*first, *lower):
        encoded = [
            _encoded(artifact, image, quality, is_webp=is_webp) for artifact, image in zip(drawn, opened, strict=True)
        ]
        if _fits(encoded, budget_bytes, overhead_bytes):
            break
    warnings = () if quality in first else (_warning(wanted, quality),)
    return msgspec.structs.replace(result, artifacts=tuple(encoded), warnings=(*result.warnings, *warnings))


def _fits(artifacts: list[Artifact], budget_bytes: int | None, overhead_bytes: int) -> bool:
    size = sum(len(artifact.image_base64) + overhead_bytes for artifact in artifacts)
    return budget_bytes is None or size <= budget_bytes


def _warning(wanted: Encoding, quality: int) -> str:
    if wanted.format == "PNG":
        return f"The images do not fit into one answer as PNG: they are JPEG of quality {quality}."
    return (
        f"The images do not fit into one answer as {wanted.format} of quality {wanted.quality}: "
        f"they have quality {quality}."
    )


def _opened(artifact: Artifact) -> Image.Image:
    # 30 ms that only these answers need to wait for.
    from PIL import Image  # noqa: PLC0415

    from image_api.pictures import DAMAGED  # noqa: PLC0415

    try:
        return Image.open(io.BytesIO(artifact.image)).convert("RGB")
    except DAMAGED as exc:
        raise ModelError("The model's image is damaged. Try again; if it persists, its log says why.") from exc


def _encoded(artifact: Artifact, image: Image.Image, quality: int, *, is_webp: bool) -> Artifact:
    options: dict[str, Any] = (
        {"method": 2} if is_webp else {"subsampling": 0} if quality >= _FULL_COLOUR_QUALITY else {}
    )
    buffer = io.BytesIO()
    image.save(buffer, "WEBP" if is_webp else "JPEG", quality=quality, **options)
    return msgspec.structs.replace(
        artifact,
        image_base64=base64.b64encode(buffer.getvalue()).decode(),
        format="WebP" if is_webp else "JPEG",
        # Encoding anew drops every mark.
        is_marked=False,
    )
