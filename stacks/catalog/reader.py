"""Strict reader of the catalog's JSON files: what is missing, surplus or of the wrong type is an error saying where."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from stacks.catalog.model import (
    Catalog,
    CatalogError,
    InstanceType,
    OpenCatalog,
    OpenContainer,
    OptimizedCatalog,
    Provenance,
)

CATALOG_DIRECTORY = Path(__file__).parent

# The groups of facts in each file.
CATALOG_FILES = {
    "sdxl_open.json": ("model", "instance_types", "environment", "artifact", "containers"),
    "sdxl_optimized.json": ("listing", "instance_types", "model_packages"),
    "instance_types.json": ("hardware", "quota_codes", "prices", "newer_prices"),
}

_DATE = re.compile(r"\d{4}-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?")
_QUOTA_CODE = re.compile(r"L-[0-9A-F]{8}")


@cache
def load_catalog() -> Catalog:
    """The committed catalog. Read once per process."""
    return read_catalog(CATALOG_DIRECTORY)


def read_catalog(directory: Path) -> Catalog:
    """Reads the catalog files of `directory`.

    Raises:
        CatalogError: a file is missing, is not JSON or has another shape than expected.
    """
    return parse_catalog({name: read_document(directory / name) for name in CATALOG_FILES})


def parse_catalog(documents: Mapping[str, Any]) -> Catalog:
    """The catalog that the contents of `CATALOG_FILES`, by file name, describe.

    Raises:
        CatalogError: a content has another shape than expected.
    """
    provenance: dict[str, Provenance] = {}
    roots = {name: CatalogValue(documents[name], name).fields(groups) for name, groups in CATALOG_FILES.items()}
    instances = _read_instances(roots["instance_types.json"], provenance)
    return Catalog(
        open=_read_open(roots["sdxl_open.json"], provenance, instances),
        optimized=_read_optimized(roots["sdxl_optimized.json"], provenance, instances),
        instances=instances,
        provenance=provenance,
    )


class CatalogValue:
    """A JSON value that knows where it stands."""

    def __init__(self, value: Any, where: str) -> None:
        self.value = value
        self.where = where

    def fail(self, expected: str) -> CatalogError:
        """An error that says where the value stands, what was expected and what was found."""
        return CatalogError(f"{self.where}: expected {expected}, got {json.dumps(self.value)[:200]}")

    def mapping(self) -> dict[str, CatalogValue]:
        """The entries of an object that is not empty."""
        if not isinstance(self.value, dict) or not self.value:
            raise self.fail("an object with at least one entry")
        return {key: CatalogValue(value, f"{self.where}.{key}") for key, value in self.value.items()}

    def fields(self, names: Iterable[str]) -> dict[str, CatalogValue]:
        """The entries of an object that has exactly these keys."""
        found, wanted = self.mapping(), set(names)
        if found.keys() != wanted:
            missing = ", ".join(sorted(wanted - found.keys())) or "nothing"
            surplus = ", ".join(sorted(found.keys() - wanted)) or "nothing"
            expected = ", ".join(sorted(wanted))
            raise CatalogError(
                f"{self.where}: expected exactly the keys {expected}; missing: {missing}; unknown: {surplus}"
            )
        return found

    def group(self, name: str, provenance: dict[str, Provenance], *names: str) -> dict[str, CatalogValue]:
        """Fields of a group of facts; notes its source and date under `name`."""
        found = self.fields(("source", "as_of", *names))
        provenance[name] = Provenance(
            source=found["source"].text(), as_of=found["as_of"].text(_DATE, "a date YYYY-MM-DD or YYYY-MM")
        )
        return found

    def text(self, pattern: re.Pattern[str] | None = None, expected: str = "a text that is not empty") -> str:
        """A text that is not empty and matches `pattern` as a whole."""
        if not isinstance(self.value, str) or not self.value or (pattern and not pattern.fullmatch(self.value)):
            raise self.fail(expected)
        return self.value

    def count(self) -> int:
        """A whole number from 1."""
        if type(self.value) is not int or self.value < 1:
            raise self.fail("a whole number from 1")
        return self.value

    def price(self) -> float:
        """A number above 0."""
        if type(self.value) not in (int, float) or not self.value > 0:
            raise self.fail("a number above 0, or null where unknown")
        return float(self.value)

    def boolean(self) -> bool:
        """True or false."""
        if not isinstance(self.value, bool):
            raise self.fail("true or false")
        return self.value

    def texts(self) -> tuple[str, ...]:
        """A list of texts with at least one entry."""
        if not isinstance(self.value, list) or not self.value:
            raise self.fail("a list with at least one entry")
        return tuple(CatalogValue(item, f"{self.where}[{index}]").text() for index, item in enumerate(self.value))


def read_document(path: Path) -> Any:
    """The JSON in a catalog file; a key that stands twice in one object is an error."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), object_pairs_hook=_unique_keys)
    except (OSError, ValueError) as exc:
        raise CatalogError(f"{path}: cannot be read as JSON: {exc}. Restore the file from version control.") from exc


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"key {next(key for key in keys if keys.count(key) > 1)!r} stands twice in one object")
    return found


