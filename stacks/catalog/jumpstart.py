"""Fetches the JumpStart manifest and model specification from their public bucket: the only part with a network."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from stacks.catalog.model import CatalogError
from stacks.catalog.refresh import newest_spec_key

# The manifest that sagemaker-core reads (sagemaker.core.jumpstart.constants).
MANIFEST_KEY = "models_manifest.json"
REGION = "us-east-1"


@dataclass(frozen=True, kw_only=True)
class FetchedSpec:
    """A specification and the address it was read from."""

    spec: dict[str, Any]
    source: str


def fetch_open_spec(bucket: str) -> FetchedSpec:
    """The newest specification of SDXL 1.0 Open, read from the JumpStart content bucket without credentials.

    Raises:
        CatalogError: the bucket cannot be reached, or holds something else than expected.
    """
    import boto3  # noqa: PLC0415 - the catalog is read at synthesis, which has no use for an AWS client
    from botocore import UNSIGNED  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(signature_version=UNSIGNED, connect_timeout=10, read_timeout=30, retries={"total_max_attempts": 3})
    client = boto3.client("s3", region_name=REGION, config=config)
    manifest = _read(client, bucket, MANIFEST_KEY)
    if not isinstance(manifest, list) or not all(isinstance(header, dict) for header in manifest):
        raise CatalogError(f"s3://{bucket}/{MANIFEST_KEY}: expected a list of models. Its format may have changed.")
    key = newest_spec_key(manifest)
    spec = _read(client, bucket, key)
    if not isinstance(spec, dict):
        raise CatalogError(f"s3://{bucket}/{key}: expected an object. Its format may have changed.")
    return FetchedSpec(spec=spec, source=f"s3://{bucket}/{key}")


def _read(client: Any, bucket: str, key: str) -> Any:
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        body = client.get_object(Bucket=bucket, Key=key)["Body"].read()
    except (BotoCoreError, ClientError) as exc:
        raise CatalogError(
            f"s3://{bucket}/{key} cannot be read: {exc}. `sdxl catalog refresh` needs a network (no AWS credentials); "
            "without one, `sdxl catalog verify` checks what the installed SDK knows."
        ) from exc
    try:
        return json.loads(body)
    except ValueError as exc:
        raise CatalogError(f"s3://{bucket}/{key} is not JSON: {exc}. Its format may have changed.") from exc
