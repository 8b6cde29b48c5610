"""What the image function needs of the model that it calls: an endpoint of SageMaker, or a model of Amazon Bedrock.

With Bedrock nothing is provisioned, so all there is to deploy is the permission to call the model. Which ARNs a call
needs: Amazon Bedrock User Guide, "Prerequisites for inference profiles" and Service Authorization Reference, "Actions,
resources, and condition keys for Amazon Bedrock".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from aws_cdk import aws_iam as iam

from stacks.catalog import partition_of
from stacks.catalog.bedrock import BedrockCatalogModel, load_bedrock_catalog
from stacks.environment import BedrockModel

_INVOKE = "bedrock:InvokeModel"


class ModelAccess(Protocol):
    """A model that a function can call: a SageMaker endpoint, or a model of Amazon Bedrock."""

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which the function finds the model."""

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow `grantee` to call this model, and no other."""


class BedrockModelAccess:
    """The model, and the inpaint model where there is one, that `model` names in an environment of `account`.

    `region` is the environment's, in which Bedrock is called unless the model's settings name another.
    """

    def __init__(self, *, model: BedrockModel, account: str, region: str) -> None:
        self._model = model
        self._account = account
        self._region = region if model.region is None else model.region

    def environment(self) -> Mapping[str, str]:
        """Return the environment variables with which the function finds model and region."""
        catalog = load_bedrock_catalog()
        found = catalog.model(self._model.model_id)
        variables = {
            "SDXL_BEDROCK_MODEL_ID": self._model.model_arn or found.invocation_id,
            "SDXL_BEDROCK_MODEL_FAMILY": found.family,
            "SDXL_BEDROCK_REGION": self._region,
        }
        if self._model.inpaint_model_id is not None:
            variables["SDXL_BEDROCK_INPAINT_MODEL_ID"] = catalog.model(self._model.inpaint_model_id).invocation_id
        return variables

    def grant_invoke(self, grantee: iam.IGrantable) -> None:
        """Allow calls of the model, and of the inpaint model where there is one.

        The permission is on the model's ARN; through an inference profile, on both the profile's and the model's.
        """
        for statement in self._statements():
            grantee.grant_principal.add_to_principal_policy(statement)

    @property
    def invoked_arns(self) -> list[str]:
        """ARNs of all that `grant_invoke` allows calls of."""
        return [arn for statement in self._statements() for arn in statement.resources]

    def _statements(self) -> Iterator[iam.PolicyStatement]:
        catalog = load_bedrock_catalog()
        if self._model.model_arn is not None:
            yield iam.PolicyStatement(actions=[_INVOKE], resources=[self._model.model_arn])
        else:
            yield from self._foundation_model(catalog.model(self._model.model_id))
        if self._model.inpaint_model_id is not None:
            yield from self._foundation_model(catalog.model(self._model.inpaint_model_id))

    def _foundation_model(self, model: BedrockCatalogModel) -> Iterator[iam.PolicyStatement]:
        profile = model.inference_profile
        if profile is None:
            yield iam.PolicyStatement(actions=[_INVOKE], resources=[self._model_arn(model.model_id, self._region)])
            return
        partition = partition_of(self._region)
        profile_arn = f"arn:{partition}:bedrock:{self._region}:{self._account}:inference-profile/{profile.profile_id}"
        yield iam.PolicyStatement(actions=[_INVOKE], resources=[profile_arn])
        # Bedrock routes the call to one of these regions. The condition closes the way past the profile.
        yield iam.PolicyStatement(
            actions=[_INVOKE],
            resources=[self._model_arn(model.model_id, region) for region in profile.destination_regions],
            conditions={"StringEquals": {"bedrock:InferenceProfileArn": profile_arn}},
        )

    def _model_arn(self, model_id: str, region: str) -> str:
        return f"arn:{partition_of(region)}:bedrock:{region}::foundation-model/{model_id}"
