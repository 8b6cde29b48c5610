"""What marks say, in words: the settings of an image, and that a model made it.

Settings are written twice: as JSON, from which the creators' page and `sdxl generate` fill themselves again, and in the
wording of AUTOMATIC1111's web interface, which most programs for generated images read (its `modules/processing.py`,
`create_infotext`, and `modules/infotext_utils.py`, `parse_generation_parameters`).

The declaration is IPTC's digital source type as XMP (IPTC Photo Metadata Standard 2025.1, "Digital Source Type"; IPTC
NewsCodes, `digitalsourcetype`).
"""

from __future__ import annotations

import html
import re
from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from image_api.presets import sent_prompts
from image_api.request import GenerationRequest, Operation

GENERATOR = "sdxl-on-aws"
DIGITAL_SOURCE_TYPES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
# Drawn by a model that was trained on other images.
GENERATED = "trainedAlgorithmicMedia"

_SETTINGS_NAMESPACE = "urn:sdxl-on-aws:settings:1.0:"
# AUTOMATIC1111's names of the samplers (its `modules/sd_samplers_kdiffusion.py` and `sd_samplers_timesteps.py`).
_A1111_SAMPLERS = {
    "DDIM": "DDIM",
    "DDPM": "DDPM",
    "K_DPMPP_2M": "DPM++ 2M",
    "K_DPMPP_2S_ANCESTRAL": "DPM++ 2S a",
    "K_DPMPP_SDE": "DPM++ SDE",
    "K_DPM_2": "DPM2",
    "K_DPM_2_ANCESTRAL": "DPM2 a",
    "K_EULER": "Euler",
    "K_EULER_ANCESTRAL": "Euler a",
    "K_HEUN": "Heun",
    "K_LMS": "LMS",
}
_MAX_VALUE_CHARACTERS = 200
_SOURCE_TYPE = re.compile(r"DigitalSourceType\s*(?:=\s*[\"']|(?:\s[^<>]{0,200})?>\s*)([^\"'<>\s]{1,200})")
_SETTINGS_ATTRIBUTE = re.compile(r"\bsdxl:settings=(\"[^\"]*\"|'[^']*')")


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The settings of one image, named as the API's parameters. What the model did not use is left out.

    `prompt` joins the prompts of positive weight, `negative_prompt` those of negative weight; `weights` has the weights
    in the order of the prompts where they are not 1 and -1.
    """

    prompt: str
    negative_prompt: str | UnsetType = UNSET
    weights: tuple[float, ...] | UnsetType = UNSET
    width: int | UnsetType = UNSET
    height: int | UnsetType = UNSET
    seed: int | UnsetType = UNSET
    steps: int | UnsetType = UNSET
    cfg_scale: float | UnsetType = UNSET
    sampler: str | UnsetType = UNSET
    style_preset: str | UnsetType = UNSET
    image_strength: float | UnsetType = UNSET
    operation: Operation | UnsetType = UNSET
    model: str | UnsetType = UNSET


def settings_of(
    sent: GenerationRequest, drawn: GenerationRequest, *, parameters: Collection[str], model: str
) -> ImageSettings:
    """The settings that all images of a request have, without a seed.

    Args:
        sent: The request in the caller's own words; a style is a name in it.
        drawn: The request as the model got it; a style's parameters are in it.
        parameters: What the deployed model uses.
        model: What drew the image.
    """
    prompts = sent_prompts(sent.text_prompts)
    weights = tuple(prompt.weight for prompt in prompts)
    optional: dict[str, Any] = {
        "steps": drawn.steps,
        "cfg_scale": drawn.cfg_scale,
        "sampler": drawn.sampler,
    }
    if sent.init_image is not UNSET:
        optional["image_strength"] = round(1 - sent.init_image.denoising_share, 6)
    return ImageSettings(
        prompt=", ".join(prompt.text for prompt in prompts if prompt.weight > 0),
        negative_prompt=", ".join(prompt.text for prompt in prompts if prompt.weight < 0) or UNSET,
        weights=UNSET if set(weights) <= {1.0, -1.0} else weights,
        width=drawn.width,
        height=drawn.height,
        style_preset=sent.style_preset,
        operation=sent.operation,
        model=model,
        **{name: value for name, value in optional.items() if name in parameters},
    )


def settings_json(settings: ImageSettings) -> str:
    """The settings as JSON, which `read_settings` reads."""
    return msgspec.json.encode(settings).decode()


def read_settings(text: str) -> ImageSettings | None:
    """The settings in JSON of anyone's; None if it is not such a thing."""
    try:
        return msgspec.json.decode(text.strip(), type=ImageSettings)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


def a1111_parameters(settings: ImageSettings) -> str:
    """The settings in AUTOMATIC1111's wording: prompt, negative prompt, and a line of the others."""
    pairs: dict[str, object] = {
        "Steps": settings.steps,
        "Sampler": _A1111_SAMPLERS.get(settings.sampler, settings.sampler) if settings.sampler else UNSET,
        "CFG scale": settings.cfg_scale if settings.cfg_scale is UNSET else f"{settings.cfg_scale:g}",
        "Seed": settings.seed,
        "Size": f"{settings.width}x{settings.height}",
        "Model": settings.model,
        "Style": settings.style_preset,
        "Denoising strength": UNSET
        if settings.image_strength is UNSET
        else f"{round(1 - settings.image_strength, 6):g}",
        "Version": GENERATOR,
    }
    line = ", ".join(f"{name}: {_quoted(str(value))}" for name, value in pairs.items() if value is not UNSET)
    negative = [f"Negative prompt: {settings.negative_prompt}"] if settings.negative_prompt else []
    # A text of a PNG holds no NUL (W3C PNG specification, 11.3.3.2).
    return "\n".join((settings.prompt, *negative, line)).replace("\0", "")


def xmp_packet(*, is_declared: bool, settings: str = "") -> str:
    """An XMP packet with the declaration, and with settings where the format has no place for their JSON.

    Empty where it would say nothing.
    """
    attributes = []
    if is_declared:
        attributes += [
            'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"',
            f'Iptc4xmpExt:DigitalSourceType="{DIGITAL_SOURCE_TYPES}{GENERATED}"',
        ]
    if settings:
        attributes += [f'xmlns:sdxl="{_SETTINGS_NAMESPACE}"', f'sdxl:settings="{html.escape(settings)}"']
    if not attributes:
        return ""
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        f'{" ".join(attributes)}/></rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def declared_source_type(xmp: str) -> str | None:
    """The digital source type that anyone's XMP declares: the last part of IPTC's address, or the whole value.

    Found by a pattern: an XML parser would have to be kept from everything that a stranger's document can make it do.
    """
    found = _SOURCE_TYPE.search(xmp)
    if found is None:
        return None
    value = html.unescape(found[1])[:_MAX_VALUE_CHARACTERS]
    return value.rpartition("/digitalsourcetype/")[2] or value


def settings_in_xmp(xmp: str) -> str:
    """The JSON of settings in an XMP packet of this API; empty where there is none."""
    found = _SETTINGS_ATTRIBUTE.search(xmp)
    return "" if found is None else html.unescape(found[1][1:-1])


def _quoted(value: str) -> str:
    """A value of the last line, which is split at commas, colons and line ends."""
    return msgspec.json.encode(value).decode() if any(mark in value for mark in ',:\n"') else value
