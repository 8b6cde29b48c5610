"""`sdxl catalog`: output for people and scripts, exit codes."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sdxl.cli import app
from stacks.catalog import CatalogError
from stacks.catalog.jumpstart import FetchedSpec
from stacks.catalog.reader import CATALOG_DIRECTORY, CATALOG_FILES
from stacks.catalog.verify import Finding

pytestmark = pytest.mark.disable_socket

runner = CliRunner()
FINDING = Finding(subject="sdxl_open.json: us-east-1", text="image", catalog="old", expected="new")


def test_show_says_unknown_where_nothing_is_known() -> None:
    result = runner.invoke(app, ["catalog", "show"])

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "instance type\tGPU\tcount\tGB each\tUSD/hour\tquota code\tmodel sources"
    assert "ml.g5.2xlarge\tNVIDIA A10G\t1\t24\t1.515\tL-9614C779\toptimized" in lines
    assert "ml.g5.16xlarge\tNVIDIA A10G\t1\t24\tunknown\tL-962705EA\topen" in lines
    assert "2025-04" in result.stderr


def test_show_as_json_has_sources_and_dates() -> None:
    result = runner.invoke(app, ["catalog", "show", "--json"])

    content = json.loads(result.stdout)
    assert result.exit_code == 0
    assert content["provenance"]["instance_types.prices"]["as_of"] == "2025-04"
    by_name = {row["instance_type"]: row for row in content["instance_types"]}
    assert by_name["ml.p4de.24xlarge"]["usd_per_hour"] is None
    assert by_name["ml.p4de.24xlarge"]["sources"] == ["optimized"]


def test_verify_confirms_offline() -> None:
    result = runner.invoke(app, ["catalog", "verify"])

    assert result.exit_code == 0
    assert "Open: container images by region\t29\tsagemaker-core" in result.stdout


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_verify_ends_with_1_when_something_differs(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sdxl.commands.catalog.verify_catalog", lambda *_args: [FINDING])

    result = runner.invoke(app, ["catalog", "verify", *arguments])

    assert result.exit_code == 1
    assert "sdxl_open.json: us-east-1" in result.stdout
    assert "1 differences" in result.stderr


def test_malformed_catalog_is_one_error_not_a_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise CatalogError("sdxl_open.json.model: expected an object")

    monkeypatch.setattr("sdxl.commands.catalog.load_catalog", fail)

    result = runner.invoke(app, ["catalog", "show"])

    assert result.exit_code == 1
    assert "error: sdxl_open.json.model: expected an object" in result.stderr


@pytest.fixture
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in CATALOG_FILES:
        shutil.copy(CATALOG_DIRECTORY / name, tmp_path / name)
    monkeypatch.setattr("sdxl.commands.catalog.CATALOG_DIRECTORY", tmp_path)
    return tmp_path


@pytest.fixture
def fetched(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    spec: dict[str, Any] = json.loads((Path(__file__).parent / "jumpstart_spec.json").read_text())
    monkeypatch.setattr(
        "sdxl.commands.catalog.fetch_open_spec", lambda bucket: FetchedSpec(spec=spec, source=f"s3://{bucket}/spec")
    )
    return spec


def test_refresh_check_names_the_differences_and_writes_nothing(directory: Path, fetched: dict[str, Any]) -> None:
    fetched["version"] = "1.0.16"
    before = (directory / "sdxl_open.json").read_text()

    result = runner.invoke(app, ["catalog", "refresh", "--check"])

    assert result.exit_code == 1
    assert "~ model.version: 1.0.15 -> 1.0.16" in result.stdout
    assert "- containers.regions.sa-east-1.image_uri" in result.stdout
    assert (directory / "sdxl_open.json").read_text() == before


def test_refresh_writes_what_it_found(directory: Path, fetched: dict[str, Any]) -> None:
    result = runner.invoke(app, ["catalog", "refresh"])

    assert result.exit_code == 0
    content = json.loads((directory / "sdxl_open.json").read_text())
    assert sorted(content["containers"]["regions"]) == ["eu-west-1", "us-east-1"]
    assert content["containers"]["source"] == "s3://jumpstart-cache-prod-us-east-1/spec"
    assert "note: sdxl_open.json: sa-east-1" in result.stderr
    assert runner.invoke(app, ["catalog", "refresh", "--check"]).exit_code == 0


def test_refresh_never_writes_a_catalog_that_cannot_be_read(directory: Path, fetched: dict[str, Any]) -> None:
    before = (directory / "sdxl_open.json").read_text()
    fetched["supported_inference_instance_types"] = ["ml.g5.4xlarge", "ml.g9.large"]

    result = runner.invoke(app, ["catalog", "refresh"])

    assert result.exit_code == 1
    assert "not in instance_types.json: ml.g9.large" in result.stderr
    assert (directory / "sdxl_open.json").read_text() == before


def test_refresh_without_a_network_says_so(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(bucket: str) -> None:
        raise CatalogError(f"s3://{bucket}/models_manifest.json cannot be read: no route")

    monkeypatch.setattr("sdxl.commands.catalog.fetch_open_spec", fail)

    result = runner.invoke(app, ["catalog", "refresh"])

    assert result.exit_code == 1
    assert "error: s3://jumpstart-cache-prod-us-east-1/models_manifest.json cannot be read" in result.stderr


def test_verify_without_sagemaker_core_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ModuleNotFoundError("No module named 'sagemaker'", name="sagemaker")

    monkeypatch.setattr("sdxl.commands.catalog.sagemaker_core", fail)

    result = runner.invoke(app, ["catalog", "verify"])

    assert result.exit_code == 1
    assert "Run `make setup-catalog`" in result.stderr
