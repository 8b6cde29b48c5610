"""Confirms the catalog without a network: against the images that sagemaker-core knows, and against itself."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from typing import Any

from stacks.catalog.consistency import Finding, consistency_findings
from stacks.catalog.model import Catalog

__all__ = ["Finding", "SageMakerCore", "sagemaker_core", "verify"]

# The container of SDXL 1.0 Open, as JumpStart asks the SDK for it.
_FRAMEWORK = "stabilityai"
_VERSION = "0.1"
_PYTHON = "py310"


@dataclass(frozen=True, kw_only=True)
class SageMakerCore:
    """What the installed sagemaker-core knows: its version, image by region, JumpStart content bucket by region."""

    version: str
    images: Mapping[str, str]
    content_buckets: Mapping[str, str]


def verify(catalog: Catalog, sdk: SageMakerCore | None = None) -> list[Finding]:
    """What in `catalog` is wrong or differs from `sdk` (default: the installed sagemaker-core). Empty: confirmed.

    Model packages, artifacts, quota codes and prices are checked only for consistency: the SDK does not hold them.
    """
    return [*consistency_findings(catalog), *_sdk_findings(catalog, sdk or sagemaker_core(catalog))]


def sagemaker_core(catalog: Catalog) -> SageMakerCore:
    """Reads the installed sagemaker-core, without a network, a log line or a warning of its own."""
    return _installed(catalog.open.default_instance_type)


@cache
def _installed(instance_type: str) -> SageMakerCore:
    with _quiet():
        from sagemaker.core import image_uris  # noqa: PLC0415 - three seconds and 100 MB that only this needs

        versions = image_uris.config_for_framework(_FRAMEWORK)["inference"]["versions"]
        regions = {region for details in versions.values() for region in details["registries"]}
        images = {
            region: image_uris.retrieve(
                _FRAMEWORK,
                region=region,
                version=_VERSION,
                py_version=_PYTHON,
                image_scope="inference",
                instance_type=instance_type,
            )
            for region in sorted(regions)
        }
        config: dict[str, Any] = json.loads(
            (files("sagemaker.core.jumpstart") / "region_config.json").read_text("utf-8")
        )
    buckets = {region: entry["content_bucket"] for region, entry in config.items()}
    return SageMakerCore(version=version("sagemaker-core"), images=images, content_buckets=buckets)


def _sdk_findings(catalog: Catalog, sdk: SageMakerCore) -> Iterator[Finding]:
    for region in sorted({*catalog.open.containers, *sdk.images}):
        subject, container = f"sdxl_open.json: {region}", catalog.open.containers.get(region)
        in_catalog = container.image_uri if container else "no such region"
        in_sdk = sdk.images.get(region, "no such region")
        if in_catalog != in_sdk:
            text = f"image in sagemaker-core {sdk.version}"
            yield Finding(subject=subject, text=text, catalog=in_catalog, expected=in_sdk)
        bucket = sdk.content_buckets.get(region, "no such region")
        if container and container.content_bucket != bucket:
            text = f"content bucket in sagemaker-core {sdk.version}"
            yield Finding(subject=subject, text=text, catalog=container.content_bucket, expected=bucket)


@contextmanager
def _quiet() -> Iterator[None]:
    """sagemaker-core logs at import and has string escapes that newer Pythons warn of; neither is about the catalog."""
    logger = logging.getLogger("sagemaker")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
