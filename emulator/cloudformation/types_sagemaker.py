"""AWS::SageMaker: models, endpoint configurations and endpoints."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

from typing import Any, ClassVar

from botocore.exceptions import ClientError

from emulator.cloudformation.errors import ResourceError
from emulator.cloudformation.resource_type import DOCUMENTED, Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import boolean, call, removed_keys, tag_list

NAME_LENGTH = 63


class Model(ResourceType):
    """A model. SageMaker cannot change one: every change but of tags replaces it."""

    name = "AWS::SageMaker::Model"
    carried = words(
        "Containers EnableNetworkIsolation ExecutionRoleArn InferenceExecutionConfig ModelName PrimaryContainer Tags "
        "VpcConfig"
    )
    more_attributes: ClassVar[dict[str, str]] = {"ModelName": DOCUMENTED}
    name_property = "ModelName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the model."""
        name = properties.get("ModelName") or context.physical_name(NAME_LENGTH)
        arn = call(context.client("sagemaker"), "CreateModel", {**properties, "ModelName": name}, of=self.name)[
            "ModelArn"
        ]
        return Made(arn, {"ModelName": name, "ModelArn": arn})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the tags."""
        return _retag(context, made, before, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the model."""
        _unless_missing(context.client("sagemaker").delete_model, ModelName=made.attributes["ModelName"])


class EndpointConfig(ResourceType):
    """An endpoint configuration. SageMaker cannot change one: every change but of tags replaces it."""

    name = "AWS::SageMaker::EndpointConfig"
    carried = words(
        "AsyncInferenceConfig DataCaptureConfig EnableNetworkIsolation EndpointConfigName ExecutionRoleArn "
        "ExplainerConfig KmsKeyId MetricsConfig ProductionVariants ShadowProductionVariants Tags VpcConfig"
    )
    more_attributes: ClassVar[dict[str, str]] = {"EndpointConfigName": DOCUMENTED}
    name_property = "EndpointConfigName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the configuration."""
        name = properties.get("EndpointConfigName") or context.physical_name(NAME_LENGTH)
        fields = {**properties, "EndpointConfigName": name}
        arn = call(context.client("sagemaker"), "CreateEndpointConfig", fields, of=self.name)["EndpointConfigArn"]
        return Made(arn, {"EndpointConfigName": name, "EndpointConfigArn": arn})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the tags."""
        return _retag(context, made, before, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the configuration."""
        name = made.attributes["EndpointConfigName"]
        _unless_missing(context.client("sagemaker").delete_endpoint_config, EndpointConfigName=name)


class Endpoint(ResourceType):
    """An endpoint: an update points it at another configuration."""

    name = "AWS::SageMaker::Endpoint"
    carried = words(
        "DeploymentConfig EndpointConfigName EndpointName ExcludeRetainedVariantProperties "
        "RetainAllVariantProperties Tags"
    )
    more_attributes: ClassVar[dict[str, str]] = {"EndpointName": DOCUMENTED}
    name_property = "EndpointName"
    without_effect: ClassVar[dict[str, str]] = {
        "RetainDeploymentConfig": "it only says which DeploymentConfig an update uses",
    }

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the endpoint and wait until it serves."""
        sagemaker = context.client("sagemaker")
        name = properties.get("EndpointName") or context.physical_name(NAME_LENGTH)
        arn = sagemaker.create_endpoint(
            EndpointName=name, EndpointConfigName=properties["EndpointConfigName"], Tags=tag_list(properties)
        )["EndpointArn"]
        made = Made(arn, {"EndpointName": name, "EndpointArn": arn})
        context.initiated(made)
        _refuse_failure(sagemaker, name)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Move the endpoint to its new configuration; scaled instance counts stay where they are to be retained."""
        sagemaker, name = context.client("sagemaker"), made.attributes["EndpointName"]
        if before["EndpointConfigName"] != after["EndpointConfigName"]:
            fields: dict[str, Any] = {"EndpointName": name, "EndpointConfigName": after["EndpointConfigName"]}
            if "DeploymentConfig" in after:
                fields["DeploymentConfig"] = after["DeploymentConfig"]
            if boolean(after.get("RetainAllVariantProperties", False)):
                fields["RetainAllVariantProperties"] = True
                if "ExcludeRetainedVariantProperties" in after:
                    fields["ExcludeRetainedVariantProperties"] = after["ExcludeRetainedVariantProperties"]
            call(sagemaker, "UpdateEndpoint", fields, of=self.name)
            _refuse_failure(sagemaker, name)
        return _retag(context, made, before, after)

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the endpoint."""
        name = made.attributes["EndpointName"]
        _unless_missing(context.client("sagemaker").delete_endpoint, EndpointName=name)


def _refuse_failure(sagemaker: Any, name: str) -> None:
    described = sagemaker.describe_endpoint(EndpointName=name)
    if described.get("FailureReason"):
        message = f"Resource handler returned message: {described['FailureReason']}"
        raise ResourceError(message)


def _retag(context: Context, made: Made, before: Properties, after: Properties) -> Made:
    sagemaker = context.client("sagemaker")
    if removed_keys(before, after):
        sagemaker.delete_tags(ResourceArn=made.physical_id, TagKeys=removed_keys(before, after))
    if tag_list(after) != tag_list(before):
        sagemaker.add_tags(ResourceArn=made.physical_id, Tags=tag_list(after))
    return made


def _unless_missing(delete: Any, **parameters: Any) -> None:
    try:
        delete(**parameters)
    except ClientError as exc:
        # SageMaker has no error code for what does not exist.
        if "Could not find" not in str(exc):
            raise
