"""Stability AI's models as Amazon Bedrock offers them: SDXL 1.0's own request, and the successors' one prompt.

Fields and answers: Amazon Bedrock user guide, inference request parameters of Stability AI models. Refusals have the
words of Bedrock's ValidationException, whose body carries the message alone.
"""

from __future__ import annotations

import base64
import json
import secrets
from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Any

from PIL import Image, ImageFilter, ImageOps

from emulator.stand_in.payload import Payload, PayloadError
from emulator.stand_in.picture import Edit, PictureRequest, draw, encode
from emulator.stand_in.sdxl_request import (
    FIELDS,
    STYLE_PRESETS,
    Limits,
    artifacts,
    with_artifacts_changed,
)
from emulator.stand_in.variant import Reply

MAX_BODY_BYTES = 25_000_000
"""InvokeModel's own limit on the body."""
MAX_PIXELS = 9_437_184
MAX_SEED = 4_294_967_294
MAX_PROMPT_LENGTH = 10_000
SDXL_SIZES = frozenset(
    size
    for long, short in ((1024, 1024), (1152, 896), (1216, 832), (1344, 768), (1536, 640))
    for size in ((long, short), (short, long))
)
SDXL_LIMITS = Limits(
    max_samples=1,
    max_steps=150,
    # Sources differ between 50 and 150 here: the narrower one.
    max_steps_with_image=50,
    sizes=SDXL_SIZES,
    max_prompt_length=2000,
)
ASPECT_RATIOS = {
    "16:9": (1344, 768),
    "1:1": (1024, 1024),
    "21:9": (1536, 640),
    "2:3": (832, 1216),
    "3:2": (1216, 832),
    "4:5": (896, 1088),
    "5:4": (1088, 896),
    "9:16": (768, 1344),
    "9:21": (640, 1536),
}
"""The ratios and, of about a megapixel, what the stand-in draws for each."""
COMMON_FIELDS = ("prompt", "negative_prompt", "seed", "output_format")
ACCEPTED = ("application/json", "*/*")


class BedrockModel(ABC):
    """What all of Bedrock's models have in common."""

    max_body_bytes = MAX_BODY_BYTES

    def ping(self) -> Reply:
        """An empty 200."""
        return Reply(200, b"")

    def invoke(self, body: bytes, accept: str) -> Reply:
        """The model's answer, or 400 with the message of a ValidationException."""
        if accept not in ACCEPTED:
            return self.failure(400, f"The accept header {accept!r} is not supported: allowed are {list(ACCEPTED)}")
        try:
            return Reply(200, json.dumps(self.answer(body)).encode())
        except PayloadError as exc:
            return self.failure(400, f"Malformed input request: {exc}, please reformat your input and try again.")

    @abstractmethod
    def answer(self, body: bytes) -> dict[str, Any]:
        """The model's answer to a request; raises PayloadError."""

    def failure(self, status: int, message: str) -> Reply:
        """The message, which the service words its error with."""
        return Reply(status, json.dumps({"message": message}).encode("utf-8", "backslashreplace"))


class Sdxl(BedrockModel):
    """SDXL 1.0: the request and the artifacts of Stability AI's first API."""

    def answer(self, body: bytes) -> dict[str, Any]:
        """One artifact."""
        return {"result": "success", "artifacts": artifacts(Payload(body, FIELDS), SDXL_LIMITS)}

    def filtered(self, reply: Reply) -> Reply:
        """The artifact CONTENT_FILTERED."""
        return Reply(200, with_artifacts_changed(reply.body, finishReason="CONTENT_FILTERED"))

    def truncated(self, reply: Reply) -> Reply:
        """The artifact's base64 cut so that it cannot be decoded."""
        image = json.loads(reply.body)["artifacts"][0]["base64"]
        return Reply(200, with_artifacts_changed(reply.body, base64=image[:-5]))


