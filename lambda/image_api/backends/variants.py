"""Several variants behind one endpoint, for an A/B test of models: which of them draws a request.

SageMaker's own routing by weight would send one payload to either, and two model sources read different ones. So the
choice is made here, the payload is written for the variant that was chosen, and SageMaker is told which one it is.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from image_api.deadline import Deadline
from image_api.errors import UnsupportedByModelError
from image_api.request import Artifact, GenerationRequest, GenerationResult

# Shares finer than a ten-thousandth of a percent make no difference that anyone could measure.
_GRAIN = 1_000_000

Draw = Callable[[], float]


class CheckedBackend(Protocol):
    """A backend that can say beforehand whether its model does a request."""

    def check(self, request: GenerationRequest) -> None:
        """Raise `UnsupportedByModelError` for what its model cannot do."""

    def generate(
        self, request: GenerationRequest, deadline: Deadline, drawn: dict[int, Artifact] | None = None
    ) -> GenerationResult:
        """Draw the samples of `request` that are not in `drawn`, which gets those that are drawn."""


class WeightedBackend(NamedTuple):
    """A variant's backend and its share of the requests, relative to the others'."""

    backend: CheckedBackend
    weight: float


def random_share() -> float:
    """A number from 0 to 1, without 1.

    Of the system: a SnapStart snapshot would clone the state of `random` into every execution environment.
    """
    return secrets.randbelow(_GRAIN) / _GRAIN


class VariantBackend:
    """Variants that share the requests; the first one speaks for all where none can do a request."""

    def __init__(self, variants: Sequence[WeightedBackend], *, draw: Draw = random_share) -> None:
        self._variants = tuple(variants)
        self._draw = draw

    def generate(
        self, request: GenerationRequest, deadline: Deadline, drawn: dict[int, Artifact] | None = None
    ) -> GenerationResult:
        """Draw the missing samples of `request` with one variant, chosen by weight among those whose model can do it.

        Raises:
            UnsupportedByModelError: none can; the first variant's reason.
            ImageApiError: the chosen variant failed. No other one is tried: it would be paid twice.
        """
        return self._chosen(request).generate(request, deadline, drawn)

    def _chosen(self, request: GenerationRequest) -> CheckedBackend:
        able: list[WeightedBackend] = []
        reason: UnsupportedByModelError | None = None
        for variant in self._variants:
            try:
                variant.backend.check(request)
            except UnsupportedByModelError as exc:
                reason = reason or exc
            else:
                able.append(variant)
        if not able:
            assert reason is not None  # noqa: S101 - there is at least one variant
            raise reason
        total = sum(variant.weight for variant in able)
        # A variant of weight 0 takes no traffic, unless it alone can do what is asked.
        point = self._draw() * total
        for variant in able:
            point -= variant.weight
            if point < 0:
                return variant.backend
        return able[-1].backend
