"""The templates of a synthesized app, by environment and stack."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl.errors import UsageError

Template = dict[str, Any]
Templates = Mapping[str, Mapping[str, Template]]

_STAGE = "assembly-sdxl-"


def read_assembly(directory: Path) -> Templates:
    """The templates below a cdk.out folder.

    Raises:
        UsageError: there is no synthesized app.
    """
    if not (directory / "manifest.json").is_file():
        raise UsageError(
            f"{directory} holds no synthesized app: it has no manifest.json. Make one with `npx cdk synth --output "
            f"{directory}`."
        )
    found: dict[str, dict[str, Template]] = {}
    for stage in sorted(directory.glob(f"{_STAGE}*")):
        environment = stage.name.removeprefix(_STAGE)
        artifacts = json.loads((stage / "manifest.json").read_text())["artifacts"].values()
        found[environment] = {
            str(artifact["displayName"]).rpartition("/")[2]: json.loads(
                (stage / artifact["properties"]["templateFile"]).read_text()
            )
            for artifact in artifacts
            if artifact["type"] == "aws:cloudformation:stack"
        }
    return found


def resources(template: Template, *types: str) -> dict[str, dict[str, Any]]:
    """The resources of these types, by logical id; all of them where none is named."""
    found = template.get("Resources", {})
    return {name: item for name, item in found.items() if not types or item["Type"] in types}
