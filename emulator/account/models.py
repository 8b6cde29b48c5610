"""What AWS and the Marketplace hold of the models on instances: artifact, container image, model package, agreement."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping

from emulator.account.answers import Answer, ServiceError
from emulator.account.asked import Asked
from emulator.account.facts import AccountBook, Facts
from stacks.catalog import load_catalog

PRODUCT = "prod-emulatedsdxl1"
_IMAGE = re.compile(r"(?P<registry>\d{12})\.dkr\.ecr\.(?P<region>[^.]+)\.[^/]+/(?P<repository>[^:]+):(?P<tag>.+)")
# Nobody downloads it: the stand-in needs no weights.
_ARTIFACT_BYTES = "7000000000"


def _artifact(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer | None:
    place = f"s3://{asked.parameters['bucket']}/{asked.parameters['key']}"
    if place not in {container.model_data_url for container in load_catalog().open.containers.values()}:
        return None
    if "artifact" in facts.missing:
        raise ServiceError("NoSuchKey", "The specified key does not exist.", 404)
    return Answer({}, {"Content-Length": _ARTIFACT_BYTES, "ETag": '"emulated"'})


def _image(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer | None:
    registry, repository = asked.parameters.get("registryId"), asked.parameters.get("repositoryName")
    images = [_IMAGE.fullmatch(container.image_uri) for container in load_catalog().open.containers.values()]
    tags = {
        image["tag"]
        for image in images
        if image and (image["registry"], image["region"], image["repository"]) == (registry, asked.region, repository)
    }
    if not tags:
        return None
    found, failures = [], []
    for wanted in asked.parameters.get("imageIds", ()):
        if wanted.get("imageTag") in tags and "container_image" not in facts.missing:
            found.append({"registryId": registry, "repositoryName": repository, "imageId": wanted})
        else:
            reason = "Requested image not found"
            failures.append({"imageId": wanted, "failureCode": "ImageNotFound", "failureReason": reason})
    return Answer({"images": found, "failures": failures})


def _model_package(asked: Asked, _: str, facts: Facts, __: AccountBook) -> Answer | None:
    arn = str(asked.parameters.get("ModelPackageName"))
    optimized = load_catalog().optimized
    if arn not in optimized.package_arns.values():
        return None
    if "model_package" in facts.missing or optimized.package_arns.get(asked.region) != arn:
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
                "SupportedRealtimeInferenceInstanceTypes": list(optimized.instance_types),
            },
        }
    )


def _agreements(asked: Asked, account: str, facts: Facts, _: AccountBook) -> Answer:
    filters = {one["name"]: one["values"] for one in asked.parameters.get("filters", ())}
    is_found = facts.subscribed and filters.get("ResourceIdentifier") == [PRODUCT]
    agreement = {"agreementId": f"agmt-{account}", "agreementType": "PurchaseAgreement", "status": "ACTIVE"}
    return Answer({"agreementViewSummaries": [agreement] if is_found else []})


HANDLERS: Mapping[str, Callable[[Asked, str, Facts, AccountBook], Answer | None]] = {
    "s3:GetObject": _artifact,
    "ecr:BatchGetImage": _image,
    "sagemaker:DescribeModelPackage": _model_package,
    "aws-marketplace:SearchAgreements": _agreements,
}
