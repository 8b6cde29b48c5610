"""Catalog of AWS facts that change: what can run where, at which address, on what hardware, at which price.

Each group of facts bears its source and an `as_of` date: the day it was taken into the catalog or, for a dated source,
the source's own date. Nothing here is guessed: what no source states is `None`.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass


class CatalogError(ValueError):
    """Something the catalog cannot serve, or a catalog file that cannot be read. `allowed` lists what would work."""

    def __init__(self, message: str, *, allowed: Iterable[str] = ()) -> None:
        super().__init__(message)
        self.allowed = tuple(allowed)


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Where a group of facts comes from and of what day it is (`YYYY-MM-DD`, or `YYYY-MM` where only that is known)."""

    source: str
    as_of: str


@dataclass(frozen=True, kw_only=True)
class OpenContainer:
    """Container and artifact of SDXL 1.0 Open in one region. CloudFormation takes only strings in `environment`."""

    image_uri: str
    model_data_url: str
    content_bucket: str
    environment: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class InstanceType:
    """A SageMaker hosting instance type.

    `gpu_memory_gb` is the memory of one GPU in GB. `usd_per_hour` is the on-demand price in `price_region` without any
    Marketplace software charge, `quota_code` the Service Quotas code of "<name> for endpoint usage"; both are None
    where no source states them.
    """

    name: str
    gpu: str
    gpu_count: int
    gpu_memory_gb: int
    has_nvme: bool
    quota_code: str | None
    usd_per_hour: float | None
    price_as_of: str
    price_source: str
    price_region: str


@dataclass(frozen=True, kw_only=True)
class OpenCatalog:
    """SDXL 1.0 Open from SageMaker JumpStart."""

    model_id: str
    version: str
    default_instance_type: str
    instance_types: tuple[str, ...]
    artifact_key: str
    containers: Mapping[str, OpenContainer]


@dataclass(frozen=True, kw_only=True)
class OptimizedCatalog:
    """SDXL 1.0 as an AWS Marketplace model package."""

    product_id: str
    default_instance_type: str
    instance_types: tuple[str, ...]
    package_arns: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Catalog:
    """Everything the catalog files say. Lookups that cannot be served raise `CatalogError` with what can."""

    open: OpenCatalog
    optimized: OptimizedCatalog
    instances: Mapping[str, InstanceType]
    provenance: Mapping[str, Provenance]

    @property
    def sources(self) -> tuple[str, ...]:
        """Model sources that the catalog knows."""
        return ("optimized", "open")

    def regions(self, source: str) -> tuple[str, ...]:
        """Regions where `source` can be deployed, sorted."""
        return tuple(sorted(self.open.containers if self._source(source) == "open" else self.optimized.package_arns))

    def supported_instance_types(self, source: str) -> tuple[str, ...]:
        """Instance types that `source` runs on, smallest first."""
        return self.open.instance_types if self._source(source) == "open" else self.optimized.instance_types

    def default_instance_type(self, source: str) -> str:
        """Instance type of `source` when the environment file names none."""
        if self._source(source) == "open":
            return self.open.default_instance_type
        return self.optimized.default_instance_type

    def open_container(self, region: str) -> OpenContainer:
        """Container and artifact of SDXL 1.0 Open in `region`."""
        container = self.open.containers.get(region)
        if container is None:
            raise unavailable("region", region, "SDXL 1.0 Open has no container image in it", self.regions("open"))
        return container

    def optimized_package_arn(self, region: str) -> str:
        """Model package of the optimized variant in `region`."""
        arn = self.optimized.package_arns.get(region)
        if arn is None:
            reason = "the optimized variant has no model package in it"
            raise unavailable("region", region, reason, self.regions("optimized"))
        return arn

    def instance_type(self, name: str) -> InstanceType:
        """Facts of one instance type."""
        found = self.instances.get(name)
        if found is None:
            raise unavailable("instance type", name, "the catalog does not know it", self.instances)
        return found

    def _source(self, source: str) -> str:
        if source not in self.sources:
            raise unavailable("model source", source, "the catalog does not know it", self.sources)
        return source


def unavailable(kind: str, value: str, reason: str, allowed: Iterable[str]) -> CatalogError:
    """The error of a lookup that cannot be served: the value, why, and what would work."""
    names = tuple(allowed)
    close = difflib.get_close_matches(value, names, n=1)
    hint = f"Did you mean {close[0]!r}? " if close else ""
    return CatalogError(f"{kind} {value!r}: {reason}. {hint}Use one of: {', '.join(names)}.", allowed=names)


def partition_of(region: str) -> str:
    """AWS partition of a region: `aws`, `aws-cn` or `aws-us-gov`."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def dns_suffix_of(region: str) -> str:
    """Suffix of AWS's domain names in a region's partition, which the names of some service principals have."""
    return "amazonaws.com.cn" if partition_of(region) == "aws-cn" else "amazonaws.com"
