"""The parameters of the OpenAI images API that this API takes.

Names and types are those of the `openai` Python package (`ImageGenerateParams`, `ImageEditParams`,
`ImageCreateVariationParams`). In addition there are `seed`, `steps`, `cfg_scale`, `sampler`, `negative_prompt`,
`style_preset`, `image_strength`, `width` and `height`. Null means "left out", as that API has it.
"""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from image_api.bodies import CfgScale, Height, Samples, Seed, Share, Steps, Width
from image_api.request import (
    DEFAULT_CFG_SCALE,
    DEFAULT_SAMPLER,
    DEFAULT_SIDE,
    DEFAULT_STEPS,
    MAX_LONG_PROMPT_CHARACTERS,
    Sampler,
)


def _default(value: object) -> Meta:
    """The default that a schema shows: the struct's own is None, because what is left out is not passed on."""
    return Meta(extra_json_schema={"default": value})


# Diffusion steps of each quality. `auto` and `standard` are this API's default; the last three cost time in proportion,
# and may need a longer api.integration_timeout_seconds than the usual 29 s.
QUALITY_STEPS = {
    "low": 20,
    "medium": 35,
    "standard": 50,
    "auto": 50,
    "high": 75,
    "hd": 75,
    "xhigh": 100,
    "max": 150,
}
_Quality = Literal["low", "medium", "standard", "auto", "high", "hd", "xhigh", "max"]
ResponseFormat = Literal["b64_json", "url"]
_Name = Annotated[str, Meta(min_length=1, max_length=100)]
_Prompt = Annotated[str, Meta(min_length=1, max_length=MAX_LONG_PROMPT_CHARACTERS)]
_Ignored = Annotated[str, Meta(max_length=512, description="Accepted and ignored.")]
_File = Annotated[bytes, Meta(extra_json_schema={"format": "binary"})]
_ImageSize = Annotated[
    _Name,
    Meta(
        description="auto for the size of the image, WIDTHxHEIGHT, or a preset of GET /v1/presets. A size that SDXL "
        "1.0 does not draw becomes the nearest it is trained for. The image is scaled and cut to the size where it "
        "differs. A warning says both."
    ),
]
_FirstImage = Annotated[
    _File, Meta(description="The image to start from: PNG, JPEG or WebP, of any size up to 4096x4096.")
]
_ListedImage = Annotated[_File, Meta(description="In place of image: the same, as clients send a list of one.")]
_Strength = Annotated[
    Share,
    Meta(description="How much of the image stays, from 0 to 1, where no pixels are transparent and there is no mask."),
]
_Fidelity = Annotated[
    Literal["high", "low"], Meta(description="Accepted without effect: image_strength says how much stays.")
]


