"""The catalog: what it serves, what it refuses, and how strictly it is read."""

import gzip
import json
import shutil
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from stacks.catalog import Catalog, CatalogError, load_catalog, partition_of, read_catalog
from stacks.catalog.reader import CATALOG_DIRECTORY, CATALOG_FILES

pytestmark = pytest.mark.disable_socket


@pytest.fixture
def catalog() -> Catalog:
    return load_catalog()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in CATALOG_FILES:
        shutil.copy(CATALOG_DIRECTORY / name, tmp_path / name)
    return tmp_path


def _edit(directory: Path, name: str, change: Callable[[dict[str, Any]], None]) -> None:
    path = directory / name
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def test_open_container_is_all_that_a_model_needs(catalog: Catalog) -> None:
    container = catalog.open_container("eu-west-1")

    assert container.image_uri.startswith("763104351884.dkr.ecr.eu-west-1.amazonaws.com/stabilityai-pytorch-inference:")
    assert container.model_data_url.startswith("s3://jumpstart-cache-prod-eu-west-1/stabilityai-infer/prepack/")
    assert container.environment["SAGEMAKER_PROGRAM"] == "inference.py"
    assert all(isinstance(value, str) for value in container.environment.values())
    assert "SAGEMAKER_SUBMIT_DIRECTORY" not in container.environment


def test_environments_of_two_regions_are_not_the_same_object(catalog: Catalog) -> None:
    assert catalog.open_container("eu-west-1").environment is not catalog.open_container("us-east-1").environment


def test_optimized_package_is_of_the_region(catalog: Catalog) -> None:
    assert catalog.optimized_package_arn("eu-west-1").startswith(
        "arn:aws:sagemaker:eu-west-1:985815980388:model-package/"
    )


def test_instance_types_of_each_source(catalog: Catalog) -> None:
    assert catalog.supported_instance_types("optimized") == ("ml.g5.2xlarge", "ml.p4d.24xlarge", "ml.p4de.24xlarge")
    assert catalog.supported_instance_types("open") == ("ml.g5.4xlarge", "ml.g5.8xlarge", "ml.g5.16xlarge")
    assert catalog.default_instance_type("optimized") == "ml.g5.2xlarge"
    assert catalog.default_instance_type("open") == "ml.g5.4xlarge"


def test_regions_of_each_source(catalog: Catalog) -> None:
    assert len(catalog.regions("optimized")) == 10
    assert len(catalog.regions("open")) == 29
    assert set(catalog.regions("optimized")) < set(catalog.regions("open"))


@pytest.mark.parametrize(
    ("name", "gpu", "count", "memory_gb"),
    [
        ("ml.g4dn.12xlarge", "NVIDIA T4", 4, 16),
        ("ml.g5.48xlarge", "NVIDIA A10G", 8, 24),
        ("ml.g6e.xlarge", "NVIDIA L40S", 1, 48),
        ("ml.p4d.24xlarge", "NVIDIA A100 40GB", 8, 40),
        ("ml.p4de.24xlarge", "NVIDIA A100 80GB", 8, 80),
        ("ml.p5.48xlarge", "NVIDIA H100", 8, 80),
    ],
)
def test_hardware_of_instance_types(catalog: Catalog, name: str, gpu: str, count: int, memory_gb: int) -> None:
    instance = catalog.instance_type(name)

    assert (instance.gpu, instance.gpu_count, instance.gpu_memory_gb) == (gpu, count, memory_gb)
    assert instance.has_nvme


def test_hardware_is_what_ec2_describes(catalog: Catalog) -> None:
    described = json.loads(gzip.decompress((files("moto.ec2.resources") / "instance_types.json.gz").read_bytes()))

    for instance in catalog.instances.values():
        details = described[instance.name.removeprefix("ml.")]
        (gpu,) = details["GpuInfo"]["Gpus"]
        memory_gib = gpu["MemoryInfo"]["SizeInMiB"] / 1024
        assert instance.gpu_count == gpu["Count"], instance
        assert instance.has_nvme == (details["InstanceStorageSupported"] is True), instance
        # The API has some GPUs in GiB and some in what is left of their nominal GB.
        assert instance.gpu_memory_gb in (round(memory_gib), round(memory_gib * 1024**3 / 1000**3)), instance


def test_unknown_price_is_none_and_known_ones_bear_source_and_date(catalog: Catalog) -> None:
    assert catalog.instance_type("ml.g5.16xlarge").usd_per_hour is None
    known = catalog.instance_type("ml.g5.2xlarge")
    assert (known.usd_per_hour, known.price_as_of, known.price_region) == (1.515, "2025-04", "us-east-1")
    cut = catalog.instance_type("ml.p4d.24xlarge")
    assert (cut.usd_per_hour, cut.price_as_of) == (25.25, "2026-06-18")
    assert "cloudprice.net" in cut.price_source
    assert known.price_source
    assert known.quota_code == "L-9614C779"


def test_every_group_of_facts_bears_source_and_date(catalog: Catalog) -> None:
    assert len(catalog.provenance) == sum(len(groups) for groups in CATALOG_FILES.values())
    assert all(group.source and group.as_of for group in catalog.provenance.values())


