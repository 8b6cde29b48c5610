"""What a shell completes values with: names that the clone's own files have, read without importing the stacks."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from sdxl.project import ENVIRONMENTS, ROOT

# The API's presets: name and (width, height) in pixels.
SIZES: dict[str, tuple[int, int]] = {
    "fullscreen": (1152, 896),
    "widescreen": (1344, 768),
    "ultrawide": (1536, 640),
    "mobile-landscape": (1216, 832),
    "square": (1024, 1024),
    "mobile-portrait": (832, 1216),
    "tall": (768, 1344),
}
_NOT_ENVIRONMENTS = {"organization", "pipeline"}
_API_DOCUMENT = ROOT / "lambda" / "image_api" / "openapi.json"
_CATALOG = ROOT / "stacks" / "catalog" / "sdxl_open.json"


def environments(incomplete: str) -> list[str]:
    """Return the environments of `environments/`."""
    return _starting(incomplete, (path.stem for path in ENVIRONMENTS.glob("*.yaml") if _is_environment(path)))


def cost_environments(incomplete: str) -> list[str]:
    """Return the environments, and `all`."""
    return [*environments(incomplete), *_starting(incomplete, ["all"])]


def sizes(incomplete: str) -> list[str]:
    """Return the names of sizes."""
    return _starting(incomplete, SIZES)


def styles(incomplete: str) -> list[str]:
    """Return the built-in styles. A team's own are the deployment's to list: `sdxl presets`."""
    return _starting(incomplete, _enum("style_preset"))


def samplers(incomplete: str) -> list[str]:
    """Return the samplers."""
    return _starting(incomplete, _enum("sampler"))


def sources(incomplete: str) -> list[str]:
    """Return the model sources."""
    return _starting(incomplete, ("open", "optimized", "bedrock"))


def modes(incomplete: str) -> list[str]:
    """Return the modes of an endpoint that can be played."""
    return _starting(incomplete, ("real-time", "asynchronous", "components"))


def regions(incomplete: str) -> list[str]:
    """Return the regions that have the model source `open`."""
    return _starting(incomplete, _read(_CATALOG).get("containers", {}).get("regions", ()))


def rings(incomplete: str) -> list[str]:
    """Return the rings of `environments/pipeline.yaml`, by the lines that name them."""
    path = ENVIRONMENTS / "pipeline.yaml"
    lines = path.read_text(encoding="utf-8").splitlines() if path.is_file() else []
    names = (line.partition("- name:")[2].split("#")[0].strip(" \"'") for line in lines if "- name:" in line)
    return _starting(incomplete, names)


def _is_environment(path: Path) -> bool:
    return path.stem not in _NOT_ENVIRONMENTS


def _enum(field: str) -> list[str]:
    document = _read(_API_DOCUMENT)
    if not document:
        return []
    # A request may also say null, which is the same as to leave the field out.
    names = document["components"]["schemas"]["TextToImage"]["properties"][field]["enum"]
    return [name for name in names if name is not None]


def _read(path: Path) -> dict[str, Any]:
    """Return what a JSON file holds; nothing without a clone: then there is nothing to complete."""
    return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}


def _starting(incomplete: str, names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))
