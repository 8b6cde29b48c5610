"""Weighted prompts as one prompt and one negative prompt, for models that know no weights."""

from __future__ import annotations

from typing import NamedTuple

from image_api.errors import UnsupportedByModelError
from image_api.request import GenerationRequest

_NEUTRAL_WEIGHTS = (1.0, -1.0)


class PromptTexts(NamedTuple):
    """What the image shows, what it must not show (empty: nothing said), and what was lost on the way here."""

    prompt: str
    negative_prompt: str
    warnings: tuple[str, ...]


def prompt_texts(request: GenerationRequest, *, max_characters: int, can: str) -> PromptTexts:
    """The request's prompts, joined. A weight of 0 says nothing: its text is left out.

    Raises:
        UnsupportedByModelError: positive prompts of different weights, which one text cannot carry, or a text that is
            too long; `can` names a model source that can.
    """
    positive = [prompt for prompt in request.text_prompts if prompt.weight > 0]
    negative = [prompt for prompt in request.text_prompts if prompt.weight < 0]
    weights = [prompt.weight for prompt in positive]
    if len(set(weights)) > 1:
        raise UnsupportedByModelError(
            f"text_prompts has positive prompts of different weights ({', '.join(f'{weight:g}' for weight in weights)}"
            f"), but the deployed model takes one prompt without weights; {can} Send one weight, or one prompt.",
            name="invalid_prompts",
        )
    texts = [", ".join(prompt.text.strip() for prompt in prompts) for prompts in (positive, negative)]
    for kind, text in zip(("positive", "negative"), texts, strict=True):
        if len(text) > max_characters:
            raise UnsupportedByModelError(
                f"text_prompts has {len(text)} characters in its {kind} prompts together, but the deployed model takes "
                f"{max_characters}; {can} Shorten them.",
                name="invalid_prompts",
            )
    return PromptTexts(texts[0], texts[1], tuple(_losses(weights, [prompt.weight for prompt in negative])))


def _losses(positive: list[float], negative: list[float]) -> list[str]:
    losses = []
    if len(positive) > 1:
        losses.append(f"The deployed model takes one prompt: the {len(positive)} positive prompts were joined.")
    if len(negative) > 1:
        losses.append(f"The deployed model takes one negative prompt: the {len(negative)} were joined.")
    if ignored := [f"{weight:g}" for weight in (*positive, *negative) if weight not in _NEUTRAL_WEIGHTS]:
        losses.append(f"The deployed model takes no prompt weights: {', '.join(ignored)} was ignored.")
    return losses