class Successor(BedrockModel):
    """Stable Image Core and Ultra: text to image by aspect ratio."""

    fields: Collection[str] = (*COMMON_FIELDS, "aspect_ratio")

    def answer(self, body: bytes) -> dict[str, Any]:
        """One image with its seed and no reason to have stopped."""
        payload = Payload(body, self.fields)
        prompt = payload.text("prompt", longest=MAX_PROMPT_LENGTH, required=True)
        payload.text("negative_prompt", longest=MAX_PROMPT_LENGTH)
        image_format = payload.choice("output_format", ("png", "jpeg"), "png")
        seed = payload.integer("seed", 0, minimum=0, maximum=MAX_SEED) or 1 + secrets.randbelow(MAX_SEED)
        edit = self.edit(payload)
        width, height = edit.image.size if edit else ASPECT_RATIOS[self.aspect_ratio(payload)]
        details = payload.details(without=("seed", "output_format"))
        picture = draw(PictureRequest(prompt, seed, width, height, 0, details), edit)
        image = base64.b64encode(encode(picture, str(image_format).upper())).decode()
        return {"seeds": [seed], "finish_reasons": [None], "images": [image]}

    def edit(self, payload: Payload) -> Edit | None:  # noqa: ARG002 - a model that edits reads its image here
        """The image to change, or None where the picture is made from the prompt alone."""
        return None

    def aspect_ratio(self, payload: Payload) -> str:
        """The requested ratio."""
        return str(payload.choice("aspect_ratio", ASPECT_RATIOS, "1:1"))

    def filtered(self, reply: Reply) -> Reply:  # noqa: ARG002 - the models' common shape
        """Nothing but the reason: neither seeds nor images."""
        return Reply(200, json.dumps({"finish_reasons": ["Filter reason: prompt"]}).encode())

    def truncated(self, reply: Reply) -> Reply:
        """The image's base64 cut so that it cannot be decoded."""
        answer = json.loads(reply.body)
        return Reply(200, json.dumps({**answer, "images": [answer["images"][0][:-5]]}).encode())


class Sd35(Successor):
    """Stable Diffusion 3.5 Large, which also changes an image; its strength 1 draws all of it anew."""

    fields = (*COMMON_FIELDS, "aspect_ratio", "mode", "image", "strength")

    def edit(self, payload: Payload) -> Edit | None:
        """The image of mode image-to-image."""
        mode = payload.choice("mode", ("text-to-image", "image-to-image"), "text-to-image")
        needed = ("image", "strength")
        if mode == "text-to-image":
            _refuse(payload, needed, f"mode {mode}")
            return None
        missing = [name for name in needed if name not in payload.fields]
        if missing:
            raise PayloadError(f"mode image-to-image needs {missing}")
        _refuse(payload, ("aspect_ratio",), f"mode {mode}")
        return Edit(_image(payload), 1 - payload.number("strength", 1, minimum=0, maximum=1))


class Inpaint(Successor):
    """Stable Image Inpaint: white pixels of the mask, or the image's transparent ones, are replaced."""

    fields = (*COMMON_FIELDS, "image", "mask", "grow_mask", "style_preset")

    def edit(self, payload: Payload) -> Edit | None:
        """The image with the mask grown by `grow_mask` pixels (5 unless given)."""
        payload.choice("style_preset", STYLE_PRESETS)
        image = _image(payload)
        mask = payload.image("mask")
        if mask is None and not image.has_transparency_data:
            raise PayloadError("mask is missing, and image has no alpha channel to take its place")
        if mask is None:
            replaced = ImageOps.invert(image.convert("RGBA").getchannel("A"))
        else:
            # A mask of another size is stretched to the image's.
            replaced = mask.convert("L").resize(image.size)
        for _ in range(payload.integer("grow_mask", 5, minimum=0, maximum=20)):
            replaced = replaced.filter(ImageFilter.MaxFilter(3))
        return Edit(image, 0.0, replaced)


def _image(payload: Payload) -> Image.Image:
    image = payload.image("image")
    if image is None:
        raise PayloadError("image is missing")
    if min(image.size) < 64 or image.width * image.height > MAX_PIXELS:
        size = f"{image.width}x{image.height}"
        raise PayloadError(f"image must have sides of at least 64 and at most {MAX_PIXELS} pixels, not {size}")
    return image


def _refuse(payload: Payload, names: Collection[str], place: str) -> None:
    misplaced = [name for name in names if name in payload.fields]
    if misplaced:
        raise PayloadError(f"{misplaced} cannot be used with {place}")
