"""What the image function needs of the model it calls, wherever the model runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from stacks.constructs.statement import Statement


class ModelAccess(Protocol):
    """A model that a function can call: a SageMaker endpoint, or a model of Amazon Bedrock."""

    def environment(self) -> Mapping[str, str]:
        """Environment variables that tell the function where the model is."""

    def invoke_statements(self) -> Iterable[Statement]:
        """What calling this model, and no other, takes of a role."""
