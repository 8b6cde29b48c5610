"""The entry point of the image API's function: wires the application once per cold start, then hands it each event."""

from __future__ import annotations

import os
from typing import Any

from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from image_api.admission import Admission
from image_api.application import Application
from image_api.backends import create_backend, create_runtime_client
from image_api.endpoint_health import create_health
from image_api.idempotency import Idempotency
from image_api.image_store import ImageStore, KeptImages
from image_api.marks.marker import ImageSigner
from image_api.measurements import Measurements
from image_api.records import Records, Table
from image_api.settings import Settings, load_settings

try:
    from snapshot_restore_py import register_before_snapshot
except ImportError:
    # Part of Lambda's own runtime only; elsewhere no snapshot is taken.
    register_before_snapshot = None


def _create_signer(settings: Settings) -> ImageSigner | None:
    if settings.content_credentials is None:
        return None
    # The library is in the layer of deployments that sign, and no others wait for it at a cold start.
    from image_api.marks.credentials import KmsSigner, own_chain  # noqa: PLC0415

    return KmsSigner(settings.content_credentials.key_arn, own_chain())


_logger = Logger()
_settings = load_settings(os.environ)
_image_store = ImageStore(bucket=_settings.images_bucket, link_ttl_seconds=_settings.image_link_ttl_seconds)
_endpoint_health = create_health(_settings)
_table = Table(_settings.idempotency_table) if _settings.idempotency_table else None
_idempotency = Idempotency(
    records=None if _table is None else Records(_table),
    images=KeptImages(bucket=_settings.images_bucket, s3_client=lambda: _image_store.client),
    logger=_logger,
)
_signer = _create_signer(_settings)
_application = Application(
    _settings,
    backend=create_backend(_settings, create_runtime_client(_settings)),
    image_store=_image_store,
    idempotency=_idempotency,
    admission=Admission(
        # Bedrock throttles by itself, and has no instances.
        table=None if _settings.model_source == "bedrock" else _table,
        endpoint_name=_settings.endpoint_name,
        instances=_endpoint_health,
    ),
    endpoint_health=_endpoint_health,
    signer=_signer,
    logger=_logger,
    measurements=Measurements(_settings),
)


def warm_clients() -> None:
    """Create the clients that few requests need, so that a SnapStart snapshot holds them and nobody waits for them."""
    _ = _image_store.client, _endpoint_health.client, None if _table is None else _table.client
    if _signer is not None:
        _signer.warm()


if register_before_snapshot is not None:
    register_before_snapshot(warm_clients)


@_logger.inject_lambda_context(clear_state=True)
def handler(event: dict[str, Any], context: LambdaContext) -> dict[str, Any]:
    """Answer one API Gateway REST proxy event."""
    return _application.handle(event, context)
