"""Synthesizes environments and applies the rule packs of cdk-nag, in a process of its own.

The rule packs read the construct tree, which ends with the process that built it. Run as
`python -m sdxl.checks.synthesis DIRECTORY OUTPUT NAME...`: each environment becomes a cloud assembly in `OUTPUT/NAME`,
and `OUTPUT/findings.json` says what was found.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from cdk_nag import AwsSolutionsChecks, NIST80053R5Checks

from sdxl.project import ROOT
from stacks.environment import find_environment
from stacks.sdxl_stage import SdxlStage
from tools.build_layer import layer_archive, signing_layer_archive

FINDINGS_FILE = "findings.json"
RULE_PACKS = (AwsSolutionsChecks, NIST80053R5Checks)


def main(arguments: Sequence[str]) -> None:
    """Write the assemblies and the findings. An environment that does not synthesize is a finding."""
    directory, output, *names = arguments
    found = {name: _checked(Path(directory), Path(output) / name, name) for name in names}
    (Path(output) / FINDINGS_FILE).write_text(json.dumps(found), encoding="utf-8")


def _checked(directory: Path, output: Path, name: str) -> dict[str, Any]:
    context = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8")).get("context", {})
    # cfn-lint reads the templates afterwards, in their region: the CDK's own validation would add 2 s to each app.
    app = cdk.App(
        outdir=str(output), context=context, analytics_reporting=False, builtin_cloud_formation_validation=False
    )
    try:
        environment = find_environment(directory, name)
        SdxlStage(
            app,
            f"sdxl-{name}",
            environment=environment,
            layer_archive=layer_archive(),
            signing_layer_archive=signing_layer_archive(),
        )
        violations = list(_violations(app))
        app.synth()
    except Exception as exc:  # noqa: BLE001 - an entry point: the error becomes the environment's finding
        return {"error": str(exc), "violations": []}
    return {"error": None, "violations": violations}


def _violations(app: cdk.App) -> Iterator[dict[str, str]]:
    """Yield what no acknowledgment covers, once for each resource."""
    for pack in RULE_PACKS:
        for violation in pack(app).validate_scope(app).violations:
            for resource in violation.violating_resources:
                yield {
                    "rule": violation.rule_name,
                    "resource": resource.construct_path or resource.resource_logical_id,
                    "text": violation.description,
                }


if __name__ == "__main__":
    main(sys.argv[1:])
