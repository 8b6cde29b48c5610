"""cfn-lint, checkov and the CDK's own validator over the templates of every environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from infrastructure_synthesis import ROOT, Synthesis, cdk_context, make_layer

CHECKOV = ROOT / ".local" / "checkov" / "bin" / "checkov"


def template_paths(*syntheses: Synthesis) -> list[str]:
    count = sum(len(stacks) for synthesis in syntheses for stacks in synthesis.templates.values())
    paths = sorted(str(path) for synthesis in syntheses for path in synthesis.directory.rglob("*.template.json"))
    assert len(paths) == count
    return paths


def test_cfn_lint_finds_nothing(examples: Synthesis, access: Synthesis) -> None:
    # W3005: the CDK's DependsOn repeats what a Ref already implies.
    cfn_lint = str(Path(sys.executable).with_name("cfn-lint"))
    command = [cfn_lint, "--ignore-checks", "W3005", "--", *template_paths(examples, access)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout) == (0, "")


def run_checkov(directory: Path) -> list[dict[str, Any]]:
    assert CHECKOV.is_file(), "checkov is not installed: run `make setup-checkov`"
    command = [str(CHECKOV), "--framework", "cloudformation", "--skip-download", "--compact", "--quiet", "-o", "json"]
    done = subprocess.run([*command, "-d", str(directory)], capture_output=True, text=True, check=False)
    report = json.loads(done.stdout)
    assert report["summary"]["parsing_errors"] == 0
    assert report["summary"]["passed"] > 50, "checkov checked nothing"
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
