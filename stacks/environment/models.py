"""The section `model`: the model sources that an environment can name, and the settings of each."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from stacks.environment.values import REGION_PATTERN, Section, described_pattern

_MODEL_PACKAGE_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:sagemaker:[a-z0-9-]+:\d{12}:model-package/[A-Za-z0-9/-]+$",
    "arn:<partition>:sagemaker:<region>:<account>:model-package/<name>",
)
# Amazon Bedrock API reference: ProvisionedModelArn, ImportedModelArn.
_PROVISIONED_MODEL_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:bedrock:[a-z0-9-]{1,20}:\d{12}:provisioned-model/[a-z0-9]{12}$",
    "arn:<partition>:bedrock:<region>:<account>:provisioned-model/<12 characters>",
)
_IMPORTED_MODEL_ARN_PATTERN = described_pattern(
    r"^arn:aws(-cn|-us-gov)?:bedrock:[a-z0-9-]{1,20}:\d{12}:imported-model/[a-z0-9]{12}$",
    "arn:<partition>:bedrock:<region>:<account>:imported-model/<12 characters>",
)


class OptimizedModel(Section):
    """SDXL 1.0 as Stability AI's AWS Marketplace model package: fastest, billed with a software charge."""

    source: Literal["optimized"] = Field(
        description="SDXL 1.0 as Stability AI's AWS Marketplace model package. The account must be subscribed to the "
        "listing; AWS bills a software charge on top of the instance."
    )
    model_package_arn: Annotated[str, Field(pattern=_MODEL_PACKAGE_ARN_PATTERN)] | None = Field(
        default=None,
        description="Model package to deploy, of the environment's region. Left out: the catalog's package for the "
        "region. With it, regions that the catalog does not know can be used.",
    )


class OpenVariantModel(Section):
    """SDXL 1.0 Open from SageMaker JumpStart: open weights, no optimization, no subscription."""

    source: Literal["open"] = Field(
        description="SDXL 1.0 Open from SageMaker JumpStart: open weights, no subscription, no software charge."
    )


class OpenModel(OpenVariantModel):
    """SDXL 1.0 Open as the environment's model source."""

    masks: Literal["approximate", "refuse"] = Field(
        default="approximate",
        description="What happens to requests with a mask, which this model does not draw itself. `approximate`: it "
        "draws the whole image, of which the masked part is kept under a soft edge; a warning says so. `refuse`: an "
        "error. Where a variant of source `optimized` takes part, that variant draws them.",
    )


class BedrockModel(Section):
    """An image model of Amazon Bedrock, billed per image: no endpoint, no instances, nothing that idles."""

    source: Literal["bedrock"] = Field(
        description="An image model of Amazon Bedrock, billed per image: no endpoint is deployed and nothing idles. "
        "docs/bedrock.md says what each model can do and costs."
    )
    model_id: str = Field(
        min_length=1,
        max_length=200,
        description="Model of the catalog, such as `stability.sd3-5-large-v1:0`. A model that has reached its end of "
        "life is refused, unless `provisioned_model_arn` or `imported_model_arn` still serves it.",
    )
    inpaint_model_id: Annotated[str, Field(min_length=1, max_length=200)] | None = Field(
        default=None,
        description="Model that carries out requests with a mask, such as `stability.stable-image-inpaint-v1:0`. Left "
        "out: they are refused, unless `model_id` takes masks itself.",
    )
    region: Annotated[str, Field(pattern=REGION_PATTERN)] | None = Field(
        default=None,
        description="Region in which Bedrock is called; prompts and images go there. Left out: the environment's.",
    )
    provisioned_model_arn: Annotated[str, Field(pattern=_PROVISIONED_MODEL_ARN_PATTERN)] | None = Field(
        default=None, description="Provisioned throughput that serves `model_id`, called in place of the model itself."
    )
    imported_model_arn: Annotated[str, Field(pattern=_IMPORTED_MODEL_ARN_PATTERN)] | None = Field(
        default=None,
        description="Imported model that answers as `model_id` does, called in place of the model itself.",
    )

    @property
    def model_arn(self) -> str | None:
        """ARN to call in place of the model: of the provisioned throughput or the imported model."""
        return self.provisioned_model_arn or self.imported_model_arn


# What runs on an endpoint's instances.
EndpointModel = Annotated[OptimizedModel | OpenVariantModel, Field(discriminator="source")]
Model = Annotated[OptimizedModel | OpenModel | BedrockModel, Field(discriminator="source")]