def test_what_cannot_be_served_is_refused_with_what_can(catalog: Catalog) -> None:
    with pytest.raises(CatalogError, match=r"region 'eu-west-9'.*Did you mean 'eu-west-\d'\? Use one of: af-south-1"):
        catalog.open_container("eu-west-9")
    with pytest.raises(CatalogError, match=r"region 'eu-north-1'.*Use one of: ap-northeast-1") as caught:
        catalog.optimized_package_arn("eu-north-1")
    assert caught.value.allowed == catalog.regions("optimized")
    with pytest.raises(CatalogError, match=r"instance type 'ml.g5.3xlarge'.*Did you mean"):
        catalog.instance_type("ml.g5.3xlarge")
    for lookup in (catalog.regions, catalog.supported_instance_types, catalog.default_instance_type):
        with pytest.raises(CatalogError, match=r"model source 'bedrock'.*Use one of: optimized, open"):
            lookup("bedrock")


def test_catalog_is_read_once() -> None:
    assert load_catalog() is load_catalog()


@pytest.mark.parametrize(
    ("region", "partition"),
    [("us-east-1", "aws"), ("cn-north-1", "aws-cn"), ("us-gov-west-1", "aws-us-gov")],
)
def test_partition_of_a_region(region: str, partition: str) -> None:
    assert partition_of(region) == partition


MALFORMED: dict[str, tuple[str, Callable[[dict[str, Any]], None], str]] = {
    "group missing": (
        "sdxl_open.json",
        lambda c: c.pop("artifact"),
        r"sdxl_open\.json: expected exactly the keys .*missing: artifact",
    ),
    "group too many": ("sdxl_open.json", lambda c: c.update(more={}), r"unknown: more"),
    "no source": (
        "sdxl_optimized.json",
        lambda c: c["listing"].pop("source"),
        r"sdxl_optimized\.json\.listing: .*missing: source",
    ),
    "no date": ("sdxl_open.json", lambda c: c["model"].update(as_of="May"), r"model\.as_of: expected a date .*\"May\""),
    "impossible month": (
        "sdxl_open.json",
        lambda c: c["model"].update(as_of="2025-13"),
        r"model\.as_of: expected a date",
    ),
    "number in environment": (
        "sdxl_open.json",
        lambda c: c["environment"]["variables"].update(SAGEMAKER_ENV=1),
        r"environment\.variables\.SAGEMAKER_ENV: expected a text",
    ),
    "no region": ("sdxl_open.json", lambda c: c["containers"].update(regions={}), r"regions: expected an object with"),
    "region with another key": (
        "sdxl_open.json",
        lambda c: c["containers"]["regions"]["us-east-1"].update(x="y"),
        r"containers\.regions\.us-east-1: expected exactly the keys",
    ),
    "ARN that is null": (
        "sdxl_optimized.json",
        lambda c: c["model_packages"]["arns"].update({"us-east-1": None}),
        r"model_packages\.arns\.us-east-1: expected a text that is not empty, got null",
    ),
    "supported type unknown": (
        "sdxl_optimized.json",
        lambda c: c["instance_types"]["supported"].append("ml.x9.large"),
        r"instance_types\.supported: not in instance_types\.json: ml\.x9\.large",
    ),
    "default not supported": (
        "sdxl_optimized.json",
        lambda c: c["instance_types"].update(default="ml.g5.xlarge"),
        r"instance_types\.default: expected one of the supported types",
    ),
    "supported is no list": (
        "sdxl_optimized.json",
        lambda c: c["instance_types"].update(supported="ml.g5.2xlarge"),
        r"instance_types\.supported: expected a list",
    ),
    "quota code of another form": (
        "instance_types.json",
        lambda c: c["quota_codes"]["codes"].update({"ml.g5.xlarge": "1928E07B"}),
        r"quota_codes\.codes\.ml\.g5\.xlarge: expected a quota code",
    ),
    "price left out instead of null": (
        "instance_types.json",
        lambda c: c["prices"]["usd_per_hour"].pop("ml.g5.16xlarge"),
        r"prices\.usd_per_hour: .*missing: ml\.g5\.16xlarge",
    ),
    "price of zero": (
        "instance_types.json",
        lambda c: c["prices"]["usd_per_hour"].update({"ml.g5.xlarge": 0}),
        r"usd_per_hour\.ml\.g5\.xlarge: expected a number above 0, or null",
    ),
    "price that is a boolean": (
        "instance_types.json",
        lambda c: c["prices"]["usd_per_hour"].update({"ml.g5.xlarge": True}),
        r"expected a number above 0",
    ),
    "GPU count of zero": (
        "instance_types.json",
        lambda c: c["hardware"]["instance_types"]["ml.g5.xlarge"].update(gpu_count=0),
        r"ml\.g5\.xlarge\.gpu_count: expected a whole number from 1, got 0",
    ),
    "NVMe as text": (
        "instance_types.json",
        lambda c: c["hardware"]["instance_types"]["ml.g5.xlarge"].update(has_nvme="yes"),
        r"ml\.g5\.xlarge\.has_nvme: expected true or false",
    ),
}


@pytest.mark.parametrize(("name", "change", "message"), MALFORMED.values(), ids=MALFORMED.keys())
def test_malformed_catalog_is_an_error_that_says_where(
    directory: Path, name: str, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    _edit(directory, name, change)

    with pytest.raises(CatalogError, match=message):
        read_catalog(directory)


@pytest.mark.parametrize("content", ["", "{", "\ufeff{}", '{"model": 1, "model": 2}', "[]"])
def test_file_that_is_no_json_object_is_an_error(directory: Path, content: str) -> None:
    (directory / "sdxl_open.json").write_text(content)

    with pytest.raises(CatalogError, match=r"sdxl_open\.json"):
        read_catalog(directory)


def test_missing_file_is_an_error(directory: Path) -> None:
    (directory / "instance_types.json").unlink()

    with pytest.raises(CatalogError, match=r"instance_types\.json: cannot be read"):
        read_catalog(directory)
