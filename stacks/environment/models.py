"""The model sources that an environment can name, and the settings of each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stacks.environment.bedrock import BedrockModel
from stacks.environment.section import Section
from stacks.environment.values import MODEL_PACKAGE_ARN_PATTERN


class OptimizedModel(Section):
    """SDXL 1.0 as Stability AI's AWS Marketplace model package: fastest, billed with a software charge."""

    source: Literal["optimized"] = Field(
        description="SDXL 1.0 as Stability AI's AWS Marketplace model package. The account must be subscribed to the "
        "listing; AWS bills a software charge beside the instance."
    )
    model_package_arn: Annotated[str, Field(pattern=MODEL_PACKAGE_ARN_PATTERN)] | None = Field(
        default=None,
        description="Model package to deploy, of the environment's region. Left out: the catalog's package for the "
        "region. With it, regions that the catalog does not know can be used.",
    )


class OpenModel(Section):
    """SDXL 1.0 Open from SageMaker JumpStart: open weights, no optimization, no subscription."""

    source: Literal["open"] = Field(
        description="SDXL 1.0 Open from SageMaker JumpStart: open weights, no subscription, no software charge."
    )


# What runs on an endpoint's instances.
EndpointModel = Annotated[OptimizedModel | OpenModel, Field(discriminator="source")]
Model = Annotated[OptimizedModel | OpenModel | BedrockModel, Field(discriminator="source")]
