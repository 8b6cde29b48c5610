"""`verify`: the committed catalog is confirmed without a network, and each planted fault is found."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from stacks.catalog import Catalog, load_catalog
from stacks.catalog.verify import SageMakerCore, _installed, sagemaker_core, verify

pytestmark = pytest.mark.disable_socket


@pytest.fixture(scope="module")
def sdk() -> SageMakerCore:
    return sagemaker_core(load_catalog())


def _with_container(catalog: Catalog, region: str, **values: Any) -> Catalog:
    container = replace(catalog.open.containers[region], **values)
    return replace(catalog, open=replace(catalog.open, containers={**catalog.open.containers, region: container}))


def _with_package(catalog: Catalog, region: str, arn: str) -> Catalog:
    packages = {**catalog.optimized.package_arns, region: arn}
    return replace(catalog, optimized=replace(catalog.optimized, package_arns=packages))


def test_committed_catalog_is_confirmed_by_sagemaker_core_offline() -> None:
    assert verify(load_catalog()) == []


def test_sagemaker_core_knows_every_region_of_the_catalog(sdk: SageMakerCore) -> None:
    assert set(sdk.images) == set(load_catalog().regions("open"))
    assert sdk.version


def test_reading_sagemaker_core_is_silent(capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture) -> None:
    _installed.cache_clear()
    with caplog.at_level(logging.DEBUG):
        sagemaker_core(load_catalog())

    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")
    assert [record for record in caplog.records if record.name.startswith("sagemaker")] == []


def test_image_that_differs_is_found(sdk: SageMakerCore) -> None:
    container = load_catalog().open_container("us-east-1")
    catalog = _with_container(load_catalog(), "us-east-1", image_uri=container.image_uri.replace("7631", "9999"))

    findings = verify(catalog, sdk)

    assert [finding.subject for finding in findings] == ["sdxl_open.json: us-east-1"]
    assert "the catalog has 9999" in str(findings[0])
    assert f"expected {container.image_uri}" in str(findings[0])


def test_region_that_only_the_sdk_has_is_found(sdk: SageMakerCore) -> None:
    containers = {key: value for key, value in load_catalog().open.containers.items() if key != "eu-west-1"}
    catalog = replace(load_catalog(), open=replace(load_catalog().open, containers=containers))

    (finding,) = verify(catalog, sdk)

    assert (finding.subject, finding.catalog) == ("sdxl_open.json: eu-west-1", "no such region")


def test_region_that_only_the_catalog_has_is_found(sdk: SageMakerCore) -> None:
    images = {key: value for key, value in sdk.images.items() if key != "eu-west-1"}

    (finding,) = verify(load_catalog(), replace(sdk, images=images))

    assert (finding.subject, finding.expected) == ("sdxl_open.json: eu-west-1", "no such region")


def test_content_bucket_that_differs_is_found(sdk: SageMakerCore) -> None:
    buckets = {**sdk.content_buckets, "eu-west-1": "jumpstart-cache-moved-eu-west-1"}

    (finding,) = verify(load_catalog(), replace(sdk, content_buckets=buckets))

    assert finding.expected == "jumpstart-cache-moved-eu-west-1"


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"image_uri": "not an image"}, "address of the image"),
        ({"content_bucket": "jumpstart-cache-prod-us-west-2"}, "content bucket"),
        ({"model_data_url": "s3://elsewhere/model.tar.gz"}, "address of the artifact"),
        ({"environment": {"SAGEMAKER_SUBMIT_DIRECTORY": "/opt"}}, "SAGEMAKER_SUBMIT_DIRECTORY beside a prepacked"),
    ],
)
def test_contradiction_in_a_region_is_found(sdk: SageMakerCore, values: dict[str, Any], text: str) -> None:
    findings = verify(_with_container(load_catalog(), "us-east-1", **values), sdk)

    assert any(text in finding.text and finding.subject == "sdxl_open.json: us-east-1" for finding in findings)


def test_image_name_that_differs_between_regions_is_found(sdk: SageMakerCore) -> None:
    uri = load_catalog().open_container("us-east-1").image_uri + "-v2"

    findings = verify(_with_container(load_catalog(), "us-east-1", image_uri=uri), sdk)

    assert any(finding.text == "differs between regions" for finding in findings)


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("eu-west-1", "eu-west-2", "region of the model package"),
        ("arn:aws:", "arn:aws-cn:", "partition of the model package"),
        ("model-package/", "model/", "not a model package ARN"),
        ("sdxl-v1-0", "sdxl-v2-0", "differs between regions"),
    ],
)
def test_wrong_model_package_is_found(sdk: SageMakerCore, old: str, new: str, text: str) -> None:
    arn = load_catalog().optimized_package_arn("eu-west-1").replace(old, new)

    findings = verify(_with_package(load_catalog(), "eu-west-1", arn), sdk)

    assert text in [finding.text for finding in findings]


@pytest.mark.parametrize(("code", "text"), [("L-1928E07B", "quota code"), (None, "quota code of a type that")])
def test_wrong_quota_code_is_found(sdk: SageMakerCore, code: str | None, text: str) -> None:
    catalog = load_catalog()
    instance = replace(catalog.instance_type("ml.g5.2xlarge"), quota_code=code)

    findings = verify(replace(catalog, instances={**catalog.instances, instance.name: instance}), sdk)

    assert any(finding.text.startswith(text) for finding in findings)
