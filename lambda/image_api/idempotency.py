"""A call with an `Idempotency-Key` is carried out once: repeated, it gets the first answer's images again.

The call is recorded before the model is asked, under caller, route and header, for a day (`EXPIRY_SECONDS`). Its images
go to the images bucket. A repeat reads them from there and is answered like the first call, in the form that it
requests. Where only some samples could be drawn, these are kept, and a repeat draws the others, from the same seed. An
error is never kept: a repeat after one goes on with what there is.

An image is paid for again in two cases only: the model drew it and its answer came after the deadline, or it could be
neither stored nor delivered. `tests/unit/image_api/test_image_api_promises.py` counts the calls of the model under each
fault.

What counts as the same call is the request as it was understood, not its bytes: a client that sends a form again draws
a new boundary for it.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from aws_lambda_powertools import Logger
from aws_lambda_powertools.utilities.typing import LambdaContext

from image_api.deadline import Deadline
from image_api.errors import ImageApiError, InvalidRequestError
from image_api.image_store import KeptImages
from image_api.records import ConditionError, Record, RecordError, Records, Work, new_token
from image_api.request import MAX_SAMPLES, MAX_SEED, Artifact, GenerationRequest, GenerationResult

HEADER = "idempotency-key"
EXPIRY_SECONDS = 24 * 60 * 60
# How soon a caller may repeat a call that is still being carried out.
_RETRY_SECONDS = 5
_VALUE = re.compile(r"[\x21-\x7e]{1,255}")
_ROLE_SESSION = re.compile(r"(arn:[a-z-]+:sts::[0-9]*:assumed-role/[^/]+)/.*")

Drawn = dict[int, Artifact]
# Draws what is missing in the samples by index, and adds to them what it draws, also where it fails in the end.
Draw = Callable[[GenerationRequest, Drawn], GenerationResult]


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
    deadline: Deadline
    context: LambdaContext

    @property
    def id(self) -> str:
        """What the record is found by. No two of the three texts can be taken for two others."""
        named = msgspec.json.encode((self.caller, self.route, self.header))
        return hashlib.sha256(named).hexdigest()

    @property
    def request_digest(self) -> str:
        """What tells the request from any other."""
        # Sorted, because `given` is a set, whose order differs from process to process.
        return hashlib.sha256(msgspec.json.encode(self.request, order="sorted")).hexdigest()


class Idempotency:
    """Carries calls out once; `records` is None where the deployment keeps no answers."""

    def __init__(
        self,
        *,
        records: Records | None,
        images: KeptImages,
        logger: Logger,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._records = records
        self._images = images
        self._logger = logger
        self._now = now

    def once(self, call: Call, draw: Draw) -> GenerationResult:
        """The images of the first call with this key: drawn now, or kept since then.

        Raises:
            InvalidRequestError: the header's value cannot be an idempotency key.
            CallInProgressError: the first call has not been answered yet.
            IdempotencyKeyReusedError: the first call had another request.
            RecordsUnavailableError: the table cannot be reached, or does not exist; nothing was drawn.
            StorageError: the first call's images cannot be read.
            ImageApiError: what `draw` raises.
        """
        _check_header(call.header)
        if self._records is None:
            raise RecordsUnavailableError(
                "This deployment keeps no answers, so it cannot recognize a repeated call. Leave Idempotency-Key out."
            )
        record, is_new = self._begin(self._records, call)
        if record.status == "succeeded":
            return self._images.load(record.work, call.deadline)
        drawn: Drawn = {} if is_new else self._images.find(record.work, call.request.samples, call.deadline)
        try:
            result = draw(msgspec.structs.replace(call.request, seed=record.work.seed), drawn)
        except Exception:
            self._end(self._records, record, drawn, GenerationResult(artifacts=()), call.deadline)
            raise
        self._end(self._records, record, drawn, result, call.deadline)
        return result

    def _begin(self, records: Records, call: Call) -> tuple[Record, bool]:
        """The record that this call holds from now on, and whether it is new; or one that has succeeded."""
        token = new_token()
        record = Record(
            id=f"call#{call.id}",
            token=token,
            status="running",
            # Then Lambda stops this attempt.
            lease_ends=int(self._now() * 1000) + call.context.get_remaining_time_in_millis(),
            expires=int(self._now()) + EXPIRY_SECONDS,
            work=Work(
                request_digest=call.request_digest, folder=f"{call.id}/{token}", seed=call.request.seed or _any_seed()
            ),
        )
        try:
            held = records.begin(record, call.deadline)
            if held.token == token:
                return held, True
            if held.work.request_digest != record.work.request_digest:
                raise IdempotencyKeyReusedError(
                    "This Idempotency-Key was sent with another request within the last 24 hours. Send a new key with "
                    "each new request, and the same only to repeat one."
                )
            if held.status == "succeeded":
                return held, False
            taken = (
                None if held.is_held(self._now()) else records.take_over(held, token, record.lease_ends, call.deadline)
            )
        except RecordError as exc:
            self._let_go(records, record, call.deadline)
            raise RecordsUnavailableError(
                "Whether this call was made before cannot be found out at the moment, so it was not made. Try again "
                "with the same Idempotency-Key.",
                retry_after_seconds=_RETRY_SECONDS,
            ) from exc
        if taken is None:
            raise CallInProgressError(
                "A call with this Idempotency-Key is still being carried out. Send it again with the same key, to get "
                "its answer when it is there.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        return taken, False

    def _let_go(self, records: Records, record: Record, deadline: Deadline) -> None:
        """Remove the record of an attempt that gives up, in case that its write took effect after all."""
        try:
            records.remove(record, deadline)
        except (RecordError, ConditionError) as exc:
            self._logger.warning("record not removed", exc_info=exc)

    def _end(
        self, records: Records, record: Record, drawn: Drawn, result: GenerationResult, deadline: Deadline
    ) -> None:
        """Keep the samples that were drawn. Whatever fails here, the caller gets the images all the same."""
        try:
            if not drawn:
                records.remove(record, deadline)
                return
            kept = self._images.keep(record.work, drawn, deadline)
            is_complete = bool(result.artifacts) and len(kept) == len(result.artifacts)
            work = msgspec.structs.replace(
                record.work, samples=kept, warnings=result.warnings, variant=result.variant, source=result.source
            )
            records.end(record, "succeeded" if is_complete else "open", work, deadline)
        except (RecordError, ConditionError) as exc:
            self._logger.warning("answer not kept under its idempotency key", exc_info=exc)


def caller_of(event: Mapping[str, Any]) -> str:
    """Who called, as API Gateway found out: an API key's id, a user, or an AWS identity.

    Two callers may choose the same idempotency key, and neither must get the other's images. A role is one caller,
    whatever the session: a container that starts anew has another session, and repeats its call as the same role.
    """
    context = event.get("requestContext") or {}
    identity, authorizer = context.get("identity") or {}, context.get("authorizer") or {}
    claims = authorizer.get("claims") or {}
    for kind, value in (
        ("key", identity.get("apiKeyId")),
        ("user", claims.get("sub")),
        ("aws", _without_session(identity.get("userArn"))),
        ("principal", authorizer.get("principalId")),
    ):
        if value:
            return f"{kind}:{value}"
    return "unknown"


def _without_session(arn: object) -> str:
    return _ROLE_SESSION.sub(r"\1", arn) if isinstance(arn, str) else ""


def _any_seed() -> int:
    """A random seed, so small that no sample's is beyond the largest that any model takes (4,294,967,294)."""
    return secrets.randbelow(MAX_SEED - MAX_SAMPLES) + 1


def _check_header(value: str) -> None:
    if not _VALUE.fullmatch(value):
        raise InvalidRequestError(
            f"Idempotency-Key has {len(value)} characters, allowed are 1 to 255 visible ASCII characters without "
            "spaces. Send a random one with each new request, such as a UUID."
        )
