"""`refresh`: a JumpStart specification becomes the Open variant's catalog file, and differences are named."""

import json
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from stacks.catalog import CatalogError, load_catalog
from stacks.catalog.jumpstart import fetch_open_spec
from stacks.catalog.reader import CATALOG_DIRECTORY, CATALOG_FILES, parse_catalog
from stacks.catalog.refresh import MODEL_ID, Change, changes, newest_spec_key, open_catalog

pytestmark = pytest.mark.disable_socket

HERE = Path(__file__).parent
BUCKETS = {region: f"jumpstart-cache-prod-{region}" for region in ("us-east-1", "eu-west-1", "ap-south-1")}
SOURCE = {"source": "s3://bucket/spec.json", "as_of": "2026-01-31"}


@pytest.fixture
def spec() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((HERE / "jumpstart_spec.json").read_text())
    return content


@pytest.fixture
def manifest() -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((HERE / "jumpstart_manifest.json").read_text())
    return content


def test_newest_version_is_chosen_by_number_not_by_text(manifest: list[dict[str, Any]]) -> None:
    assert newest_spec_key(manifest) == f"community_models/{MODEL_ID}/specs_v1.0.15.json"


def test_manifest_without_the_model_is_an_error(manifest: list[dict[str, Any]]) -> None:
    with pytest.raises(CatalogError, match=r"does not list .* AWS may have withdrawn it"):
        newest_spec_key(manifest[:1])


def test_manifest_with_another_kind_of_version_is_an_error() -> None:
    with pytest.raises(CatalogError, match="'latest' is not a version"):
        newest_spec_key([{"model_id": MODEL_ID, "version": "latest", "spec_key": "x"}])


def test_specification_becomes_what_the_committed_catalog_has(spec: dict[str, Any]) -> None:
    committed = json.loads((CATALOG_DIRECTORY / "sdxl_open.json").read_text())

    content = open_catalog(spec, BUCKETS, **SOURCE)

    assert content["environment"]["variables"] == committed["environment"]["variables"]
    assert content["artifact"]["key"] == committed["artifact"]["key"]
    assert content["instance_types"]["supported"] == committed["instance_types"]["supported"]
    assert content["model"]["version"] == committed["model"]["version"]
    for region in ("us-east-1", "eu-west-1"):
        assert content["containers"]["regions"][region] == committed["containers"]["regions"][region]
    assert all({"source", "as_of"} <= group.keys() for group in content.values())


def test_result_can_be_read_as_a_catalog(spec: dict[str, Any]) -> None:
    documents = {name: json.loads((CATALOG_DIRECTORY / name).read_text()) for name in CATALOG_FILES}

    catalog = parse_catalog({**documents, "sdxl_open.json": open_catalog(spec, BUCKETS, **SOURCE)})

    assert catalog.open_container("us-east-1") == load_catalog().open_container("us-east-1")
    assert catalog.provenance["open.containers"].as_of == "2026-01-31"


def test_environment_values_become_text_and_the_prepacked_artifact_has_no_submit_directory(
    spec: dict[str, Any],
) -> None:
    variables = open_catalog(spec, BUCKETS, **SOURCE)["environment"]["variables"]

    assert variables["ENDPOINT_SERVER_TIMEOUT"] == "3600"
    assert "SAGEMAKER_SUBMIT_DIRECTORY" not in variables


def test_what_all_supported_types_set_is_taken(spec: dict[str, Any]) -> None:
    spec["hosting_instance_type_variants"]["variants"]["g5"]["properties"] = {
        "environment_variables": {"SAGEMAKER_ENV": "2"},
        "prepacked_artifact_key": "g5/prepack/model.tar.gz",
    }

    content = open_catalog(spec, BUCKETS, **SOURCE)

    assert content["environment"]["variables"]["SAGEMAKER_ENV"] == "2"
    assert content["containers"]["regions"]["us-east-1"]["model_data_url"].endswith("/g5/prepack/model.tar.gz")


def _one_type_differs(spec: dict[str, Any]) -> None:
    variants = spec["hosting_instance_type_variants"]["variants"]
    variants["ml.g5.8xlarge"]["properties"] = {"environment_variables": {"WORKERS": "2"}}


def _no_image(spec: dict[str, Any]) -> None:
    spec["hosting_instance_type_variants"]["variants"].pop("g5")


