"""A call with an `Idempotency-Key` is carried out once: repeated, it gets the first answer's images again.

The first call's images go to the images bucket, and their object keys into a table, under caller, route and header, for
a day (`EXPIRY_SECONDS`). A repeat reads them from there and is answered like the first call, in the form that it
requests. An error is never kept: a repeat after one is a new call.

What counts as the same call is the request as it was understood, not its bytes: a client that sends a form again draws
a new boundary for it.

Powertools' idempotency utility keeps the records. It is imported with the first call that has the header, or before a
SnapStart snapshot, so that no other call pays for it.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from image_api.deadline import Deadline, WorkerPool
from image_api.errors import ImageApiError, InvalidRequestError, StorageError
from image_api.image_store import KEY_PREFIX
from image_api.request import (
    MAX_SAMPLES,
    Artifact,
    FinishReason,
    GenerationRequest,
    GenerationResult,
    LinkedArtifact,
)

HEADER = "idempotency-key"
EXPIRY_SECONDS = 24 * 60 * 60
# How soon a caller may repeat a call that is still being carried out.
_RETRY_SECONDS = 5
_VALUE = re.compile(r"[\x21-\x7e]{1,255}")


class CallInProgressError(ImageApiError):
    """A call with this idempotency key is still being carried out."""

    status = 409
    name = "conflict"


class IdempotencyKeyReusedError(ImageApiError):
    """The idempotency key belongs to a call with another request."""

    status = 422
    name = "idempotency_key_reused"


class RecordsUnavailableError(ImageApiError):
    """It cannot be found out whether the call was made before, so it is not made."""

    status = 503
    name = "idempotency_unavailable"


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call under an idempotency key: `header` as it was sent, by `caller` on `route`."""

    header: str
    caller: str
    route: str
    request: GenerationRequest
    request_id: str
    deadline: Deadline
    context: LambdaContext


class KeptImage(msgspec.Struct, frozen=True):
    """Where one image lies, and what the model said of it."""

    key: str
    seed: int
    finish_reason: FinishReason
    # What an earlier version of the function kept has no marks.
    is_marked: bool = False


class Kept(msgspec.Struct, frozen=True):
    """What the table holds of an answer: far below the 400 KB that an item may take."""

    images: tuple[KeptImage, ...]
    warnings: tuple[str, ...] = ()
    variant: str = ""
    source: str = ""


class KeptImages:
    """The images of calls that may be repeated, in the images bucket.

    `s3_client` gives the bucket's client, when the first image needs it.
    """

    def __init__(self, *, bucket: str, s3_client: Callable[[], Any], now: Callable[[], datetime]) -> None:
        self._bucket = bucket
        self._s3_client = s3_client
        self._now = now
        self._workers = WorkerPool("keep-image", workers=MAX_SAMPLES)

    def keep(self, result: GenerationResult, *, request_id: str, deadline: Deadline) -> Kept:
        """Store the images of `result`; raises what keeps them from being stored in time."""
        folder = f"{KEY_PREFIX}/{self._now():%Y-%m-%d}/{request_id}"
        images, uploads = [], {}
        for index, artifact in enumerate(result.artifacts):
            if isinstance(artifact, LinkedArtifact):
                raise TypeError("an image is a link that expires")
            key = f"{folder}/{index}.png"
            images.append(KeptImage(key, artifact.seed, artifact.finish_reason, artifact.is_marked))
            uploads[key] = artifact.image_base64
        client = self._s3_client()

        def store(key: str) -> None:
            body = base64.b64decode(uploads[key])
            client.put_object(Bucket=self._bucket, Key=key, Body=body, ContentType="image/png")

        self._workers.do_all(store, tuple(uploads), deadline)
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
                image_base64=base64.b64encode(body).decode(),
                seed=image.seed,
                finish_reason=image.finish_reason,
                is_marked=image.is_marked,
            )

        try:
            artifacts = self._workers.do_all(load, kept.images, deadline)
        except Exception as exc:
            raise StorageError(
                "The images of the first call with this Idempotency-Key cannot be read. Try again; if it persists, "
                "send a new key, which draws new images."
            ) from exc
        return GenerationResult(artifacts=artifacts, warnings=kept.warnings, variant=kept.variant, source=kept.source)


class _NotKeptError(Exception):
    """The answer could not be kept. The caller gets it all the same; a repeat would be a new call."""


def create_records(table_name: str) -> Any:
    """Powertools' persistence in the DynamoDB table, whose calls leave time for the image."""
    from aws_lambda_powertools.utilities.idempotency import DynamoDBPersistenceLayer  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415

    config = Config(connect_timeout=1.0, read_timeout=2.0, retries={"total_max_attempts": 2, "mode": "standard"})
    return DynamoDBPersistenceLayer(table_name=table_name, boto_config=config)


