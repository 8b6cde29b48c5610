"""Which regions lack a service that an environment file can ask for. What is not here, every region has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from stacks.catalog.model import CatalogError, Provenance
from stacks.catalog.reader import CATALOG_DIRECTORY, CatalogValue, read_document

SERVICE_REGIONS_FILE = "service_regions.json"


@dataclass(frozen=True, kw_only=True)
class ServiceRegions:
    """Where one service is. `what` names it in a sentence: "a budget".

    Exactly one of the two lists has entries: `offered` where the source lists the regions with the service,
    `not_offered` where it lists those without. `resource_types` are the CloudFormation types that the second list is
    of, in the regions of the commercial and the GovCloud partition.
    """

    name: str
    what: str
    offered: tuple[str, ...]
    not_offered: tuple[str, ...]
    resource_types: tuple[str, ...]
    provenance: Provenance

    def offers(self, region: str) -> bool:
        """Whether a region has the service, as far as the source says."""
        return region in self.offered if self.offered else region not in self.not_offered


def missing_services(region: str, needs: Iterable[str]) -> tuple[ServiceRegions, ...]:
    """Return the services that a region lacks, in the order of `needs`.

    Args:
        region: such as `eu-north-1`.
        needs: names of services, the keys of `service_regions.json`: `budgets`, `instance_pools`, ...

    Raises:
        CatalogError: the catalog has no such service, or cannot be read.
    """
    services, names = load_service_regions(), tuple(needs)
    unknown = [name for name in names if name not in services]
    if unknown:
        raise CatalogError(
            f"The catalog does not say where {unknown[0]!r} is: {SERVICE_REGIONS_FILE} has {', '.join(services)}.",
            allowed=services,
        )
    return tuple(services[name] for name in names if not services[name].offers(region))


@cache
def load_service_regions() -> Mapping[str, ServiceRegions]:
    """The committed file, by service. Read once per process.

    Raises:
        CatalogError: it is missing, is not JSON or has another shape than expected.
    """
    return parse_service_regions(read_document(CATALOG_DIRECTORY / SERVICE_REGIONS_FILE))


def parse_service_regions(document: Any) -> Mapping[str, ServiceRegions]:
    """The services that the content of the file describes.

    Raises:
        CatalogError: it has another shape than expected.
    """
    groups = CatalogValue(document, SERVICE_REGIONS_FILE).mapping()
    return {name: _read(name, group) for name, group in groups.items()}


def _read(name: str, group: CatalogValue) -> ServiceRegions:
    provenance: dict[str, Provenance] = {}
    lists_offered = "offered" in group.mapping()
    keys = ("offered",) if lists_offered else ("not_offered", "resource_types")
    found = group.group(name, provenance, "what", *keys)
    return ServiceRegions(
        name=name,
        what=found["what"].text(),
        offered=found["offered"].texts() if lists_offered else (),
        not_offered=() if lists_offered else found["not_offered"].texts(),
        resource_types=() if lists_offered else found["resource_types"].texts(),
        provenance=provenance[name],
    )