def _no_alias(spec: dict[str, Any]) -> None:
    spec["hosting_instance_type_variants"]["regional_aliases"]["eu-west-1"] = {}


def _new_region(spec: dict[str, Any]) -> None:
    spec["hosting_instance_type_variants"]["regional_aliases"]["xx-new-1"] = {"gpu_ecr_uri_1": "image"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: spec.pop("hosting_prepacked_artifact_key"), "hosting_prepacked_artifact_key is missing or empty"),
        (
            lambda spec: spec.update(supported_inference_instance_types=[]),
            "supported_inference_instance_types is missing",
        ),
        (lambda spec: spec.pop("hosting_instance_type_variants"), "hosting_instance_type_variants is missing"),
        (_one_type_differs, "differ between the supported instance types"),
        (_no_image, "no image for 'ml.g5.4xlarge' or its family 'g5'"),
        (_no_alias, "no image 'gpu_ecr_uri_1' for the regions eu-west-1"),
        (_new_region, "region 'xx-new-1' has an image and no content bucket"),
    ],
)
def test_specification_that_lacks_something_is_an_error(
    spec: dict[str, Any], change: Callable[[dict[str, Any]], None], message: str
) -> None:
    change(spec)

    with pytest.raises(CatalogError, match=message):
        open_catalog(spec, BUCKETS, **SOURCE)


def test_changes_name_what_is_new_gone_and_different_apart_from_sources(spec: dict[str, Any]) -> None:
    old = open_catalog(spec, BUCKETS, **SOURCE)
    spec["version"] = "1.0.16"
    variables = spec["inference_environment_variables"]
    variables[0] = {**variables[0], "name": "SAGEMAKER_MAIN"}

    found = changes(old, open_catalog(spec, BUCKETS, source="elsewhere", as_of="2027-01-01"))

    assert found == [
        Change(path="environment.variables.SAGEMAKER_MAIN", old=None, new="inference.py"),
        Change(path="environment.variables.SAGEMAKER_PROGRAM", old="inference.py", new=None),
        Change(path="model.version", old="1.0.15", new="1.0.16"),
    ]
    assert [str(change)[0] for change in found] == ["+", "-", "~"]


class _FakeS3:
    """Holds objects, or an error to raise in their place."""

    def __init__(self, objects: dict[str, bytes | Exception]) -> None:
        self.objects = objects

    def get_object(self, *, Bucket: str, Key: str) -> dict[str, Any]:  # noqa: N803 - AWS's names
        found = self.objects.get(Key, ClientError({"Error": {"Code": "NoSuchKey"}}, "GetObject"))
        if isinstance(found, Exception):
            raise found
        return {"Body": BytesIO(found)}


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch, manifest: list[dict[str, Any]], spec: dict[str, Any]) -> _FakeS3:
    fake = _FakeS3(
        {
            "models_manifest.json": json.dumps(manifest).encode(),
            f"community_models/{MODEL_ID}/specs_v1.0.15.json": json.dumps(spec).encode(),
        }
    )
    monkeypatch.setattr(boto3, "client", lambda *_args, **_kwargs: fake)
    return fake


def test_specification_is_fetched_through_the_manifest(s3: _FakeS3, spec: dict[str, Any]) -> None:
    fetched = fetch_open_spec("bucket")

    assert fetched.spec == spec
    assert fetched.source == f"s3://bucket/community_models/{MODEL_ID}/specs_v1.0.15.json"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            EndpointConnectionError(endpoint_url="https://s3"),
            r"cannot be read: .*needs a network \(no AWS credentials\)",
        ),
        (ClientError({"Error": {"Code": "AccessDenied"}}, "GetObject"), "cannot be read: .*AccessDenied"),
        (b"<html>", "is not JSON"),
        (b'{"models": []}', "expected a list of models"),
        (b"[1]", "expected a list of models"),
    ],
)
def test_manifest_that_cannot_be_used_is_an_error(s3: _FakeS3, content: bytes | Exception, message: str) -> None:
    s3.objects["models_manifest.json"] = content

    with pytest.raises(CatalogError, match=message):
        fetch_open_spec("bucket")


def test_specification_that_is_no_object_is_an_error(s3: _FakeS3) -> None:
    s3.objects[f"community_models/{MODEL_ID}/specs_v1.0.15.json"] = b"[]"

    with pytest.raises(CatalogError, match="expected an object"):
        fetch_open_spec("bucket")
