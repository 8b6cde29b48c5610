"""What the deployed model can do, as `GET /v1/presets` tells it. Each backend refuses the rest by its own `check`."""

from __future__ import annotations

import msgspec

from image_api.backends.open import SAMPLER_CLASSES
from image_api.request import MAX_TEXT_PROMPTS, OPERATIONS, SAMPLERS, Operation, Sampler
from image_api.schema import request_schema
from image_api.settings import ModelSource, Settings

_ALL_PARAMETERS = frozenset(name for operation in OPERATIONS for name in request_schema(operation)["properties"])
_MASK_PARAMETERS = frozenset({"mask_source", "mask_image"})
_STRENGTH_PARAMETERS = frozenset({"init_image_mode", "image_strength", "step_schedule_start", "step_schedule_end"})
_IMAGE_PARAMETERS = frozenset(request_schema("image-to-image")["properties"]) - frozenset(
    request_schema("text-to-image")["properties"]
)
# Accepted for that API's clients; no model here does anything with it.
_IGNORED = frozenset({"clip_guidance_preset"})
# What the successors of SDXL on Bedrock decide themselves.
_SET_BY_SUCCESSORS = frozenset({"cfg_scale", "steps", "sampler", "extras"})


class Capabilities(msgspec.Struct, frozen=True):
    """What the deployed model can do. `max_text_prompts` counts those of positive and of negative weight.

    Where a model takes one prompt of each only, it is 2; where prompts are joined into one, as many as the API takes.
    """

    operations: frozenset[Operation]
    samplers: frozenset[Sampler]
    parameters: frozenset[str]
    max_text_prompts: int


def capabilities(settings: Settings) -> Capabilities:
    """What this deployment can do: with several variants, whatever one of them can."""
    first, *others = (_of_source(source, settings) for source in sorted(settings.sources))
    for other in others:
        first = Capabilities(
            operations=first.operations | other.operations,
            samplers=first.samplers | other.samplers,
            parameters=first.parameters | other.parameters,
            max_text_prompts=max(first.max_text_prompts, other.max_text_prompts),
        )
    return first


def _of_source(source: ModelSource, settings: Settings) -> Capabilities:
    if source == "open":
        return Capabilities(
            operations=frozenset({"text-to-image", "image-to-image"}),
            samplers=frozenset(SAMPLER_CLASSES),
            parameters=_ALL_PARAMETERS - _MASK_PARAMETERS - _IGNORED - {"step_schedule_end"},
            max_text_prompts=2,
        )
    if source == "bedrock" and settings.bedrock_model_family != "sdxl-v1":
        return _successor(settings)
    return Capabilities(
        operations=frozenset(OPERATIONS),
        # SDXL 1.0 of Bedrock has that API's own list, and the model package one sampler more.
        samplers=frozenset(SAMPLERS) - ({"K_DPMPP_SDE"} if source == "bedrock" else frozenset()),
        parameters=_ALL_PARAMETERS - _IGNORED - {"extras"},
        max_text_prompts=MAX_TEXT_PROMPTS,
    )


def _successor(settings: Settings) -> Capabilities:
    operations: set[Operation] = {"text-to-image"}
    parameters = _ALL_PARAMETERS - _IGNORED - _SET_BY_SUCCESSORS
    if settings.bedrock_model_family == "sd3-5":
        operations.add("image-to-image")
        parameters -= {"step_schedule_end"}
    else:
        parameters -= _STRENGTH_PARAMETERS
    if settings.bedrock_inpaint_model_id:
        operations.add("masking")
    else:
        parameters -= _MASK_PARAMETERS
    if operations == {"text-to-image"}:
        parameters -= _IMAGE_PARAMETERS
    return Capabilities(
        operations=frozenset(operations),
        samplers=frozenset(),
        parameters=parameters,
        max_text_prompts=MAX_TEXT_PROMPTS,
    )
