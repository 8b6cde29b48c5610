"""Prompts as SDXL reads them: two text encoders, weights, and texts of any length in chunks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from inference.requests import Prompt

# CLIP reads 77 tokens: a begin, these, and an end.
CHUNK_TOKENS = 75


@dataclass(frozen=True)
class Embedding:
    """What a prompt becomes: `tokens` of (77 x chunks, width), and `pooled` of (width of the second encoder,)."""

    tokens: Tensor
    pooled: Tensor


class PromptEncoder:
    """The tokenizers and text encoders of a pipeline."""

    def __init__(self, pipeline: Any) -> None:
        self._parts = (
            (pipeline.tokenizer, pipeline.text_encoder),
            (pipeline.tokenizer_2, pipeline.text_encoder_2),
        )
        self._empty_is_zero = bool(pipeline.config.force_zeros_for_empty_prompt)

    def chunks(self, prompts: Sequence[Prompt]) -> int:
        """Count the chunks of 75 tokens that the longest of the prompts takes; at least 1."""
        return max(len(self._chunks(tokenizer, prompt.text)) for tokenizer, _ in self._parts for prompt in prompts)

    def encode(self, prompts: Sequence[Prompt], chunks: int) -> tuple[Embedding, Embedding]:
        """The embeddings of what an image shows, and of what it must not show, both of `chunks` chunks.

        Several prompts are added up by weight: `sum(w e) / max(1, sum w)`. Weights that add up to less than 1 weaken
        the prompt. Without negative prompts the second is zero, as SDXL was trained; an empty one is not.
        """
        positive = [prompt for prompt in prompts if prompt.weight > 0]
        negative = [Prompt(prompt.text, -prompt.weight) for prompt in prompts if prompt.weight < 0]
        shown = self._weighted(positive, chunks)
        if not negative and self._empty_is_zero:
            return shown, Embedding(torch.zeros_like(shown.tokens), torch.zeros_like(shown.pooled))
        return shown, self._weighted(negative or [Prompt("")], chunks)

    def _weighted(self, prompts: Sequence[Prompt], chunks: int) -> Embedding:
        embeddings = [self._encoded(prompt.text, chunks) for prompt in prompts]
        if len(prompts) == 1 and prompts[0].weight >= 1:
            return embeddings[0]
        total = max(1.0, sum(prompt.weight for prompt in prompts))
        weights = [prompt.weight / total for prompt in prompts]
        return Embedding(
            sum(weight * embedding.tokens for weight, embedding in zip(weights, embeddings, strict=True)),
            sum(weight * embedding.pooled for weight, embedding in zip(weights, embeddings, strict=True)),
        )

    def _encoded(self, text: str, chunks: int) -> Embedding:
        layers, pooled = [], None
        for tokenizer, encoder in self._parts:
            pieces = self._chunks(tokenizer, text)
            pieces += [[]] * (chunks - len(pieces))
            rows = [[tokenizer.bos_token_id, *piece, tokenizer.eos_token_id] for piece in pieces]
            ids = [row + [tokenizer.pad_token_id] * (CHUNK_TOKENS + 2 - len(row)) for row in rows]
            output = encoder(torch.tensor(ids, device=encoder.device), output_hidden_states=True)
            # The last layer but one, one chunk behind the other.
            layers.append(output.hidden_states[-2].flatten(0, 1))
            # Of the first chunk, which says what the picture is of.
            pooled = output[0][0]
        return Embedding(torch.cat(layers, dim=-1), pooled)

    @staticmethod
    def _chunks(tokenizer: Any, text: str) -> list[list[int]]:
        # Quiet, because it is not cut off here.
        ids = tokenizer(text, add_special_tokens=False, truncation=False, verbose=False).input_ids
        return [ids[start : start + CHUNK_TOKENS] for start in range(0, max(1, len(ids)), CHUNK_TOKENS)]