class ImageParameters(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """What every route for images takes."""

    n: Annotated[Samples, _default(1)] | None = None
    model: (
        Annotated[
            _Name,
            Meta(
                description="sdxl, or the id of an engine. The names of OpenAI's image models (dall-e-3, gpt-image-1, "
                "...) are taken from clients that send them, and answered by SDXL 1.0; a warning says so."
            ),
        ]
        | None
    ) = None
    response_format: (
        Annotated[
            ResponseFormat,
            Meta(
                description="The image itself in base64, or a link to it that expires. Left out: a link for the models "
                "dall-e-2 and dall-e-3 and for variations, as the OpenAI API does, and base64 otherwise. Images that "
                "do not fit into one answer as PNG are JPEG there; a warning says so."
            ),
        ]
        | None
    ) = None
    user: _Ignored | None = None
    seed: Annotated[Seed, _default(0)] | None = None
    steps: (
        Annotated[
            Steps,
            Meta(description="Diffusion steps: time against detail. In place of quality."),
            _default(DEFAULT_STEPS),
        ]
        | None
    ) = None
    cfg_scale: Annotated[CfgScale, _default(DEFAULT_CFG_SCALE)] | None = None
    sampler: Annotated[Sampler, Meta(description="Which sampler to use."), _default(DEFAULT_SAMPLER)] | None = None
    negative_prompt: Annotated[_Prompt, Meta(description="What the image must not show.")] | None = None
    # Not the names themselves: a deployment may add styles.
    style_preset: Annotated[_Name, Meta(description="A style of GET /v1/presets. In place of style.")] | None = None


class ModelParameters(ImageParameters, kw_only=True, forbid_unknown_fields=True):
    """What generations and edits take in addition."""

    prompt: Annotated[_Prompt, Meta(description="What the image shows.")]
    quality: (
        Annotated[
            _Quality,
            Meta(
                description="Sets the number of diffusion steps: "
                + ", ".join(f"{name} {steps}" for name, steps in QUALITY_STEPS.items())
                + "."
            ),
        ]
        | None
    ) = None
    style: (
        Annotated[
            _Name,
            Meta(
                description="vivid (the style enhance), natural (no style), or the name of a style; GET /v1/presets "
                "names them."
            ),
        ]
        | None
    ) = None
    background: Annotated[Literal["auto", "opaque", "transparent"], Meta(description="Images are opaque.")] | None = (
        None
    )
    complexity: Annotated[Literal["low", "medium", "high"], Meta(description="Accepted without effect.")] | None = None
    moderation: (
        Annotated[Literal["low", "auto"], Meta(description="Accepted without effect: the deployment decides.")] | None
    ) = None
    output_format: (
        Annotated[
            Literal["png", "jpeg", "webp", "gif", "svg"],
            Meta(description="png, jpeg or webp. SDXL 1.0 makes neither of the others."),
            _default("png"),
        ]
        | None
    ) = None
    output_compression: (
        Annotated[int, Meta(ge=0, le=100, description="The quality of jpeg and webp, from 0 to 100."), _default(100)]
        | None
    ) = None
    stream: (
        Annotated[
            bool,
            Meta(description="Answer with an event for each image (text/event-stream) once all are complete."),
            _default(False),
        ]
        | None
    ) = None
    partial_images: (
        Annotated[int, Meta(ge=0, le=3, description="Accepted with stream; no partial images are sent.")] | None
    ) = None
    safety_identifier: _Ignored | None = None


class ImageGenerationBody(ModelParameters, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /v1/images/generations`."""

    size: (
        Annotated[
            _Name,
            Meta(
                description="auto, WIDTHxHEIGHT, or a preset of GET /v1/presets. A size that SDXL 1.0 does not draw, "
                "and the small sizes of OpenAI's models, become the nearest it is trained for; a warning names it."
            ),
        ]
        | None
    ) = None
    width: Annotated[Width, _default(DEFAULT_SIDE)] | None = None
    height: Annotated[Height, _default(DEFAULT_SIDE)] | None = None


class ImageEditBody(ModelParameters, kw_only=True, forbid_unknown_fields=True):
    """The form of `POST /v1/images/edits`."""

    exactly_one: ClassVar = ("image", "image[]")

    image: _FirstImage | None = None
    images: _ListedImage | None = msgspec.field(default=None, name="image[]")
    mask: (
        Annotated[
            _File,
            Meta(
                description="Transparent where the image is to be repainted; of the image's size. Left out: what is "
                "transparent in the image is repainted, unless the model is one of gpt-image; or else the whole image "
                "follows the prompt."
            ),
        ]
        | None
    ) = None
    size: _ImageSize | None = None
    image_strength: _Strength | None = None
    input_fidelity: _Fidelity | None = None


class ImageReference(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """An image in a JSON body."""

    image_url: Annotated[
        str,
        Meta(
            description="A data URL: data:image/png;base64, and the image. Nothing is fetched from other addresses.",
            extra_json_schema={"pattern": "^data:image/"},
        ),
    ]


class ImageEditJsonBody(ModelParameters, kw_only=True, forbid_unknown_fields=True):
    """The JSON body of `POST /v1/images/edits`."""

    images: Annotated[
        list[ImageReference], Meta(min_length=1, max_length=1, description="The image to start from: one.")
    ]
    mask: (
        Annotated[
            ImageReference,
            Meta(description="Transparent where the image is to be repainted; of the image's size."),
        ]
        | None
    ) = None
    size: _ImageSize | None = None
    image_strength: _Strength | None = None
    input_fidelity: _Fidelity | None = None


class ImageVariationBody(ImageParameters, kw_only=True, forbid_unknown_fields=True):
    """The form of `POST /v1/images/variations`."""

    exactly_one: ClassVar = ("image", "image[]")

    image: _FirstImage | None = None
    images: _ListedImage | None = msgspec.field(default=None, name="image[]")
    size: _ImageSize | None = None
    image_strength: (
        Annotated[Share, Meta(description="How much of the image stays, from 0 to 1. Left out: 0.5.")] | None
    ) = None
