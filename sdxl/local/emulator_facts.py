"""What the emulator must know of AWS to answer as AWS does: the catalog's models, images and quotas.

The emulator imports nothing of the toolkit: it reads these facts from a file, whose fields emulator/README.md explains.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sdxl.project import write_json
from stacks.catalog import load_catalog
from stacks.catalog.bedrock import load_bedrock_catalog

# Bedrock's words for the catalog's status of a model. A model past its end of life is not in Bedrock any more.
_LIFECYCLES = {"active": "ACTIVE", "legacy": "LEGACY"}


def facts() -> dict[str, Any]:
    """Return the facts, as JSON values."""
    catalog = load_catalog()
    containers = catalog.open.containers.values()
    return {
        "endpoint_quotas": {
            instance.quota_code: name for name, instance in catalog.instances.items() if instance.quota_code
        },
        "artifacts": sorted({container.model_data_url for container in containers}),
        "container_images": sorted({container.image_uri for container in containers}),
        "model_packages": {
            arn: list(catalog.optimized.instance_types) for arn in catalog.optimized.package_arns.values()
        },
        "bedrock_models": {
            model.model_id: {
                "name": model.name,
                "lifecycle": _LIFECYCLES[model.status],
                "end_of_life": model.end_of_life,
            }
            for model in load_bedrock_catalog().models.values()
            if model.status in _LIFECYCLES
        },
    }


def write(path: Path) -> None:
    """Write the file that the emulator is started with."""
    write_json(path, facts())
