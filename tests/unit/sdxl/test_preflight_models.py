"""`sdxl preflight`: artifacts and images, subscriptions of the Marketplace, models of Bedrock."""

from datetime import UTC, datetime

import pytest
from preflight_fakes import (
    ACCOUNT,
    CORE,
    PRODUCT,
    FakeAws,
    answer,
    assert_found,
    bad,
    bedrock,
    check,
    environment,
    optimized,
    refused,
)

from stacks.catalog.bedrock import load_bedrock_catalog


def availability(**states):
    return answer("GetFoundationModelAvailability", FakeAws().GetFoundationModelAvailability("m", **states))


def lifecycle(status: str, end: datetime):
    details = {"modelArn": "arn:aws:bedrock:us-west-2::foundation-model/x.y", "modelId": "x.y"}
    lifecycle = {"status": status, "endOfLifeTime": end}
    return answer("GetFoundationModel", {"modelDetails": {**details, "modelLifecycle": lifecycle}})


# name: (what plants it, the environment, (status, check, what is found, what to do))
FAULTS = {
    "artifact that is gone": (
        answer("HeadObject", refused("404", "Not Found")),
        environment(),
        ("failed", "artifact", "s3://jumpstart-cache-prod-us-east-1/.* is not there", "sdxl catalog refresh"),
    ),
    "image that is gone": (
        answer("BatchGetImage", {"failures": [{"failureReason": "Requested image not found"}]}),
        environment(),
        ("failed", "container image", "not there: Requested image not found", "sdxl catalog refresh"),
    ),
    "no subscription, as SageMaker says": (
        answer(
            "DescribeModelPackage",
            refused("ValidationException", "Caller is not subscribed to the marketplace offering."),
        ),
        optimized(),
        ("failed", "Marketplace subscription", "not subscribed", "prodview-pe7wqwehghdtm"),
    ),
    "no subscription, as the Marketplace says": (
        answer("SearchAgreements", {"agreementViewSummaries": []}),
        optimized(),
        ("warning", "Marketplace subscription", f"no active agreement for product {PRODUCT}", "prodview-pe7wqwehghdtm"),
    ),
    "model package that is not there": (
        answer("DescribeModelPackage", refused("ValidationException", "ModelPackage does not exist")),
        optimized(),
        ("failed", "model package", "is not there: ModelPackage does not exist", "model.model_package_arn"),
    ),
    "model package that does not run on the type": (
        lambda aws: None,
        optimized(endpoint={"instance_types": ["ml.p4de.24xlarge"]}),
        ("failed", "model package", "does not run on ml.p4de.24xlarge", "ml.g5.2xlarge, ml.p4d.24xlarge"),
    ),
    "Bedrock model that the region has not": (
        answer("GetFoundationModel", refused("ResourceNotFoundException", "Could not find the model")),
        bedrock(),
        ("failed", f"Bedrock {CORE}: lifecycle", "no such model in us-west-2", "model.region"),
    ),
    "Bedrock model that is legacy": (
        lifecycle("LEGACY", datetime(2099, 5, 1, tzinfo=UTC)),
        bedrock(),
        ("warning", f"Bedrock {CORE}: lifecycle", "legacy and ends on 2099-05-01", "before it ends"),
    ),
    "Bedrock model at its end of life": (
        lifecycle("LEGACY", datetime(2025, 5, 20, tzinfo=UTC)),
        bedrock(),
        ("failed", f"Bedrock {CORE}: lifecycle", "end of life on 2025-05-20", "Choose"),
    ),
    "Bedrock's terms not agreed to": (
        availability(agreementAvailability={"status": "NOT_AVAILABLE"}),
        bedrock(),
        ("failed", f"Bedrock {CORE}: access", "not agreed to the model's terms", "aws-marketplace:Subscribe"),
    ),
    "Bedrock model not authorized": (
        availability(authorizationStatus="NOT_AUTHORIZED"),
        bedrock(),
        ("failed", f"Bedrock {CORE}: access", "not authorized", "administrator"),
    ),
    "Bedrock access pending": (
        availability(agreementAvailability={"status": "PENDING"}),
        bedrock(),
        ("warning", f"Bedrock {CORE}: access", "pending", "Wait"),
    ),
    "provisioned throughput that is not there": (
        answer("GetProvisionedModelThroughput", refused("ResourceNotFoundException")),
        bedrock(
            model_id="stability.stable-diffusion-xl-v1",
            provisioned_model_arn=f"arn:aws:bedrock:us-west-2:{ACCOUNT}:provisioned-model/abcdefghijkl",
        ),
        ("failed", "provisioned throughput", "is not there", "Correct the ARN"),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_and_says_what_to_do(aws, fault):
    assert_found(aws, *FAULTS[fault])


def test_bedrock_and_the_marketplace_are_asked_in_their_regions(aws):
    check(aws, optimized(region="eu-west-1"))
    assert aws.regions["SearchAgreements"] == "us-east-1"
    assert aws.regions["DescribeModelPackage"] == "eu-west-1"
    other = bedrock().model_copy(update={"region": "eu-west-1", "model": bedrock(region="us-west-2").model})
    check(aws, other)
    assert aws.regions["GetFoundationModel"] == "us-west-2"


PROFILED = next(found for found in load_bedrock_catalog().models.values() if found.inference_profile)


@pytest.mark.parametrize(
    ("answer", "status", "found"),
    [
        ("ACTIVE", "ok", "active in us-west-2"),
        (refused("ResourceNotFoundException", "no profile"), "failed", "not there: no profile"),
        (refused("AccessDeniedException"), "unknown", "bedrock:GetInferenceProfile was denied"),
    ],
)
def test_models_with_an_inference_profile_need_it_in_their_region(aws, answer, status, found):
    described = bedrock(inpaint_model_id=PROFILED.model_id)
    profile_id = PROFILED.inference_profile.profile_id
    if answer == "ACTIVE":
        answer = {
            "inferenceProfileName": "us",
            "inferenceProfileArn": f"arn:aws:bedrock:us-west-2:{ACCOUNT}:inference-profile/{profile_id}",
            "inferenceProfileId": profile_id,
            "models": [{"modelArn": "arn:aws:bedrock:us-west-2::foundation-model/x.y"}],
            "status": "ACTIVE",
            "type": "SYSTEM_DEFINED",
        }
    aws.answers["GetInferenceProfile"] = answer
    (finding,) = [finding for finding in check(aws, described) if finding.name == f"inference profile {profile_id}"]
    assert finding.status == status
    assert found in finding.found


def test_a_profiled_model_that_lives_in_other_regions_is_no_failure(aws):
    aws.answers["GetInferenceProfile"] = refused("AccessDenied")
    aws.answers["GetFoundationModel"] = lambda modelIdentifier: (  # noqa: N803
        refused("ValidationException") if modelIdentifier == PROFILED.model_id else aws.GetFoundationModel(CORE)
    )
    findings = bad(check(aws, bedrock(inpaint_model_id=PROFILED.model_id)))
    assert {finding.status for finding in findings} == {"unknown"}


def test_an_imported_model_is_looked_up(aws):
    arn = f"arn:aws:bedrock:us-west-2:{ACCOUNT}:imported-model/abcdefghijkl"
    described = bedrock(model_id="stability.stable-diffusion-xl-v1", imported_model_arn=arn)
    aws.answers["GetImportedModel"] = {"modelArn": arn}
    assert bad(check(aws, described)) == []
    aws.answers["GetImportedModel"] = refused("ResourceNotFoundException", "no such model")
    (finding,) = bad(check(aws, described))
    assert (finding.status, finding.name) == ("failed", "imported model")
