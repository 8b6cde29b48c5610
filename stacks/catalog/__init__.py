"""AWS facts that change, as JSON with source and date, and their typed reader."""

from stacks.catalog.model import (
    Catalog,
    CatalogError,
    InstanceType,
    OpenContainer,
    Provenance,
    dns_suffix_of,
    partition_of,
)
from stacks.catalog.reader import load_catalog, read_catalog

__all__ = [
    "Catalog",
    "CatalogError",
    "InstanceType",
    "OpenContainer",
    "Provenance",
    "dns_suffix_of",
    "load_catalog",
    "partition_of",
    "read_catalog",
]
