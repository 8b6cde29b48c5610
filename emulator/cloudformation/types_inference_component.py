"""AWS::SageMaker::InferenceComponent."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any, ClassVar

from botocore.exceptions import ClientError

from emulator.cloudformation.resource_type import Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import call

_NOT_GIVEN = "the emulator serves a component at once, and nobody asks for it"
_NO_MEMBER = "UpdateInferenceComponent has no such member"


class InferenceComponent(ResourceType):
    """A model on an endpoint that has none of its own, in a number of copies."""

    name = "AWS::SageMaker::InferenceComponent"
    carried = words("EndpointName InferenceComponentName RuntimeConfig Specification Tags VariantName")
    without_effect: ClassVar[dict[str, str]] = {
        "DeploymentConfig": "a new model takes the place of the old one at once",
        "EndpointArn": "the endpoint's name says it",
    }
    missing_attributes: ClassVar[dict[str, str]] = dict.fromkeys(
        (
            "CreationTime",
            "FailureReason",
            "InferenceComponentStatus",
            "LastModifiedTime",
            "RuntimeConfig.CurrentCopyCount",
            "RuntimeConfig.DesiredCopyCount",
            "RuntimeConfig.PlacementStatus",
            "Specification.Container.DeployedImage",
            "Specification.CurrentDataCacheConfig",
            "Specifications.*.CurrentDataCacheConfig",
        ),
        _NOT_GIVEN,
    )
    also_replacing: ClassVar[dict[str, str]] = dict.fromkeys(
        ("EndpointName", "InferenceComponentName", "VariantName"), _NO_MEMBER
    )

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the component."""
        name = properties.get("InferenceComponentName") or context.physical_name(63)
        fields = {key: value for key, value in properties.items() if key not in self.without_effect}
        fields["InferenceComponentName"] = name
        made = call(context.client("sagemaker"), "CreateInferenceComponent", fields, of=self.name)
        arn = made["InferenceComponentArn"]
        return Made(arn, {"InferenceComponentArn": arn, "InferenceComponentName": name})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the model and the copies; what did not change is left to scaling."""
        changed = {key: after[key] for key in ("RuntimeConfig", "Specification") if before.get(key) != after.get(key)}
        if changed:
            fields: dict[str, Any] = {"InferenceComponentName": made.attributes["InferenceComponentName"]}
            fields |= {"Specification": after["Specification"], **changed}
            call(context.client("sagemaker"), "UpdateInferenceComponent", fields, of=self.name)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the component."""
        try:
            context.client("sagemaker").delete_inference_component(
                InferenceComponentName=made.attributes["InferenceComponentName"]
            )
        except ClientError as exc:
            # SageMaker has no error code for what does not exist.
            if "Could not find" not in str(exc):
                raise
