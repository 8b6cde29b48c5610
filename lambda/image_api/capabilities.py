"""What a model can do, declared once by each model: requests are checked with it, and `GET /v1/presets` shows it."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from image_api.bodies import BODIES
from image_api.errors import Problem, UnsupportedByModelError
from image_api.explain import brief
from image_api.request import SAMPLERS, GenerationRequest, Operation, Sampler

ALL_PARAMETERS = frozenset(name for body in BODIES.values() for name in body.__struct_fields__)
STRENGTH_PARAMETERS = frozenset({"init_image_mode", "image_strength", "step_schedule_start", "step_schedule_end"})
MASK_PARAMETERS = frozenset({"mask_source", "mask_image"})
IMAGE_PARAMETERS = STRENGTH_PARAMETERS | {"init_image"}
# Accepted for that API's clients; no model here does anything with it.
IGNORED_PARAMETERS = frozenset({"clip_guidance_preset"})
OPTIMIZED_CAN = "the optimized variant (model.source: optimized) can."


class Capabilities(msgspec.Struct, frozen=True, kw_only=True):
    """What a model can do.

    `name` is the subject of a sentence about it. `max_text_prompts` counts prompts of positive and of negative weight:
    where a model takes one of each only, it is 2; where prompts are joined into one, as many as the API takes.
    """

    name: str
    operations: frozenset[Operation]
    samplers: frozenset[Sampler]
    parameters: frozenset[str]
    max_text_prompts: int

    def joined(self, other: Capabilities) -> Capabilities:
        """What one of two models can do."""
        return Capabilities(
            name=self.name,
            operations=self.operations | other.operations,
            samplers=self.samplers | other.samplers,
            parameters=self.parameters | other.parameters,
            max_text_prompts=max(self.max_text_prompts, other.max_text_prompts),
        )


def extras_problems(request: GenerationRequest, able: Capabilities) -> list[Problem]:
    """What is wrong with refiner settings for a model without a refiner."""
    given = request.given_extras()
    if not given or "extras" in able.parameters:
        return []
    message = (
        f"extras has {', '.join(given)}, but {able.name} has no refiner settings; "
        "the open variant (model.source: open) has. Leave extras out."
    )
    return [Problem("extras", message, brief(given))]


def sampler_problems(request: GenerationRequest, able: Capabilities) -> list[Problem]:
    """What is wrong with the sampler for a model that has some of them only."""
    if request.sampler in able.samplers:
        return []
    has = ", ".join(sampler for sampler in SAMPLERS if sampler in able.samplers)
    message = f"sampler is {request.sampler}, but {able.name} has only {has}; {OPTIMIZED_CAN} Choose one of these."
    return [Problem("sampler", message, request.sampler, f"one of {has}")]


def refuse(problems: Sequence[Problem]) -> None:
    """Raise `UnsupportedByModelError` with `problems`, if there are any."""
    if problems:
        raise UnsupportedByModelError.of(problems)
