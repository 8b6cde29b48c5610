"""The images bucket: where images go that do not fit into an answer, the links to them, and images kept for repeats.

Every object has a name of the function's own, and is written only where there is none (`If-None-Match: *`): a request's
id can be set by its caller (`x-amzn-RequestId`), and must not lead to another caller's images.

Lambda lets 6,291,456 bytes of answer through (Lambda quotas, synchronous response payload), and an image counts there
as base64 in a JSON answer and in a binary one alike. For a caller who asked for links every image is stored; for one
who takes links, each that does not fit; for all others `encoding.py` makes the images fit.

An image for which a link was requested, and that cannot be stored, comes in the answer where it fits: it is paid for.

A link ends with its time to live, or with the credentials of the function that signed it if those end sooner.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import boto3
import msgspec
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from image_api.deadline import Deadline, TooMuchGivenUpError, WorkerPool
from image_api.errors import StorageError
from image_api.records import KeptSample, Work
from image_api.request import MAX_SAMPLES, Artifact, FinishReason, GenerationResult, LinkedArtifact

LAMBDA_RESPONSE_BYTES = 6_291_456
# For the headers and the envelope of the proxy answer: API Gateway allows 10,240 bytes of headers.
ENVELOPE_BYTES = 16_384
# What is left for the images.
ANSWER_BYTES = LAMBDA_RESPONSE_BYTES - ENVELOPE_BYTES
LINKED_PREFIX = "generated"
# Images kept for repeats expire with their records: the bucket's lifecycle has a rule for this prefix.
KEPT_PREFIX = "generated/kept"

_NOT_STORED = (
    "The images were made, but do not fit into one answer and could not be stored. "
    "Ask for fewer samples or a smaller size, or try again."
)


_IN_PLACE_OF_LINKS = "The images could not be stored, and are in the answer in place of links."
_PRECONDITION_FAILED = 412
# How long to look for images of earlier attempts, before they are drawn again.
_FIND_SECONDS = 5.0


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
        overhead_bytes: int,
        deadline: Deadline,
        as_links: bool = False,
    ) -> GenerationResult:
        """`result` with links in place of the images that do not fit into one answer.

        Args:
            result: The images as drawn.
            overhead_bytes: What an image takes in the answer in addition to its base64.
            deadline: By when the images must be stored.
            as_links: Whether to store every image, also those that fit.

        Raises:
            StorageError: an image does not fit and could not be stored, or not in time.
        """
        fitting = _fitting(result, overhead_bytes)
        chosen = range(len(result.artifacts)) if as_links else sorted(set(range(len(result.artifacts))) - fitting)
        to_store = [(index, artifact) for index in chosen if isinstance(artifact := result.artifacts[index], Artifact)]
        if not to_store:
            return result
        try:
            links = self._links(to_store, deadline)
        except StorageError:
            if not fitting.issuperset(chosen):
                raise
            return msgspec.structs.replace(result, warnings=(*result.warnings, _IN_PLACE_OF_LINKS))
        artifacts = tuple(links.get(index, artifact) for index, artifact in enumerate(result.artifacts))
        return msgspec.structs.replace(result, artifacts=artifacts)

    def _links(self, images: list[tuple[int, Artifact]], deadline: Deadline) -> dict[int, LinkedArtifact]:
        # A name that nobody can guess or choose. Of the system: a SnapStart snapshot would clone that of `random`.
        folder = f"{LINKED_PREFIX}/{self._now():%Y-%m-%d}/{secrets.token_hex(16)}"

        def store(item: tuple[int, Artifact]) -> tuple[int, LinkedArtifact]:
            index, artifact = item
            kind = artifact.format.lower()
            key = f"{folder}/{index}.{kind}"
            self.client.put_object(
                Bucket=self._bucket, Key=key, Body=artifact.image, ContentType=f"image/{kind}", IfNoneMatch="*"
            )
            url: str = self.client.generate_presigned_url(
                "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=self._link_ttl_seconds
            )
            return index, LinkedArtifact(url=url, seed=artifact.seed, finish_reason=artifact.finish_reason)

        try:
            return dict(self._workers.do_all(store, images, deadline))
        except (BotoCoreError, ClientError, TimeoutError, TooMuchGivenUpError, OSError) as exc:
            raise StorageError(_NOT_STORED) from exc


class KeptImages:
    """The images of calls that may be repeated, in the images bucket; `s3_client` gives its client at first use.

    The folder of a call's images is derived from its caller, route and key, and from the attempt that recorded it.
    """

    def __init__(self, *, bucket: str, s3_client: Callable[[], Any]) -> None:
        self._bucket = bucket
        self._s3_client = s3_client
        self._workers = WorkerPool("keep-image", workers=MAX_SAMPLES)

    def keep(self, work: Work, drawn: Mapping[int, Artifact], deadline: Deadline) -> tuple[KeptSample, ...]:
        """Store images by the index of their sample, and return those that are stored by the deadline."""

        def store(index: int) -> KeptSample:
            artifact = drawn[index]
            try:
                self._s3_client().put_object(
                    Bucket=self._bucket,
                    Key=_kept_key(work, index),
                    Body=base64.b64decode(artifact.image_base64),
                    ContentType="image/png",
                    Metadata={
                        "seed": str(artifact.seed),
                        "finish-reason": artifact.finish_reason,
                        "marked": "yes" if artifact.is_marked else "no",
                    },
                    IfNoneMatch="*",
                )
            except ClientError as exc:
                # An earlier attempt stored it, or this one did, and the answer was lost.
                if exc.response.get("ResponseMetadata", {}).get("HTTPStatusCode") != _PRECONDITION_FAILED:
                    raise
            return KeptSample(index=index, seed=artifact.seed, finish_reason=artifact.finish_reason)

        try:
            outcomes = self._workers.do_each(store, sorted(drawn), deadline, is_decisive=lambda _: False)
        except TooMuchGivenUpError:
            return ()
        return tuple(outcomes.results[index] for index in sorted(outcomes.results))

    def load(self, work: Work, deadline: Deadline) -> GenerationResult:
        """The images of a call that succeeded.

        Raises:
            StorageError: one of them cannot be read, or not in time.
        """

        def load(sample: KeptSample) -> Artifact:
            return self._read(work, sample.index)

        try:
            artifacts = self._workers.do_all(load, work.samples, deadline)
        except Exception as exc:
            raise StorageError(
                "The images of the first call with this Idempotency-Key cannot be read. Try again; if it persists, "
                "send a new key, which draws new images."
            ) from exc
        return GenerationResult(artifacts=artifacts, warnings=work.warnings, variant=work.variant, source=work.source)

    def find(self, work: Work, samples: int, deadline: Deadline) -> dict[int, Artifact]:
        """The samples that earlier attempts stored, recorded or not, by index; others are to be drawn."""
        try:
            outcomes = self._workers.do_each(
                lambda index: self._read(work, index),
                range(samples),
                deadline.at_most(_FIND_SECONDS),
                is_decisive=lambda _: False,
            )
        except TooMuchGivenUpError:
            return {}
        return outcomes.results

    def _read(self, work: Work, index: int) -> Artifact:
        found = self._s3_client().get_object(Bucket=self._bucket, Key=_kept_key(work, index))
        metadata = found["Metadata"]
        return Artifact(
            image_base64=base64.b64encode(found["Body"].read()).decode(),
            seed=int(metadata["seed"]),
            finish_reason=msgspec.convert(metadata["finish-reason"], FinishReason),
            is_marked=metadata.get("marked") == "yes",
        )


def _kept_key(work: Work, index: int) -> str:
    return f"{KEPT_PREFIX}/{work.folder}/{index}.png"


def _fitting(result: GenerationResult, overhead_bytes: int) -> set[int]:
    """Which images stay in the answer, in their order, as long as they fit; links take no room to speak of."""
    budget = ANSWER_BYTES
    fitting = set[int]()
    for index, artifact in enumerate(result.artifacts):
        size = len(artifact.image_base64) + overhead_bytes if isinstance(artifact, Artifact) else 0
        if size <= budget:
            budget -= size
            fitting.add(index)
    return fitting
