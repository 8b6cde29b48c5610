"""What the image function needs of the model that it calls, on SageMaker or on Amazon Bedrock."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from aws_cdk import aws_iam as iam


class ModelAccess(Protocol):
    """A model that a function can call: a SageMaker endpoint, or a model of Amazon Bedrock."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which the function finds the model."""

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow `grantee` to call this model, and no other."""
