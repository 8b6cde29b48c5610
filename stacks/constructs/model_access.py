"""What the image function needs of the model it calls, wherever the model runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import aws_iam as iam


class ModelAccess(Protocol):
    """A model that a function can call: a SageMaker endpoint, or a model of Amazon Bedrock."""

    def environment(self) -> Mapping[str, str]:
        """Environment variables that tell the function where the model is."""

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Let `grantee` call this model and no other."""
