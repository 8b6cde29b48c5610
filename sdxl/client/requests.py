"""What can be asked for: one request type for text-to-image, image-to-image and masking."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypedDict

from sdxl.errors import InvalidRequestError

Operation = Literal["text-to-image", "image-to-image", "masking"]
InitImageMode = Literal["IMAGE_STRENGTH", "STEP_SCHEDULE"]
MaskSource = Literal["MASK_IMAGE_WHITE", "MASK_IMAGE_BLACK", "INIT_IMAGE_ALPHA"]
ImageSource = str | Path | bytes

# First bytes of the formats that are recognized here, before anything is sent; the API judges the rest.
_SIGNATURES = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"RIFF")


@dataclass(frozen=True)
class TextPrompt:
    """One weighted prompt. A negative weight says what to keep out of the image."""

    text: str
    weight: float = 1.0


class Options(TypedDict, total=False):
    """What `text_to_image`, `image_to_image` and `inpaint` take with the prompt, by name.

    `negative` is one prompt of weight -1, `style` the API's `style_preset`. All others are `GenerationRequest`'s.
    """

    negative: str | None
    style: str | None
    size: str | None
    width: int | None
    height: int | None
    samples: int | None
    seed: int | None
    steps: int | None
    cfg_scale: float | None
    sampler: str | None
    extras: Mapping[str, Any] | None
    idempotency_key: str | None


@dataclass(frozen=True, kw_only=True)
class GenerationRequest:
    """A request for images. What is None is left to the API's defaults, which `Client.presets()` lists.

    Text alone makes an image from nothing; with `init_image` that image is changed; with `mask`, or with mask_source
    INIT_IMAGE_ALPHA, only a part of it. Images are given as a path or as the bytes of a PNG, JPEG or WebP file.

    `size` is a preset's name or "1344x768", in place of `width` and `height`. With `init_image` the size is that
    image's. `image_strength`, 0 to 1, is how much of `init_image` stays (0.35 if left out).

    Raises:
        InvalidRequestError: the fields contradict each other, or an image cannot be read.
    """

    text_prompts: Sequence[TextPrompt]
    size: str | None = None
    width: int | None = None
    height: int | None = None
    samples: int | None = None
    seed: int | None = None
    steps: int | None = None
    cfg_scale: float | None = None
    sampler: str | None = None
    style_preset: str | None = None
    extras: Mapping[str, Any] | None = None
    init_image: ImageSource | None = None
    init_image_mode: InitImageMode | None = None
    image_strength: float | None = None
    step_schedule_start: float | None = None
    step_schedule_end: float | None = None
    mask: ImageSource | None = None
    mask_source: MaskSource | None = None

    def __post_init__(self) -> None:
        """Refuse what has no meaning together, where the API would only say that a field is unknown."""
        if isinstance(self.text_prompts, str) or not all(isinstance(item, TextPrompt) for item in self.text_prompts):
            raise InvalidRequestError('text_prompts is a sequence of TextPrompt, as in (TextPrompt("a red fox"),).')
        if self.size is not None and (self.width is not None or self.height is not None):
            raise InvalidRequestError("Both size and width or height are given. Give one of them.")
        if self.init_image is None:
            self._refuse(
                (
                    "mask",
                    "mask_source",
                    "init_image_mode",
                    "image_strength",
                    "step_schedule_start",
                    "step_schedule_end",
                ),
                "needs init_image, the image to change",
            )
            return
        self._refuse(("size", "width", "height"), "is given with init_image, whose own size is kept. Leave it out")
        if self.mask_source == "INIT_IMAGE_ALPHA":
            self._refuse(("mask",), "is given with mask_source INIT_IMAGE_ALPHA, which takes the mask from init_image")
        elif self.mask_source is not None and self.mask is None:
            raise InvalidRequestError(f"mask_source {self.mask_source} needs mask, an image of the same size.")

    @property
    def operation(self) -> Operation:
        """What this request asks for, by what it holds."""
        if self.init_image is None:
            return "text-to-image"
        return "image-to-image" if self.mask is None and self.mask_source is None else "masking"

    def body(self) -> dict[str, Any]:
        """Return the JSON body, as Stability's REST v1 API takes it, with images in base64."""
        fields: dict[str, Any] = {
            "text_prompts": [{"text": prompt.text, "weight": prompt.weight} for prompt in self.text_prompts],
            "size": self.size,
            "width": self.width,
            "height": self.height,
            "samples": self.samples,
            "seed": self.seed,
            "steps": self.steps,
            "cfg_scale": self.cfg_scale,
            "sampler": self.sampler,
            "style_preset": self.style_preset,
            "extras": None if self.extras is None else dict(self.extras),
            "init_image": None if self.init_image is None else _base64("init_image", self.init_image),
            "init_image_mode": self.init_image_mode,
            "image_strength": self.image_strength,
            "step_schedule_start": self.step_schedule_start,
            "step_schedule_end": self.step_schedule_end,
            "mask_image": None if self.mask is None else _base64("mask", self.mask),
            "mask_source": self.mask_source,
        }
        if self.mask is not None and self.mask_source is None:
            fields["mask_source"] = "MASK_IMAGE_WHITE"
        return {name: value for name, value in fields.items() if value is not None}

    def _refuse(self, names: Sequence[str], why: str) -> None:
        for name in names:
            if getattr(self, name) is not None:
                raise InvalidRequestError(f"{name} {why}.")


def request_from(prompt: str, options: Options, **fields: Any) -> tuple[GenerationRequest, str | None]:
    """Return the request that a prompt and options ask for, and the idempotency key among them."""
    given: dict[str, Any] = dict(options)
    key, negative, style = given.pop("idempotency_key", None), given.pop("negative", None), given.pop("style", None)
    prompts = (TextPrompt(prompt), *((TextPrompt(negative, -1.0),) if negative else ()))
    return GenerationRequest(text_prompts=prompts, style_preset=style, **given, **fields), key


def read_image(name: str, source: ImageSource) -> bytes:
    """Return an image file's bytes. `name` is what an error calls it.

    Raises:
        InvalidRequestError: the file cannot be read, or is neither PNG, JPEG nor WebP.
    """
    label = name if isinstance(source, bytes) else f"{name} {str(source)!r}"
    try:
        data = source if isinstance(source, bytes) else Path(source).read_bytes()
    except (OSError, ValueError) as exc:
        raise InvalidRequestError(f"{label} cannot be read: {getattr(exc, 'strerror', None) or exc}.") from exc
    if not data.startswith(_SIGNATURES) or (data.startswith(b"RIFF") and data[8:12] != b"WEBP"):
        raise InvalidRequestError(f"{label} is not an image: it must be a PNG, JPEG or WebP file.")
    return data


def _base64(name: str, source: ImageSource) -> str:
    return base64.b64encode(read_image(name, source)).decode()