def _supported(
    group: CatalogValue, name: str, provenance: dict[str, Provenance], known: Iterable[str]
) -> tuple[str, tuple[str, ...]]:
    fields = group.group(name, provenance, "default", "supported")
    supported = fields["supported"].texts()
    unknown = sorted(set(supported) - set(known))
    if unknown:
        raise CatalogError(f"{fields['supported'].where}: not in instance_types.json: {', '.join(unknown)}")
    default = fields["default"].text()
    if default not in supported:
        raise fields["default"].fail(f"one of the supported types ({', '.join(supported)})")
    return default, supported


def _read_open(root: dict[str, CatalogValue], provenance: dict[str, Provenance], known: Iterable[str]) -> OpenCatalog:
    model = root["model"].group("open.model", provenance, "model_id", "version")
    default, supported = _supported(root["instance_types"], "open.instance_types", provenance, known)
    variables = root["environment"].group("open.environment", provenance, "variables")["variables"].mapping()
    environment = {name: value.text() for name, value in variables.items()}
    regions = root["containers"].group("open.containers", provenance, "regions")["regions"].mapping()
    containers = {}
    for region, entry in regions.items():
        fields = entry.fields(("image_uri", "content_bucket", "model_data_url"))
        values = {name: value.text() for name, value in fields.items()}
        containers[region] = OpenContainer(**values, environment=dict(environment))
    return OpenCatalog(
        model_id=model["model_id"].text(),
        version=model["version"].text(),
        default_instance_type=default,
        instance_types=supported,
        artifact_key=root["artifact"].group("open.artifact", provenance, "key")["key"].text(),
        containers=containers,
    )


def _read_optimized(
    root: dict[str, CatalogValue], provenance: dict[str, Provenance], known: Iterable[str]
) -> OptimizedCatalog:
    default, supported = _supported(root["instance_types"], "optimized.instance_types", provenance, known)
    arns = root["model_packages"].group("optimized.model_packages", provenance, "arns")["arns"].mapping()
    return OptimizedCatalog(
        product_id=root["listing"].group("optimized.listing", provenance, "product_id")["product_id"].text(),
        default_instance_type=default,
        instance_types=supported,
        package_arns={region: arn.text() for region, arn in arns.items()},
    )


def _read_instances(root: dict[str, CatalogValue], provenance: dict[str, Provenance]) -> dict[str, InstanceType]:
    hardware_group = root["hardware"].group("instance_types.hardware", provenance, "instance_types")
    hardware = hardware_group["instance_types"].mapping()
    codes_group = root["quota_codes"].group("instance_types.quota_codes", provenance, "codes")
    codes = codes_group["codes"].fields(hardware)
    prices_group = root["prices"].group("instance_types.prices", provenance, "region", "usd_per_hour")
    prices = prices_group["usd_per_hour"].fields(hardware)
    newer_group = root["newer_prices"].group("instance_types.newer_prices", provenance, "usd_per_hour")
    newer = newer_group["usd_per_hour"].mapping()
    if unknown := newer.keys() - hardware.keys():
        raise CatalogError(f"{newer_group['usd_per_hour'].where}: unknown instance types {', '.join(sorted(unknown))}")
    instances = {}
    for name, entry in hardware.items():
        price = newer.get(name, prices[name])
        price_provenance = provenance["instance_types.newer_prices" if name in newer else "instance_types.prices"]
        fields = entry.fields(("gpu", "gpu_count", "gpu_memory_gb", "has_nvme"))
        code = codes[name]
        instances[name] = InstanceType(
            name=name,
            gpu=fields["gpu"].text(),
            gpu_count=fields["gpu_count"].count(),
            gpu_memory_gb=fields["gpu_memory_gb"].count(),
            has_nvme=fields["has_nvme"].boolean(),
            quota_code=None if code.value is None else code.text(_QUOTA_CODE, "a quota code L-XXXXXXXX, or null"),
            usd_per_hour=None if price.value is None else price.price(),
            price_as_of=price_provenance.as_of,
            price_source=price_provenance.source,
            price_region=prices_group["region"].text(),
        )
    return instances
