"""cfn-lint, checkov and the CDK's own validator over the templates of every environment."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from infrastructure_synthesis import (
    ROOT,
    Synthesis,
    access_environments,
    cdk_context,
    example_environments,
    make_layer,
)

from stacks.catalog import load_catalog
from stacks.catalog.service_regions import load_service_regions

# cfn-lint has no schemas of it, and says nothing about a template there.
WITHOUT_SCHEMAS = {"me-south-1"}
MISSING_TYPE = re.compile(r"Resource type '(?P<type>[\w:]+)' does not exist in '(?P<region>[\w-]+)'")
CHECKOV = ROOT / ".local" / "checkov" / "bin" / "checkov"


def template_paths(*syntheses: Synthesis) -> list[str]:
    count = sum(len(stacks) for synthesis in syntheses for stacks in synthesis.templates.values())
    paths = sorted(str(path) for synthesis in syntheses for path in synthesis.directory.rglob("*.template.json"))
    assert len(paths) == count
    return paths


def cfn_lint(paths: Iterable[str], regions: Iterable[str]) -> list[str]:
    program = str(Path(sys.executable).with_name("cfn-lint"))
    # W3005: the CDK's DependsOn repeats what a Ref already implies.
    options = ["--format", "json", "--ignore-checks", "W3005", "--regions", *sorted(regions), "--"]
    done = subprocess.run([program, *options, *paths], capture_output=True, text=True, check=False)
    return [finding["Message"] for finding in json.loads(done.stdout)]


def types_of(templates: Iterable[Mapping[str, Any]]) -> set[str]:
    return {resource["Type"] for template in templates for resource in template["Resources"].values()}


def types_missing_by_the_catalog() -> set[tuple[str, str]]:
    """Region and resource type of what the catalog says that a region lacks."""
    return {
        (region, resource_type)
        for service in load_service_regions().values()
        for resource_type in service.resource_types
        for region in service.not_offered
    }


def test_cfn_lint_finds_in_every_region_only_what_the_catalog_says(examples: Synthesis, access: Synthesis) -> None:
    """A region that lacks a type is known, so that an environment file for it is refused and not its template."""
    regions = load_catalog().open.containers.keys() - WITHOUT_SCHEMAS
    used = types_of(
        template for one in (examples, access) for stacks in one.templates.values() for template in stacks.values()
    )
    known = {(region, kind) for region, kind in types_missing_by_the_catalog() if region in regions and kind in used}

    messages = cfn_lint(template_paths(examples, access), regions)

    found = {match and (match["region"], match["type"]) for match in map(MISSING_TYPE.fullmatch, messages)}
    assert len(known) > 10
    assert found == known


def test_no_environment_lacks_a_type_in_its_own_region(examples: Synthesis, access: Synthesis) -> None:
    missing = types_missing_by_the_catalog()
    for synthesis, environments in ((examples, example_environments()), (access, access_environments())):
        for environment in environments:
            # Other regions than these have no run of cfn-lint above.
            assert environment.region in load_catalog().open.containers.keys() - WITHOUT_SCHEMAS
            for kind in types_of(synthesis.templates[environment.name].values()):
                assert (environment.region, kind) not in missing


def run_checkov(directory: Path, *, at_least: int = 50) -> list[dict[str, Any]]:
    assert CHECKOV.is_file(), "checkov is not installed: run `make setup-checkov`"
    command = [str(CHECKOV), "--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json"]
    done = subprocess.run([*command, "-d", str(directory)], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > at_least, "checkov checked nothing"
    failed: list[dict[str, Any]] = report["results"]["failed_checks"]
    return failed


def test_checkov_finds_exactly_what_is_skipped_with_a_reason(
    examples: Synthesis, access: Synthesis, tmp_path: Path
) -> None:
    # Given the templates without the skips that they carry
    skips = set()
    for path in template_paths(examples, access):
        template = json.loads(Path(path).read_text())
        name = Path(path).name
        for logical_id, resource in template["Resources"].items():
            for skip in resource.get("Metadata", {}).pop("checkov", {}).get("skip", []):
                assert len(skip["comment"]) > 30
                skips.add((name, logical_id, skip["id"]))
        (tmp_path / name).write_text(json.dumps(template))

    failed = run_checkov(tmp_path)

    found = {(check["file_path"].strip("/"), check["resource"].split(".")[-1], check["check_id"]) for check in failed}
    assert found == skips


def test_app_passes_the_validator_of_the_cdk(tmp_path: Path) -> None:
    context = {
        **cdk_context(),
        "layer_archive": str(make_layer(tmp_path)),
        "environment": "prod",
        "environments_dir": str(ROOT / "tests" / "three_accounts"),
    }
    variables = {
        **{name: value for name, value in os.environ.items() if name != "CDK_VALIDATION"},
        "CDK_CONTEXT_JSON": json.dumps(context),
        "CDK_OUTDIR": str(tmp_path / "cdk.out"),
    }
    done = subprocess.run(
        [sys.executable, "app.py"], cwd=ROOT, env=variables, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    report = json.loads((tmp_path / "cdk.out" / "validation-report.json").read_text())
    assert [plugin for plugin in report["pluginReports"] if plugin.get("violations")] == []
