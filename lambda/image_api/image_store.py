"""The images bucket: where images go that do not fit into an answer, and the links to them.

Lambda lets 6,291,456 bytes of answer through (Lambda quotas, synchronous response payload), and an image counts there
as base64 in a JSON answer and in a binary one alike. For a caller who asked for links every image is stored; for one
who takes links, each that does not fit; for all others `encoding.py` makes the images fit.

A link ends with its time to live, or with the credentials of the function that signed it if those end sooner.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from image_api.deadline import Deadline, WorkerPool
from image_api.errors import StorageError
from image_api.request import MAX_SAMPLES, Artifact, GenerationResult, LinkedArtifact

LAMBDA_RESPONSE_BYTES = 6_291_456
# For the headers and the envelope of the proxy answer: API Gateway allows 10,240 bytes of headers.
ENVELOPE_BYTES = 16_384
# What is left for the images.
ANSWER_BYTES = LAMBDA_RESPONSE_BYTES - ENVELOPE_BYTES
KEY_PREFIX = "generated"

_NOT_STORED = (
    "The images were made, but do not fit into one answer and could not be stored. "
    "Ask for fewer samples or a smaller size, or try again."
)


def create_s3_client() -> Any:
    """An S3 client that signs with Signature Version 4, which links to objects under a KMS key need."""
    return boto3.client(
        "s3",
        config=Config(
            signature_version="s3v4",
            # Links get the bucket's regional address. With botocore's default style they get the global one, which S3
            # redirects while a bucket is young, and a redirected link has a wrong signature.
            s3={"addressing_style": "virtual", "us_east_1_regional_endpoint": "regional"},
            connect_timeout=1.0,
            read_timeout=5.0,
            retries={"total_max_attempts": 2, "mode": "standard"},
            max_pool_connections=MAX_SAMPLES,
        ),
    )


class ImageStore:
    """Stores images and links to them. The S3 client is created when the first image needs it: few ever do."""

    def __init__(
        self,
        *,
        bucket: str,
        link_ttl_seconds: int,
        create_client: Callable[[], Any] = create_s3_client,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._bucket = bucket
        self._link_ttl_seconds = link_ttl_seconds
        self._create_client = create_client
        self._now = now
        self._workers = WorkerPool("store-image", workers=MAX_SAMPLES)

    @cached_property
    def client(self) -> Any:
        """The S3 client."""
        return self._create_client()

    def fit(
        self,
        result: GenerationResult,
        *,
        request_id: str,
        overhead_bytes: int,
        deadline: Deadline,
        as_links: bool = False,
    ) -> GenerationResult:
        """`result` with links in place of the images that do not fit into one answer.

        Args:
            result: The images as drawn.
            request_id: Names the folder of the stored images.
            overhead_bytes: What an image takes in the answer in addition to its base64.
            deadline: By when the images must be stored.
            as_links: Whether to store every image, also those that fit.

        Raises:
            StorageError: an image could not be stored, or not in time.
        """
        budget = 0 if as_links else ANSWER_BYTES
        too_large: list[tuple[int, Artifact]] = []
        for index, artifact in enumerate(result.artifacts):
            if isinstance(artifact, LinkedArtifact):
                continue
            size = len(artifact.image_base64) + overhead_bytes
            if size <= budget:
                budget -= size
            else:
                too_large.append((index, artifact))
        if not too_large:
            return result
        folder = f"{KEY_PREFIX}/{self._now():%Y-%m-%d}/{request_id}"
        client = self.client

        def store(item: tuple[int, Artifact]) -> LinkedArtifact:
            index, artifact = item
            return self._store(client, f"{folder}/{index}.{artifact.format.lower()}", artifact)

        try:
            links = self._workers.do_all(store, too_large, deadline)
        except TimeoutError as exc:
            raise StorageError(_NOT_STORED) from exc
        by_index = dict(zip((index for index, _ in too_large), links, strict=True))
        artifacts = tuple(by_index.get(index, artifact) for index, artifact in enumerate(result.artifacts))
        return msgspec.structs.replace(result, artifacts=artifacts)

    def _store(self, client: Any, key: str, artifact: Artifact) -> LinkedArtifact:
        try:
            content_type = f"image/{artifact.format.lower()}"
            client.put_object(Bucket=self._bucket, Key=key, Body=artifact.image, ContentType=content_type)
            url: str = client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=self._link_ttl_seconds
            )
        except (BotoCoreError, ClientError) as exc:
            raise StorageError(_NOT_STORED) from exc
        return LinkedArtifact(url=url, seed=artifact.seed, finish_reason=artifact.finish_reason)