class Idempotency:
    """Carries calls out once. `s3_client` gives the images bucket's client, when the first call needs it."""

    def __init__(
        self,
        *,
        table_name: str,
        bucket: str,
        s3_client: Callable[[], Any],
        logger: Logger,
        create_records: Callable[[str], Any] = create_records,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._table_name = table_name
        self._images = KeptImages(bucket=bucket, s3_client=s3_client, now=now)
        self._logger = logger
        self._create_records = create_records

    @cached_property
    def records(self) -> Any:
        """Powertools' persistence layer."""
        return self._create_records(self._table_name)

    def once(self, call: Call, draw: Callable[[], GenerationResult]) -> GenerationResult:
        """The images of the first call with this key: drawn now, or kept since then.

        Raises:
            InvalidRequestError: the header's value cannot be an idempotency key.
            CallInProgressError: the first call has not been answered yet.
            IdempotencyKeyReusedError: the first call had another request.
            RecordsUnavailableError: the table cannot be reached, or does not exist; nothing was drawn.
            ImageApiError: what `draw` raises.
        """
        from aws_lambda_powertools.utilities.idempotency import (  # noqa: PLC0415
            IdempotencyConfig,
            exceptions,
            idempotent_function,
        )

        _check_header(call.header)
        if not self._table_name:
            raise RecordsUnavailableError(
                "This deployment keeps no answers, so it cannot recognize a repeated call. Leave Idempotency-Key out."
            )
        config = IdempotencyConfig(
            event_key_jmespath="[caller, route, header]",
            payload_validation_jmespath="request",
            expires_after_seconds=EXPIRY_SECONDS,
            raise_on_no_idempotency_key=True,
            hash_function="sha256",
        )
        # By it a call that Lambda stopped counts as ended, and may be made again.
        config.register_lambda_context(call.context)
        attempt = _Attempt(
            draw, lambda result: self._images.keep(result, request_id=call.request_id, deadline=call.deadline)
        )
        carry_out = idempotent_function(
            attempt.carry_out,
            data_keyword_argument="call",
            persistence_store=self.records,
            config=config,
            key_prefix="image-api",
        )
        named = {"caller": call.caller, "route": call.route, "header": call.header, "request": _digest(call.request)}
        try:
            kept = carry_out(call=named)
        except exceptions.IdempotencyAlreadyInProgressError as exc:
            raise CallInProgressError(
                "A call with this Idempotency-Key is still being carried out. Send it again with the same key, to get "
                "its answer when it is there.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from exc
        except exceptions.IdempotencyValidationError as exc:
            raise IdempotencyKeyReusedError(
                "This Idempotency-Key was sent with another request within the last 24 hours. Send a new key with each "
                "new request, and the same only to repeat one."
            ) from exc
        except (
            exceptions.IdempotencyPersistenceLayerError,
            exceptions.IdempotencyInconsistentStateError,
            _NotKeptError,
        ) as exc:
            return attempt.outcome(exc, self._logger)
        if attempt.result is not None:
            return attempt.result
        return self._images.load(msgspec.convert(kept, Kept), call.deadline)


class _Attempt:
    """The function that Powertools calls if there is no answer yet; remembers what came of it."""

    def __init__(self, draw: Callable[[], GenerationResult], keep: Callable[[GenerationResult], Kept]) -> None:
        self._draw = draw
        self._keep = keep
        self.result: GenerationResult | None = None
        self.error: Exception | None = None

    def carry_out(self, *, call: dict[str, str]) -> Any:  # noqa: ARG002 -- what Powertools knows the call by
        """Draw, keep the images, and return what the table is to hold."""
        try:
            result = self._draw()
        except Exception as exc:
            self.error = exc
            raise
        self.result = result
        try:
            return msgspec.to_builtins(self._keep(result))
        except Exception as exc:
            raise _NotKeptError(str(exc)) from exc

    def outcome(self, problem: Exception, logger: Logger) -> GenerationResult:
        """What the caller gets when the records failed: the images if they were drawn, else an error."""
        if self.error is not None:
            raise self.error from problem
        if self.result is None:
            raise RecordsUnavailableError(
                "Whether this call was made before cannot be found out at the moment, so it was not made. Try again "
                "with the same Idempotency-Key.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from problem
        logger.warning("answer not kept under its idempotency key", exc_info=problem)
        return self.result


def caller_of(event: Mapping[str, Any]) -> str:
    """Who called, as API Gateway found out: an API key's id, a user, or an AWS identity.

    Two callers may choose the same idempotency key, and neither must get the other's images.
    """
    context = event.get("requestContext") or {}
    identity, authorizer = context.get("identity") or {}, context.get("authorizer") or {}
    claims = authorizer.get("claims") or {}
    for kind, value in (
        ("key", identity.get("apiKeyId")),
        ("user", claims.get("sub")),
        ("aws", identity.get("userArn")),
        ("principal", authorizer.get("principalId")),
    ):
        if value:
            return f"{kind}:{value}"
    return "unknown"


def _check_header(value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise InvalidRequestError(
            f"Idempotency-Key has {len(value)} characters, allowed are 1 to 255 visible ASCII characters without "
            "spaces. Send a random one with each new request, such as a UUID."
        )


def _digest(request: GenerationRequest) -> str:
    # Sorted, because `given` is a set, whose order differs from process to process.
    return hashlib.sha256(msgspec.json.encode(request, order="sorted")).hexdigest()
