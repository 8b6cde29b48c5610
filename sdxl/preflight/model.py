"""Whether the account may use the model that the environment names, and whether it is there."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from sdxl.preflight.account import Account, AwsError, Finding, Status
from stacks.catalog import CatalogError, load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog
from stacks.environment import OptimizedModel

ARTIFACT = "artifact"
IMAGE = "container image"
PACKAGE = "model package"
SUBSCRIPTION = "Marketplace subscription"

# AWS Marketplace answers for all regions there.
_MARKETPLACE_REGION = "us-east-1"
_IMAGE_URI = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.[a-z.]+/(?P<repository>[^:]+):(?P<tag>.+)"
)
_NOT_THERE = ("ResourceNotFoundException", "ResourceNotFound", "ValidationException")


def check_model(account: Account) -> Iterator[Finding]:
    """Every model of the environment is there, and the account may use it."""
    variants = account.environment.all_variants
    if not variants:
        yield from _check_bedrock(account)
    # Variants that share a model differ in their instance types alone.
    for model in dict.fromkeys(variant.model for variant in variants):
        if model.source == "open":
            yield from _check_open(account)
        else:
            types = [name for variant in variants if variant.model == model for name in variant.instance_types]
            yield from _check_optimized(account, model, tuple(dict.fromkeys(types)))


def _check_open(account: Account) -> Iterator[Finding]:
    region = account.environment.region
    try:
        container = load_catalog().open_container(region)
    except CatalogError as exc:
        yield Finding(name=IMAGE, status="failed", found=str(exc), remedy="Choose one of those regions.")
        return
    bucket, _, key = container.model_data_url.removeprefix("s3://").partition("/")
    details: dict[str, Any] = {"bucket": bucket, "key": key}
    try:
        size = account.call("s3:GetObject", Bucket=bucket, Key=key).get("ContentLength")
    except AwsError as exc:
        if exc.code in ("404", "NoSuchKey", "NoSuchBucket", "NotFound"):
            yield Finding(
                name=ARTIFACT,
                status="failed",
                found=f"{container.model_data_url} is not there",
                remedy="Renew the catalog: `sdxl catalog refresh`.",
                details=details,
            )
        else:
            yield exc.unknown(ARTIFACT)
    else:
        yield Finding(
            name=ARTIFACT, status="ok", found=container.model_data_url, details={**details, "content_length": size}
        )
    yield _check_image(account, container.image_uri)


def _check_image(account: Account, image_uri: str) -> Finding:
    parts = _IMAGE_URI.fullmatch(image_uri)
    details = {"image": image_uri}
    if parts is None:
        found = f"{image_uri} is no image in Amazon ECR"
        return Finding(name=IMAGE, status="unknown", found=found, remedy="Look whether it can be pulled.")
    try:
        answer = account.call(
            "ecr:BatchGetImage",
            region=parts["region"],
            registryId=parts["account"],
            repositoryName=parts["repository"],
            imageIds=[{"imageTag": parts["tag"]}],
        )
    except AwsError as exc:
        if exc.code != "RepositoryNotFoundException":
            return exc.unknown(IMAGE)
        answer = {}
    if not answer.get("images"):
        reason = "".join(failure.get("failureReason", "") for failure in answer.get("failures", ())[:1])
        return Finding(
            name=IMAGE,
            status="failed",
            found=f"{image_uri} is not there{f': {reason}' if reason else ''}",
            remedy="Renew the catalog: `sdxl catalog refresh`.",
            details=details,
        )
    return Finding(name=IMAGE, status="ok", found=image_uri, details=details)


def _check_optimized(account: Account, model: OptimizedModel, types: tuple[str, ...]) -> Iterator[Finding]:
    environment = account.environment
    catalog = load_catalog()
    try:
        arn = model.model_package_arn or catalog.optimized_package_arn(environment.region)
    except CatalogError as exc:
        yield Finding(name=PACKAGE, status="failed", found=str(exc), remedy="Or set `model.model_package_arn`.")
        return
    subscribe = (
        f"Subscribe the account {environment.account} to it in AWS Marketplace, listing "
        f"https://aws.amazon.com/marketplace/pp/{catalog.optimized.product_id}"
    )
    details = {"model_package": arn, "listing": catalog.optimized.product_id}
    try:
        package = account.call("sagemaker:DescribeModelPackage", ModelPackageName=arn)
    except AwsError as exc:
        if "subscribed" in exc.message.lower():
            yield Finding(name=SUBSCRIPTION, status="failed", found=exc.message, remedy=subscribe, details=details)
        elif exc.code in _NOT_THERE:
            found = f"{arn} is not there: {exc.message}"
            remedy = f"Correct `model.model_package_arn`, if the file sets it. {subscribe}."
            yield Finding(name=PACKAGE, status="failed", found=found, remedy=remedy, details=details)
        else:
            yield exc.unknown(PACKAGE)
            yield exc.unknown(SUBSCRIPTION)
        return
    yield _package(package, arn, types)
    yield _subscription(account, package, subscribe, details)


def _package(package: Any, arn: str, wanted: tuple[str, ...]) -> Finding:
    status = package.get("ModelPackageStatus", "Completed")
    if status != "Completed":
        remedy = "It cannot be deployed like this: ask its seller, or name another in `model.model_package_arn`."
        return Finding(name=PACKAGE, status="failed", found=f"{arn} is {status}", remedy=remedy)
    supported = package.get("InferenceSpecification", {}).get("SupportedRealtimeInferenceInstanceTypes", ())
    missing = [instance_type for instance_type in wanted if supported and instance_type not in supported]
    if missing:
        return Finding(
            name=PACKAGE,
            status="failed",
            found=f"it does not run on {', '.join(missing)}",
            remedy=f"Set `endpoint.instance_types` to some of: {', '.join(supported)}.",
            details={"supported": list(supported)},
        )
    return Finding(name=PACKAGE, status="ok", found=arn)


def _subscription(account: Account, package: Any, subscribe: str, details: dict[str, Any]) -> Finding:
    """A package can be described without a subscription, so only an agreement of the account proves it."""
    containers = package.get("InferenceSpecification", {}).get("Containers", ())
    product = next((container["ProductId"] for container in containers if container.get("ProductId")), None)
    if product is None:
        return Finding(
            name=SUBSCRIPTION,
            status="unknown",
            found="the model package names no product to look for",
            remedy=f"Look in AWS Marketplace under Manage subscriptions. {subscribe}, if it is not there.",
            details=details,
        )
    filters = {
        "PartyType": "Acceptor",
        "AgreementType": "PurchaseAgreement",
        "ResourceIdentifier": product,
        "Status": "ACTIVE",
    }
    try:
        agreements = account.call(
            "aws-marketplace:SearchAgreements",
            region=_MARKETPLACE_REGION,
            catalog="AWSMarketplace",
            filters=[{"name": name, "values": [value]} for name, value in filters.items()],
        ).get("agreementViewSummaries", ())
    except AwsError as exc:
        return exc.unknown(SUBSCRIPTION)
    details = {**details, "product": product}
    if not agreements:
        return Finding(
            name=SUBSCRIPTION,
            # A licence that another account of the organisation shares is not seen here: no reason to stop a pipeline.
            status="warning",
            found=f"this account has no active agreement for product {product}",
            remedy=f"{subscribe}, unless another account shares its licence with it.",
            details=details,
        )
    agreement = agreements[0].get("agreementId", "")
    return Finding(
        name=SUBSCRIPTION, status="ok", found=f"agreement {agreement}", details={**details, "agreement": agreement}
    )


def _check_bedrock(account: Account) -> Iterator[Finding]:
    model: Any = account.environment.model
    region = model.region or account.environment.region
    if model.model_arn is None:
        yield from _check_bedrock_model(account, model.model_id, region)
    else:
        yield _check_own_model(account, model, region)
    if model.inpaint_model_id is not None:
        yield from _check_bedrock_model(account, model.inpaint_model_id, region)


def _check_own_model(account: Account, model: Any, region: str) -> Finding:
    arn = model.model_arn
    name = "provisioned throughput" if model.provisioned_model_arn else "imported model"
    try:
        if model.provisioned_model_arn:
            found = account.call("bedrock:GetProvisionedModelThroughput", region=region, provisionedModelId=arn)
            if found["status"] != "InService":
                remedy = "Wait until it is in service, or name another."
                return Finding(name=name, status="failed", found=f"{arn} is {found['status']}", remedy=remedy)
        else:
            account.call("bedrock:GetImportedModel", region=region, modelIdentifier=arn)
    except AwsError as exc:
        if exc.code not in _NOT_THERE:
            return exc.unknown(name)
        remedy = "Correct the ARN in the environment file, or leave it out."
        return Finding(name=name, status="failed", found=f"{arn} is not there: {exc.message}", remedy=remedy)
    return Finding(name=name, status="ok", found=arn)


def _check_bedrock_model(account: Account, model_id: str, region: str) -> Iterator[Finding]:
    profile = None
    try:
        known = load_bedrock_catalog().model(model_id)
        profile = known.inference_profile
        model_id = known.model_id
        successors = " or ".join(known.successors)
    except CatalogError:
        successors = ""
    name = f"Bedrock {model_id}"
    if profile is not None:
        yield _inference_profile(account, profile.profile_id, region)
    try:
        found = account.call("bedrock:GetFoundationModel", region=region, modelIdentifier=model_id)["modelDetails"]
    except AwsError as exc:
        if exc.code in _NOT_THERE:
            yield Finding(
                name=f"{name}: lifecycle",
                # With a profile the model itself may well be in other regions only.
                status="failed" if profile is None else "unknown",
                found=f"Bedrock has no such model in {region}: {exc.message}",
                remedy=f"Choose another `model.region`, or {successors or 'another model'}.",
                details={"region": region},
            )
        else:
            yield exc.unknown(f"{name}: lifecycle")
    else:
        yield _lifecycle(found, f"{name}: lifecycle", successors)
    yield _model_access(account, model_id, region, f"{name}: access")


def _inference_profile(account: Account, profile_id: str, region: str) -> Finding:
    name = f"inference profile {profile_id}"
    try:
        status = account.call("bedrock:GetInferenceProfile", region=region, inferenceProfileIdentifier=profile_id)[
            "status"
        ]
    except AwsError as exc:
        if exc.code not in _NOT_THERE:
            return exc.unknown(name)
        status = f"not there: {exc.message}"
    if status != "ACTIVE":
        remedy = "Choose one of its source regions as `model.region` (docs/bedrock.md)."
        return Finding(name=name, status="failed", found=f"in {region} it is {status}", remedy=remedy)
    return Finding(name=name, status="ok", found=f"active in {region}")


def _lifecycle(found: Any, name: str, successors: str) -> Finding:
    lifecycle = found.get("modelLifecycle") or {}
    status = lifecycle.get("status", "unknown")
    end = lifecycle.get("endOfLifeTime")
    details = {"lifecycle": status, "end_of_life": end.date().isoformat() if end else None}
    if end and end < datetime.now(UTC):
        return Finding(
            name=name,
            status="failed",
            found=f"it reached its end of life on {end.date().isoformat()}",
            remedy=f"Choose {successors or 'another model'}.",
            details=details,
        )
    if status == "LEGACY":
        until = f" and ends on {end.date().isoformat()}" if end else ""
        return Finding(
            name=name,
            status="warning",
            found=f"it is legacy{until}; accounts that did not use it lately may be refused",
            remedy=f"Move on{f' to {successors}' if successors else ''} before it ends.",
            details=details,
        )
    if status == "ACTIVE":
        return Finding(name=name, status="ok", found="active", details=details)
    remedy = "Look at its lifecycle in the Bedrock console."
    return Finding(name=name, status="unknown", found=f"lifecycle {status}", remedy=remedy, details=details)


def _model_access(account: Account, model_id: str, region: str, name: str) -> Finding:
    try:
        answer = account.call("bedrock:GetFoundationModelAvailability", region=region, modelId=model_id)
    except AwsError as exc:
        return exc.unknown(name)
    agreement = answer.get("agreementAvailability", {}).get("status")
    details = {
        "agreement": agreement,
        "authorization": answer.get("authorizationStatus"),
        "entitlement": answer.get("entitlementAvailability"),
        "region": answer.get("regionAvailability"),
    }
    status: Status = "failed"
    if details["region"] == "NOT_AVAILABLE":
        found, remedy = f"the model is not available in {region}", "Choose another `model.region`, or another model."
    elif details["authorization"] == "NOT_AUTHORIZED":
        found = "the account is not authorized to use the model"
        remedy = "An administrator, or the organisation's policies, must allow it."
    elif agreement in ("NOT_AVAILABLE", "ERROR"):
        found = f"the account has not agreed to the model's terms ({agreement})"
        remedy = (
            "Someone with aws-marketplace:Subscribe opens the model in the Bedrock console or calls it once; the "
            "deployed function may not subscribe."
        )
    elif agreement == "PENDING":
        status, found, remedy = "warning", "access was asked for and is pending", "Wait some minutes, and run it again."
    elif details["entitlement"] == "NOT_AVAILABLE":
        found, remedy = "the account has no entitlement to the model", "Ask for access in the Bedrock console."
    elif agreement == "AVAILABLE":
        return Finding(name=name, status="ok", found="granted", details=details)
    else:
        status, found, remedy = "unknown", f"Bedrock says {agreement}", "Look in the Bedrock console."
    return Finding(name=name, status=status, found=found, remedy=remedy, details=details)
