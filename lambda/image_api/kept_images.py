"""The images of answers that may be asked for again: stored in the images bucket, and read from there."""

from __future__ import annotations

import base64
import concurrent.futures
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from image_api.deadline import Deadline
from image_api.errors import StorageError
from image_api.image_store import KEY_PREFIX
from image_api.request import Artifact, FinishReason, GenerationResult, LinkedArtifact

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class KeptImage(msgspec.Struct, frozen=True):
    """Where one image lies, and what the model said of it."""

    key: str
    seed: int
    finish_reason: FinishReason


class Kept(msgspec.Struct, frozen=True):
    """What the table holds of an answer: far below the 400 KB that an item may take."""

    images: tuple[KeptImage, ...]
    warnings: tuple[str, ...] = ()
    variant: str = ""
    source: str = ""


class KeptImages:
    """The images bucket. `s3_client` gives its client, when the first image needs it."""

    def __init__(self, *, bucket: str, s3_client: Callable[[], Any], now: Callable[[], datetime]) -> None:
        self._bucket = bucket
        self._s3_client = s3_client
        self._now = now

    def keep(self, result: GenerationResult, *, request_id: str, deadline: Deadline) -> Kept:
        """Store the images of `result`; raises whatever keeps them from being stored in time."""
        folder = f"{KEY_PREFIX}/{self._now():%Y-%m-%d}/{request_id}"
        images, uploads = [], {}
        for index, artifact in enumerate(result.artifacts):
            if isinstance(artifact, LinkedArtifact):
                raise TypeError("an image is a link that expires")
            key = f"{folder}/{index}.png"
            images.append(KeptImage(key=key, seed=artifact.seed, finish_reason=artifact.finish_reason))
            uploads[key] = artifact.image_base64
        client = self._s3_client()

        def store(key: str) -> None:
            body = base64.b64decode(uploads[key])
            client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="image/png")

        _for_all(store, tuple(uploads), deadline)
        return Kept(images=tuple(images), warnings=result.warnings, variant=result.variant, source=result.source)

    def load(self, kept: Kept, deadline: Deadline) -> GenerationResult:
        """The images of the first call.

        Raises:
            StorageError: one of them cannot be read, or not in time.
        """
        client = self._s3_client()

        def load(image: KeptImage) -> Artifact:
            body = client.get_object(Bucket=self._bucket, Key=image.key)["Body"].read()
            return Artifact(
                image_base64=base64.b64encode(body).decode(), seed=image.seed, finish_reason=image.finish_reason
            )

        try:
            artifacts = _for_all(load, kept.images, deadline)
        except Exception as exc:
            raise StorageError(
                "The images of the first call with this Idempotency-Key cannot be read. Try again; if it persists, "
                "send a new key, which draws new images."
            ) from exc
        return GenerationResult(
            artifacts=tuple(artifacts), warnings=kept.warnings, variant=kept.variant, source=kept.source
        )


def _for_all(work: Callable[[_Item], _Result], items: Sequence[_Item], deadline: Deadline) -> list[_Result]:
    """Do `work` for all items side by side, in time."""
    # A pool of its own: the next request must not wait for what this one has given up.
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, len(items)))
    try:
        running = [pool.submit(work, item) for item in items]
        return [one.result(timeout=deadline.remaining_seconds()) for one in running]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
