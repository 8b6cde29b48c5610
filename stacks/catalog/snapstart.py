"""Where Lambda has SnapStart, no API reports it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from stacks.catalog.model import Provenance
from stacks.catalog.reader import CATALOG_DIRECTORY, CatalogValue, read_document

SNAPSTART_FILE = "snapstart.json"


@dataclass(frozen=True, kw_only=True)
class SnapStartCatalog:
    """SnapStart is in every region of `partition` but those of `not_offered`. Of other partitions nothing is known."""

    partition: str
    not_offered: tuple[str, ...]
    provenance: Provenance

    def offers(self, region: str, partition: str) -> bool | None:
        """Whether a region has SnapStart; None where no source says."""
        return region not in self.not_offered if partition == self.partition else None


@cache
def load_snapstart_catalog() -> SnapStartCatalog:
    """The committed file. Read once per process.

    Raises:
        CatalogError: it is missing, is not JSON or has another shape than expected.
    """
    provenance: dict[str, Provenance] = {}
    root = CatalogValue(read_document(CATALOG_DIRECTORY / SNAPSTART_FILE), SNAPSTART_FILE).fields(("regions",))
    group = root["regions"].group("snapstart.regions", provenance, "partition", "not_offered")
    return SnapStartCatalog(
        partition=group["partition"].text(),
        not_offered=group["not_offered"].texts(),
        provenance=provenance["snapstart.regions"],
    )
