"""What AWS and the Marketplace hold of the models on instances: artifact, container image, model package, agreement."""

from __future__ import annotations

import time
from collections.abc import Mapping

from emulator.account.requests import Account, Answer, Handler, ServiceError, ServiceRequest

PRODUCT = "prod-emulatedsdxl1"
# Nobody downloads it: the stand-in needs no weights.
_ARTIFACT_BYTES = "7000000000"


def _artifact(request: ServiceRequest, account: Account) -> Answer | None:
    if f"s3://{request.parameters['bucket']}/{request.parameters['key']}" not in account.aws.artifacts:
        return None
    if "artifact" in account.facts.missing:
        raise ServiceError("NoSuchKey", "The specified key does not exist.", 404)
    return Answer({}, {"Content-Length": _ARTIFACT_BYTES, "ETag": '"emulated"'})


def _image(request: ServiceRequest, account: Account) -> Answer | None:
    registry, repository = str(request.parameters.get("registryId")), str(request.parameters.get("repositoryName"))
    tags = account.aws.image_tags(registry, request.region, repository)
    if not tags:
        return None
    found, failures = [], []
    for wanted in request.parameters.get("imageIds", ()):
        if wanted.get("imageTag") in tags and "container_image" not in account.facts.missing:
            found.append({"registryId": registry, "repositoryName": repository, "imageId": wanted})
        else:
            reason = "Requested image not found"
            failures.append({"imageId": wanted, "failureCode": "ImageNotFound", "failureReason": reason})
    return Answer({"images": found, "failures": failures})


def _model_package(request: ServiceRequest, account: Account) -> Answer | None:
    arn = str(request.parameters.get("ModelPackageName"))
    if arn not in account.aws.model_packages:
        return None
    if "model_package" in account.facts.missing or arn.split(":")[3] != request.region:
        raise ServiceError("ValidationException", f"ModelPackage {arn} does not exist.")
    # It is described to those who are not subscribed as well.
    return Answer(
        {
            "ModelPackageName": arn.rpartition("/")[2],
            "ModelPackageArn": arn,
            "ModelPackageStatus": "Completed",
            "ModelPackageStatusDetails": {"ValidationStatuses": []},
            "CreationTime": time.time(),
            "InferenceSpecification": {
                "Containers": [{"ProductId": PRODUCT}],
                "SupportedRealtimeInferenceInstanceTypes": list(account.aws.model_packages[arn]),
            },
        }
    )


def _agreements(request: ServiceRequest, account: Account) -> Answer:
    filters = {one["name"]: one["values"] for one in request.parameters.get("filters", ())}
    is_found = account.facts.subscribed and filters.get("ResourceIdentifier") == [PRODUCT]
    agreement = {"agreementId": f"agmt-{account.id}", "agreementType": "PurchaseAgreement", "status": "ACTIVE"}
    return Answer({"agreementViewSummaries": [agreement] if is_found else []})


HANDLERS: Mapping[str, Handler] = {
    "s3:GetObject": _artifact,
    "ecr:BatchGetImage": _image,
    "sagemaker:DescribeModelPackage": _model_package,
    "aws-marketplace:SearchAgreements": _agreements,
}
