"""Makes the Open variant's catalog file anew from a JumpStart model specification, and says what differs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from stacks.catalog.model import CatalogError

MODEL_ID = "model-imagegeneration-stabilityai-stable-diffusion-xl-base-1-0"
CATALOG_FILE = "sdxl_open.json"

# The prepacked artifact carries its own code, and the container fails when it is told to look elsewhere.
_LEFT_OUT_WITH_PREPACKED = frozenset({"SAGEMAKER_SUBMIT_DIRECTORY"})

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One value that a refresh would change. `old` or `new` is None where there is no such value."""

    path: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is None:
            return f"+ {self.path}: {self.new}"
        return f"- {self.path}: {self.old}" if self.new is None else f"~ {self.path}: {self.old} -> {self.new}"


def newest_spec_key(manifest: Sequence[Mapping[str, Any]], model_id: str = MODEL_ID) -> str:
    """S3 key of the newest specification of `model_id` in a JumpStart models manifest.

    Raises:
        CatalogError: the manifest does not list the model.
    """
    headers = [header for header in manifest if header.get("model_id") == model_id]
    if not headers:
        raise CatalogError(
            f"the JumpStart manifest of {len(manifest)} models does not list {model_id!r}: AWS may have withdrawn it. "
            "The catalog keeps the last known version; check it in SageMaker Studio before the next deployment."
        )
    return str(max(headers, key=lambda header: _version_key(header["version"]))["spec_key"])


def open_catalog(spec: Mapping[str, Any], content_buckets: Mapping[str, str], *, source: str, as_of: str) -> Json:
    """Content of `sdxl_open.json` for a JumpStart specification.

    Args:
        spec: the specification, as it lies in the JumpStart content bucket.
        content_buckets: JumpStart content bucket by region.
        source: where the specification was read.
        as_of: the day it was read, YYYY-MM-DD.

    Raises:
        CatalogError: the specification lacks something that a deployment needs.
    """
    provenance = {"source": source, "as_of": as_of}
    own = _of_every_supported_type(spec)
    artifact_key = own.get("prepacked_artifact_key") or _required(spec, "hosting_prepacked_artifact_key")
    defaults = {
        variable["name"]: variable["default"] for variable in _required(spec, "inference_environment_variables")
    }
    variables = {
        name: str(value)
        for name, value in {**defaults, **own["environment_variables"]}.items()
        if name not in _LEFT_OUT_WITH_PREPACKED
    }
    regions = {}
    for region, image_uri in _images(spec).items():
        if region not in content_buckets:
            raise CatalogError(
                f"JumpStart specification: region {region!r} has an image and no content bucket in sagemaker-core. "
                "Install a newer sagemaker-core."
            )
        bucket = content_buckets[region]
        regions[region] = {
            "image_uri": image_uri,
            "content_bucket": bucket,
            "model_data_url": f"s3://{bucket}/{artifact_key}",
        }
    return {
        "model": {**provenance, "model_id": _required(spec, "model_id"), "version": _required(spec, "version")},
        "instance_types": {
            **provenance,
            "default": _required(spec, "default_inference_instance_type"),
            "supported": list(_required(spec, "supported_inference_instance_types")),
        },
        "environment": {**provenance, "variables": dict(sorted(variables.items()))},
        "artifact": {**provenance, "key": artifact_key},
        "containers": {**provenance, "regions": dict(sorted(regions.items()))},
    }


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[Change]:
    """What differs between two contents of a catalog file, apart from sources and dates."""
    before, after = dict(_leaves(old)), dict(_leaves(new))
    return [
        Change(path=path, old=before.get(path), new=after.get(path))
        for path in sorted({*before, *after})
        if before.get(path) != after.get(path)
    ]


def catalog_text(content: Mapping[str, Any]) -> str:
    """A catalog file as it is committed."""
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _images(spec: Mapping[str, Any]) -> dict[str, str]:
    """Image by region: the alias that the default instance type's variant, or its family's, refers to."""
    hosting = _required(spec, "hosting_instance_type_variants")
    variants, aliases = _required(hosting, "variants"), _required(hosting, "regional_aliases")
    default = _required(spec, "default_inference_instance_type")
    family = default.split(".")[1]
    for name in (default, family):
        reference = variants.get(name, {}).get("regional_properties", {}).get("image_uri")
        if reference:
            break
    else:
        raise CatalogError(
            f"JumpStart specification: no image for {default!r} or its family {family!r} in its variants"
        )
    alias = reference.removeprefix("$")
    missing = sorted(region for region, names in aliases.items() if alias not in names)
    if missing or not aliases:
        raise CatalogError(
            f"JumpStart specification: no image {alias!r} for the regions {', '.join(missing) or 'at all'}"
        )
    return {region: names[alias] for region, names in aliases.items()}


def _of_every_supported_type(spec: Mapping[str, Any]) -> Json:
    """Artifact and variables that the specification sets by instance type: the catalog has one set for all of them."""
    variants = _required(_required(spec, "hosting_instance_type_variants"), "variants")
    sets = []
    for name in _required(spec, "supported_inference_instance_types"):
        merged: Json = {"environment_variables": {}}
        for key in (name.split(".")[1], name):
            properties = variants.get(key, {}).get("properties", {})
            merged["environment_variables"].update(properties.get("environment_variables", {}))
            if "prepacked_artifact_key" in properties:
                merged["prepacked_artifact_key"] = properties["prepacked_artifact_key"]
        sets.append(merged)
    if any(other != sets[0] for other in sets):
        raise CatalogError(
            "JumpStart specification: artifact or environment variables differ between the supported instance types, "
            "and the catalog holds one set for all. The catalog stays as it is."
        )
    return sets[0]


def _required(values: Mapping[str, Any], name: str) -> Any:
    value = values.get(name)
    if not value:
        raise CatalogError(
            f"JumpStart specification: {name} is missing or empty. Its format may have changed; "
            "the catalog stays as it is."
        )
    return value


def _version_key(version: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in version.split("."))
    except ValueError as exc:
        raise CatalogError(f"JumpStart manifest: {version!r} is not a version of the form 1.0.15") from exc


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            if key not in ("source", "as_of"):
                yield from _leaves(inner, f"{path}.{key}" if path else str(key))
    else:
        yield path, value
