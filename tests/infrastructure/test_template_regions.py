"""cfn-lint in the regions that the templates are for, and in every region of the catalog."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from infrastructure_synthesis import Synthesis, access_environments, example_environments

from stacks.catalog import load_catalog
from stacks.catalog.service_regions import load_service_regions

# cfn-lint has no schemas of it, and says nothing about a template there.
WITHOUT_SCHEMAS = {"me-south-1"}
_MISSING_TYPE = re.compile(r"Resource type '(?P<type>[\w:]+)' does not exist in '(?P<region>[\w-]+)'")


def cfn_lint(paths: Iterable[Path], regions: Iterable[str]) -> list[dict[str, Any]]:
    program = str(Path(sys.executable).with_name("cfn-lint"))
    # W3005: the CDK's DependsOn repeats what a Ref already implies.
    options = ["--format", "json", "--ignore-checks", "W3005", "--regions", *sorted(regions), "--"]
    done = subprocess.run([program, *options, *map(str, paths)], capture_output=True, text=True, check=False)
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def template_paths(synthesis: Synthesis, *environments: str) -> list[Path]:
    count = sum(len(synthesis.templates[name]) for name in environments)
    paths = [
        path
        for name in environments
        for path in sorted(synthesis.directory.rglob(f"assembly-sdxl-{name}/*.template.json"))
    ]
    assert len(paths) == count > 0
    return paths


def test_templates_pass_cfn_lint_in_the_region_of_their_environment(examples: Synthesis, access: Synthesis) -> None:
    by_region: dict[str, list[Path]] = {}
    for synthesis, environments in ((examples, example_environments()), (access, access_environments())):
        for environment in environments:
            by_region.setdefault(environment.region, []).extend(template_paths(synthesis, environment.name))

    assert len(by_region) > 2
    for region, paths in by_region.items():
        assert [finding["Message"] for finding in cfn_lint(paths, [region])] == [], region


def test_templates_lack_in_other_regions_what_the_catalog_says(examples: Synthesis, access: Synthesis) -> None:
    """A region that lacks a type is known, so that an environment file for it is refused and not its template."""
    paths = [*template_paths(examples, *examples.templates), *template_paths(access, *access.templates)]
    regions = load_catalog().open.containers.keys() - WITHOUT_SCHEMAS
    used = {resource["Type"] for path in paths for resource in json.loads(path.read_text())["Resources"].values()}
    known = {
        (region, resource_type)
        for service in load_service_regions().values()
        for resource_type in service.resource_types
        for region in service.not_offered
        if region in regions and resource_type in used
    }

    messages = [finding["Message"] for finding in cfn_lint(paths, regions)]

    found = {match and (match["region"], match["type"]) for match in map(_MISSING_TYPE.fullmatch, messages)}
    assert len(known) > 10
    assert found == known
