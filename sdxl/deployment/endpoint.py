"""A deployed endpoint: waits while SageMaker changes it, and compares what it serves with what its stack says."""

from __future__ import annotations

import time
from collections.abc import Callable

from boto3.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from sdxl.errors import SdxlError

# SageMaker API reference, DescribeEndpoint, EndpointStatus: these end by themselves.
CHANGING = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
# An endpoint's update may take eight hours (`endpoint.update.max_duration_seconds`), and is then rolled back.
_WAIT_SECONDS = 30_000.0
_POLL_SECONDS = 10.0
_CONFIG_TYPE = "AWS::SageMaker::EndpointConfig"


def wait_until_in_service(
    session: Session, name: str, *, note: Callable[[str], None], pause_seconds: float = _POLL_SECONDS
) -> None:
    """Wait while SageMaker changes the endpoint, which autoscaling does too; an endpoint that is not there is done.

    SageMaker refuses UpdateEndpoint meanwhile, and CloudFormation rolls the deployment back.

    Raises:
        SdxlError: the endpoint cannot be looked at, or is still being changed after eight hours.
    """
    deadline, said = time.monotonic() + _WAIT_SECONDS, ""
    while True:
        try:
            status = session.client("sagemaker").describe_endpoint(EndpointName=name)["EndpointStatus"]
        except (BotoCoreError, ClientError) as exc:
            if _is_missing(exc):
                return
            raise SdxlError(f"The endpoint {name} cannot be looked at: {exc}") from exc
        if status not in CHANGING:
            return
        if time.monotonic() > deadline:
            raise SdxlError(f"The endpoint {name} is still {status}. Look at it in the SageMaker console.")
        if said != (said := f"waiting for the endpoint {name}, which is {status}"):
            note(said)
        time.sleep(pause_seconds)


def check_configuration(session: Session, environment: str) -> None:
    """Compare the endpoint's configuration with that of the environment's stack.

    SageMaker may roll an update back without a failure reason: the endpoint is InService with the configuration before,
    and CloudFormation has taken the update for done.

    Raises:
        SdxlError: the endpoint serves another configuration, or cannot be looked at.
    """
    name = f"sdxl-{environment}"
    stack = f"{name}-Inference"
    try:
        found = session.client("cloudformation").describe_stack_resources(StackName=stack)["StackResources"]
        wanted = [
            str(item["PhysicalResourceId"]).rpartition("/")[2] for item in found if item["ResourceType"] == _CONFIG_TYPE
        ]
        endpoint = session.client("sagemaker").describe_endpoint(EndpointName=name)
    except (BotoCoreError, ClientError) as exc:
        if _is_missing(exc):
            # With Bedrock there is no endpoint, and no stack of one.
            return
        raise SdxlError(f"The endpoint {name} cannot be compared with its stack {stack}: {exc}") from exc
    served = str(endpoint["EndpointConfigName"])
    if wanted and served not in wanted:
        reason = endpoint.get("FailureReason") or "SageMaker gives no reason"
        raise SdxlError(
            f"The endpoint {name} serves the configuration {served}, and its stack {stack} says {wanted[0]}: SageMaker "
            f"has rolled the update back ({reason}). Look at the alarms of endpoint.update.rollback and at the log "
            f"/aws/sagemaker/Endpoints/{name}; then change the model or the settings and deploy again."
        )


def _is_missing(error: Exception) -> bool:
    if not isinstance(error, ClientError):
        return False
    details = error.response.get("Error", {})
    code, message = details.get("Code"), details.get("Message", "").lower()
    return code == "ResourceNotFound" or (
        code in ("ValidationException", "ValidationError") and ("could not find" in message or "not exist" in message)
    )
