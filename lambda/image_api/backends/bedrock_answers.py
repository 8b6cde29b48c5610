"""Answers of Stability AI's newer models on Bedrock: seeds, finish reasons and images, side by side.

Source: Amazon Bedrock User Guide, "Stable Image Ultra request and response": a finish reason is null or one of
"Filter reason: prompt", "Filter reason: output image", "Filter reason: input image" and "Inference error", and a reply
that was filtered may hold nothing but `finish_reasons`.

What was filtered in the request is the caller's to mend: 400, as Stability AI's REST API v1 answers filtered prompts.
What was filtered in the image becomes that API's `CONTENT_FILTERED` artifact, so that the other samples of the request
are still answered. That API sends a blurred image then; where Bedrock sends none, it is plain grey.
"""

from __future__ import annotations

import base64
import struct
import zlib

import msgspec

from image_api.backends.answers import checked_artifact, read_answer
from image_api.errors import ModelError, RefusedPromptError
from image_api.image_info import BrokenHeaderError, UnknownFormatError, read_image_info
from image_api.request import Artifact, GenerationRequest

_FILTERED = "Filter reason:"
_GREY = 0x80
# Signature, IHDR and a little more, in base64: enough to read a PNG's size.
_HEAD_CHARACTERS = 64


class _Answer(msgspec.Struct):
    seeds: tuple[int, ...] = ()
    finish_reasons: tuple[str | None, ...] = ()
    images: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(_Answer)


def decode_answer(body: bytes, request: GenerationRequest, seed: int) -> Artifact:
    """The image in an answer.

    Raises:
        RefusedPromptError: the prompt, or an image in the request, was filtered.
        ModelError: there is no image, or not a complete one.
    """
    answer = read_answer(_decoder, body)
    if len(answer.finish_reasons) > 1:
        raise ModelError(f"The model sent {len(answer.finish_reasons)} images where one was asked for. Try again.")
    reason = answer.finish_reasons[0] if answer.finish_reasons else None
    if reason is not None and reason.startswith(_FILTERED):
        return _filtered(reason, answer, request, seed)
    if reason is not None:
        cause = RuntimeError(f"finish reason {reason!r}")
        raise ModelError(
            "The model could not finish the image. Try again, with another seed if it persists."
        ) from cause
    seeds = answer.seeds or (seed,)
    return checked_artifact([(image, seeds[0], "SUCCESS") for image in answer.images])


def drawn_size(artifact: Artifact) -> tuple[int, int] | None:
    """Width and height of an image that a model drew; None where its header does not tell, or nothing was drawn."""
    if artifact.finish_reason != "SUCCESS":
        return None
    try:
        info = read_image_info(base64.b64decode(artifact.image_base64[:_HEAD_CHARACTERS]))
    except (UnknownFormatError, BrokenHeaderError):
        return None
    return info.width, info.height


def _filtered(reason: str, answer: _Answer, request: GenerationRequest, seed: int) -> Artifact:
    if "prompt" in reason:
        raise RefusedPromptError("The model's content filter refused the prompt. Change its wording.")
    if "input image" in reason:
        raise RefusedPromptError(
            "The model's content filter refused an image of the request. Send another.", name="bad_request"
        )
    if answer.images and answer.images[0]:
        return checked_artifact([(answer.images[0], (answer.seeds or (seed,))[0], "CONTENT_FILTERED")])
    return Artifact(
        image_base64=base64.b64encode(_grey_png(request.width, request.height)).decode(),
        seed=seed,
        finish_reason="CONTENT_FILTERED",
    )


def _grey_png(width: int, height: int) -> bytes:
    """A PNG of one grey, in 8-bit greyscale (W3C, Portable Network Graphics, 5 and 11)."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    row = b"\x00" + bytes([_GREY]) * width
    pixels = zlib.compress(row * height, level=1)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
