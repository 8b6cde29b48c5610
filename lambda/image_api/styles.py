"""Styles: what a name such as `photographic` adds to a caller's words.

The optimized variant knows Stability AI's 17 styles itself. For every other model they are words, which stand here. A
style that a team adds in `styles.yaml` is words on every model. The words are added to the prompts before a model sees
them, so a style works alike on each model.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from image_api.request import MAX_CFG_SCALE, MAX_STEPS, MIN_STEPS, Sampler


class StyleParameters(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """Parameters that suit a style; each counts where the caller sends none."""

    cfg_scale: Annotated[float, Meta(ge=0, le=MAX_CFG_SCALE)] | UnsetType = UNSET
    steps: Annotated[int, Meta(ge=MIN_STEPS, le=MAX_STEPS)] | UnsetType = UNSET
    sampler: Sampler | UnsetType = UNSET


class Style(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A style: `prompt` is added behind what the image shows, `negative` behind what it must not show."""

    name: str
    description: str
    prompt: str
    negative: str = ""
    parameters: StyleParameters = StyleParameters()

    @property
    def label(self) -> str:
        """What people read: "Analog film" for `analog-film`."""
        first, *others = self.name.split("-")
        # "3d" as it is written, not as it is capitalized.
        return " ".join([first.upper() if first[0].isdigit() else first.capitalize(), *others])


BUILT_IN_STYLES = (
    Style(
        "3d-model",
        "A rendered 3D model with studio light",
        "professional 3d model, octane render, volumetric lighting, highly detailed",
        "low poly, flat, sketch, painting",
    ),
    Style(
        "analog-film",
        "A photograph on film: grain, faded colours",
        "analog film photograph, film grain, faded colors, light leak, 35mm",
        "digital, painting, drawing, illustration, render",
    ),
    Style(
        "anime",
        "A frame of Japanese animation",
        "anime artwork, cel shading, clean line art, vibrant colors, studio anime",
        "photograph, realistic, 3d render, black and white",
    ),
    Style(
        "cinematic",
        "A still from a film, with shallow focus",
        "cinematic film still, shallow depth of field, dramatic lighting, color graded, widescreen",
        "cartoon, drawing, painting, amateur snapshot",
    ),
    Style(
        "comic-book",
        "A panel of an American comic",
        "comic book panel, bold ink outlines, halftone shading, graphic illustration",
        "photograph, realistic, 3d render, blurry",
    ),
    Style(
        "digital-art",
        "A painting made on a computer",
        "digital art, detailed concept illustration, smooth shading, painterly light",
        "photograph, low resolution, sketch",
    ),
    Style(
        "enhance",
        "The same picture, richer in light and detail",
        "highly detailed, sharp focus, rich contrast, professional lighting, best quality",
        "blurry, low quality, low contrast, noisy",
    ),
    Style(
        "fantasy-art",
        "A painting of a world of magic",
        "fantasy art, ethereal light, magical atmosphere, epic composition, intricate painting",
        "photograph, modern, plain, ordinary",
    ),
    Style(
        "isometric",
        "A scene in parallel projection, as in a building game",
        "isometric view, isometric scene, clean geometry, soft shadows, miniature",
        "perspective, vanishing point, photograph, blurry",
    ),
    Style(
        "line-art",
        "Black lines on white paper",
        "line art drawing, clean black lines on white, minimalist, ink",
        "color, shading, photograph, 3d render, painting",
    ),
    Style(
        "low-poly",
        "A 3D scene of few, flat faces",
        "low-poly style, flat shaded polygons, simple geometry, game asset",
        "realistic, photograph, smooth, high polygon, noisy",
    ),
    Style(
        "modeling-compound",
        "Figures of modelling clay, as in stop motion",
        "play dough figure, modeling clay sculpture, claymation, handmade, soft light",
        "photograph of a real subject, drawing, flat, glossy",
    ),
    Style(
        "neon-punk",
        "A city night in neon light",
        "neonpunk style, cyberpunk, glowing neon lights, ultraviolet, sleek, high contrast",
        "daylight, pastel, painting, drawing, low contrast",
    ),
    Style(
        "origami",
        "Everything folded from paper",
        "origami style, folded paper art, paper creases, clean background, craft",
        "photograph of a real subject, noisy, painting, drawing",
    ),
    Style(
        "photographic",
        "A sharp photograph by a professional",
        "professional photograph, photorealistic, 35mm, natural light, shallow depth of field, highly detailed",
        "drawing, painting, illustration, 3d render, cartoon, anime, deformed",
    ),
    Style(
        "pixel-art",
        "Large square pixels, as in an early video game",
        "pixel art, 16-bit video game sprite, limited palette, crisp square pixels",
        "photograph, realistic, smooth, blurry, antialiased",
    ),
    Style(
        "tile-texture",
        "A texture that repeats without a seam",
        "seamless tileable texture, repeating pattern, even lighting, top view, material",
        "border, frame, perspective, single object, shadows",
    ),
)
