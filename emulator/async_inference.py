"""InvokeEndpointAsync: a queue for each asynchronous endpoint, work by its instances, results in S3, messages in SNS.

SageMaker acts with the execution role of the endpoint's model: without a permission of that role an input is not read,
a result not written and a message not published, as on AWS.

Source: SageMaker Runtime API reference, InvokeEndpointAsync; Amazon SageMaker AI Developer Guide, "Check prediction
results", for the messages. That a failure's place takes no `S3OutputPathExtension` is assumed.
"""

from __future__ import annotations

import json
import logging
import threading
import uuid
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from urllib.parse import unquote

from botocore.exceptions import ClientError
from moto.sagemaker.models import sagemaker_backends
from moto.utilities.utils import get_partition

from emulator.cloudformation.clients import Clients
from emulator.containers import CONTAINERS, Containers, EndpointKey
from emulator.faults import FAULTS, FaultBoard, FaultKind
from emulator.iam.authorizer import DeniedError, RoleGoneError
from emulator.iam.operations import permissions_of
from emulator.iam.patterns import PolicyError
from emulator.iam.requests import Call
from emulator.iam.service_use import authorize_service
from emulator.iam.sessions import RoleError
from emulator.monitoring import clock
from emulator.monitoring.metrics import publish
from emulator.monitoring.sagemaker_metrics import NAMESPACE
from emulator.sagemaker_runtime import (
    Invocation,
    InvocationError,
    MotoAnswer,
    Runtime,
    find_endpoint,
)
from emulator.scaling.capacity import (
    CAPACITIES,
    asynchronous_config,
    asynchronous_endpoints,
)

SERVICE = "sagemaker.amazonaws.com"
MAX_INLINE_BYTES = 128_000
_TTL_SECONDS, _TIMEOUT_SECONDS = 21_600, 900
_TTL_RANGE, _TIMEOUT_RANGE = range(60, 21_601), range(1, 3601)
_REFUSING = {
    FaultKind.THROTTLED: InvocationError("ThrottlingException", 400, "Rate exceeded"),
    FaultKind.UNAVAILABLE: InvocationError("ServiceUnavailable", 503, "Service unavailable"),
}

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class QueuedRequest:
    """One request. Either `body` or `input_location` is there. `output` and `failure` are S3 addresses."""

    endpoint_key: EndpointKey
    inference_id: str
    body: bytes | None
    input_location: str | None
    content_type: str
    accept: str
    custom_attributes: str | None
    output: str
    failure: str | None
    ttl_seconds: int
    timeout_seconds: int
    received: datetime

    def age_seconds(self, now: datetime) -> float:
        """Seconds of AWS since it was received."""
        return (now - self.received).total_seconds() * clock.speed()


class _Queue:
    """Requests of one endpoint that wait, and those that are in work."""

    def __init__(self) -> None:
        self.waiting: deque[QueuedRequest] = deque()
        self.working: list[QueuedRequest] = []

    def all(self) -> list[QueuedRequest]:
        return [*self.working, *self.waiting]


class AsyncInference:
    """The queues of every asynchronous endpoint. `clients` act for SageMaker once a role has been asked."""

    def __init__(self, containers: Containers = CONTAINERS, faults: FaultBoard = FAULTS) -> None:
        self._runtime, self._faults = Runtime(containers, faults), faults
        self._clients: Clients | None = None
        self._queues: dict[EndpointKey, _Queue] = {}
        self._changed = threading.Condition()

    def use(self, clients: Clients) -> None:
        """Write results and publish messages through these clients."""
        self._clients = clients

    def accept(self, response: Any) -> MotoAnswer:
        """Queue the request that moto has read; raises InvocationError, or ConnectionResetError for a fault."""
        key: EndpointKey = (response.current_account, response.region, unquote(response.path.split("/")[2]))
        find_endpoint(key)
        config = asynchronous_config(*key)
        if not config:
            # Its words on AWS are not known.
            message = f"Endpoint {key[2]} has no AsyncInferenceConfig: use InvokeEndpoint."
            raise InvocationError("ValidationError", 400, message)
        self._refuse_by_fault(key[2])
        request = _read(response, key, config["OutputConfig"])
        with self._changed:
            self._queues.setdefault(key, _Queue()).waiting.append(request)
        self._start_work(key)
        headers = {
            "Content-Type": "application/json",
            "status": "202",
            "X-Amzn-SageMaker-OutputLocation": request.output,
        }
        if request.failure:
            headers["X-Amzn-SageMaker-FailureLocation"] = request.failure
        return 202, headers, json.dumps({"InferenceId": request.inference_id}).encode()

    def _refuse_by_fault(self, endpoint_name: str) -> None:
        current = self._faults.current()
        kind = current[0].fault if current else None
        if kind is FaultKind.RESET and self._faults.take(endpoint_name):
            raise ConnectionResetError("the fault 'reset' is switched on")
        if kind in _REFUSING and self._faults.take(endpoint_name):
            raise _REFUSING[kind]

    def step(self) -> None:
        """Drop what is too old, give free instances work, and publish the queues' metrics."""
        endpoints = set(asynchronous_endpoints())
        with self._changed:
            for key in set(self._queues) - endpoints:
                # With the endpoint, its queue is gone.
                self._queues[key].waiting.clear()
        for key in endpoints:
            self._expire(key)
            self._start_work(key)
            self._publish(key)

    def wait_until_idle(self, seconds: float) -> bool:
        """Wait until no instance works at a request; False where that takes longer than `seconds`."""
        with self._changed:
            return self._changed.wait_for(
                lambda: not any(queue.working for queue in self._queues.values()), timeout=seconds
            )

    def _expire(self, key: EndpointKey) -> None:
        now = clock.now()
        with self._changed:
            queue = self._queues.setdefault(key, _Queue())
            old = [request for request in queue.waiting if request.age_seconds(now) > request.ttl_seconds]
            for request in old:
                queue.waiting.remove(request)
        for request in old:
            reason = f"The request waited longer than its RequestTTLSeconds, {request.ttl_seconds}, and has expired."
            self._fail(request, reason, b"")

    def _start_work(self, key: EndpointKey) -> None:
        """Let every instance that has room take the oldest request."""
        account, region, name = key
        endpoint = sagemaker_backends[account][region].endpoints.get(name)
        if endpoint is None:
            return
        variant = str(endpoint.production_variants[0]["VariantName"])
        scaled = CAPACITIES.variant(account, region, name, variant)
        client = asynchronous_config(*key).get("ClientConfig") or {}
        room = (scaled.current if scaled else 0) * int(client.get("MaxConcurrentInvocationsPerInstance") or 1)
        with self._changed:
            queue = self._queues.setdefault(key, _Queue())
            while queue.waiting and len(queue.working) < room:
                request = queue.waiting.popleft()
                queue.working.append(request)
                threading.Thread(
                    target=self._work, args=(queue, request, variant), name=f"async-{name}", daemon=True
                ).start()

    def _work(self, queue: _Queue, request: QueuedRequest, variant: str) -> None:
        try:
            self._answer(request, variant)
        except Exception:
            _logger.exception("the asynchronous request %s was lost", request.inference_id)
        finally:
            with self._changed:
                queue.working.remove(request)
                self._changed.notify_all()
            self._start_work(request.endpoint_key)

    def _answer(self, request: QueuedRequest, variant: str) -> None:
        try:
            body = self._input(request)
            invocation = Invocation(
                endpoint_key=request.endpoint_key,
                body=body,
                content_type=request.content_type,
                accept=request.accept,
                custom_attributes=request.custom_attributes,
                target_variant=None,
                inference_id=request.inference_id,
            )
            reply = self._runtime.answer_queued(invocation, variant, request.timeout_seconds)
            self._put(request, request.output, reply.body, reply.content_type)
        except InvocationError as exc:
            self._fail(request, str(exc), str(exc.body.get("OriginalMessage", exc)).encode())
        except _RefusedError as exc:
            self._fail(request, str(exc), b"")
        else:
            answered = {"contentType": reply.content_type, "outputLocation": request.output}
            self._announce(request, "SuccessTopic", {"invocationStatus": "Completed", "responseParameters": answered})

    def _input(self, request: QueuedRequest) -> bytes:
        if request.body is not None:
            return request.body
        bucket, key = _bucket_and_key(str(request.input_location))
        self._authorize(request, "s3", "GetObject", {"Bucket": bucket, "Key": key}, {})
        try:
            found: bytes = self._client(request, "s3").get_object(Bucket=bucket, Key=key)["Body"].read()
        except ClientError as exc:
            raise _RefusedError(f"The input {request.input_location} cannot be read: {exc}") from exc
        return found

    def _put(self, request: QueuedRequest, location: str, body: bytes, content_type: str) -> None:
        bucket, key = _bucket_and_key(location)
        fields = {"Bucket": bucket, "Key": key, "Body": body, "ContentType": content_type}
        headers = {}
        key_id = asynchronous_config(*request.endpoint_key).get("OutputConfig", {}).get("KmsKeyId")
        if key_id:
            fields |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": key_id}
            headers = {
                "x-amz-server-side-encryption": "aws:kms",
                "x-amz-server-side-encryption-aws-kms-key-id": str(key_id),
            }
        self._authorize(request, "s3", "PutObject", {"Bucket": bucket, "Key": key}, headers)
        try:
            self._client(request, "s3").put_object(**fields)
        except ClientError as exc:
            raise _RefusedError(f"The result {location} cannot be written: {exc}") from exc

    def _fail(self, request: QueuedRequest, reason: str, body: bytes) -> None:
        failed: dict[str, Any] = {"invocationStatus": "Failed", "failureReason": reason}
        if request.failure:
            try:
                self._put(request, request.failure, body or reason.encode(), "text/plain")
                failed["responseParameters"] = {"outputLocation": request.failure}
            except _RefusedError as exc:
                _logger.warning("%s: %s", request.inference_id, exc)
        self._announce(request, "ErrorTopic", failed)

    def _announce(self, request: QueuedRequest, topic: str, outcome: Mapping[str, Any]) -> None:
        notification = asynchronous_config(*request.endpoint_key).get("OutputConfig", {}).get("NotificationConfig")
        arn = (notification or {}).get(topic)
        if not arn:
            return
        message = _message(request, outcome)
        try:
            self._authorize(request, "sns", "Publish", {"TopicArn": arn}, {})
            self._client(request, "sns").publish(TopicArn=arn, Message=json.dumps(message))
        except (_RefusedError, ClientError) as exc:
            # Nobody hears of it, as on AWS.
            _logger.warning("%s: no message to %s: %s", request.inference_id, arn, exc)

    def _authorize(
        self,
        request: QueuedRequest,
        service: str,
        operation: str,
        parameters: Mapping[str, Any],
        headers: Mapping[str, str],
    ) -> None:
        account, region, name = request.endpoint_key
        call = Call(
            service=service,
            operation=operation,
            protocol="",
            partition=get_partition(region),
            region=region,
            account=account,
            parameters=parameters,
            headers={"host": "localhost", **headers},
        )
        role = _execution_role(account, region, name)
        try:
            authorize_service(role, SERVICE, permissions_of(call), region=region, session_name="SageMaker")
        except (DeniedError, RoleError, RoleGoneError, PolicyError) as exc:
            raise _RefusedError(f"{role} is not allowed to call {service} {operation}: {exc}") from exc

    def _client(self, request: QueuedRequest, service: str) -> Any:
        if self._clients is None:
            raise RuntimeError("use() was not called: nothing can be read or written")
        account, region, _ = request.endpoint_key
        return self._clients.client(service, account, region)

    def _publish(self, key: EndpointKey) -> None:
        account, region, name = key
        now = clock.now()
        with self._changed:
            queue = self._queues.setdefault(key, _Queue())
            requests, waiting = queue.all(), len(queue.waiting)
        endpoint = sagemaker_backends[account][region].endpoints[name]
        instances = int(endpoint.production_variants[0].get("CurrentInstanceCount", 1))
        values = {
            "ApproximateBacklogSize": float(len(requests)),
            "HasBacklogWithoutCapacity": float(bool(waiting) and instances == 0),
            "ApproximateAgeOfOldestRequest": max((request.age_seconds(now) for request in requests), default=0.0),
        }
        if instances:
            # At zero there is nothing to divide by: target tracking sees no data, and only the wake policy acts.
            values["ApproximateBacklogSizePerInstance"] = len(requests) / instances
        publish(account, region, NAMESPACE, values, {"EndpointName": name})


class _RefusedError(Exception):
    """The execution role does not allow it, or S3 refuses it."""


def _execution_role(account: str, region: str, endpoint_name: str) -> str:
    backend = sagemaker_backends[account][region]
    endpoint = backend.endpoints.get(endpoint_name)
    if endpoint is None:
        raise _RefusedError(f"the endpoint {endpoint_name} is gone")
    config = backend.endpoint_configs[endpoint.endpoint_config_name]
    model = backend.describe_model(config.production_variants[0]["ModelName"]).response_object
    return str(model["ExecutionRoleArn"])


def _read(response: Any, key: EndpointKey, output: Mapping[str, Any]) -> QueuedRequest:
    headers, raw = response.headers, response.raw_body
    body = raw.encode() if isinstance(raw, str) else raw or b""

    def header(name: str) -> str | None:
        value: str | None = headers.get(f"X-Amzn-SageMaker-{name}")
        return value

    location = header("InputLocation")
    if bool(location) == bool(body):
        raise InvocationError("ValidationError", 400, "Provide exactly one of Body and InputLocation.")
    if len(body) > MAX_INLINE_BYTES:
        message = f"Body of {len(body)} bytes is larger than {MAX_INLINE_BYTES} bytes: use InputLocation."
        raise InvocationError("ValidationError", 400, message)
    inference_id = header("Inference-Id") or str(uuid.uuid4())
    if len(inference_id) > 64:
        raise InvocationError("ValidationError", 400, f"InferenceId has {len(inference_id)} characters, at most 64.")
    extension, made = header("S3OutputPathExtension"), uuid.uuid4()
    path = "/".join(part.strip("/") for part in (output["S3OutputPath"], extension or "") if part)
    failure = output.get("S3FailurePath")
    return QueuedRequest(
        endpoint_key=key,
        inference_id=inference_id,
        body=None if location else body,
        input_location=location,
        content_type=header("Content-Type") or "application/octet-stream",
        accept=header("Accept") or "*/*",
        custom_attributes=header("Custom-Attributes"),
        output=f"{path}/{header('Filename') or f'{made}.out'}",
        failure=f"{failure.rstrip('/')}/{made}-error.out" if failure else None,
        ttl_seconds=_seconds(header("RequestTTLSeconds"), "RequestTTLSeconds", _TTL_RANGE, _TTL_SECONDS),
        timeout_seconds=_seconds(
            header("InvocationTimeoutSeconds"), "InvocationTimeoutSeconds", _TIMEOUT_RANGE, _TIMEOUT_SECONDS
        ),
        received=clock.now(),
    )


def _seconds(text: str | None, name: str, allowed: range, otherwise: int) -> int:
    if text is None:
        return otherwise
    if not text.isdigit() or int(text) not in allowed:
        message = f"{name} is {text!r}: it must be from {allowed[0]} to {allowed[-1]}."
        raise InvocationError("ValidationError", 400, message)
    return int(text)


def _bucket_and_key(location: str) -> tuple[str, str]:
    bucket, _, key = location.removeprefix("s3://").partition("/")
    return bucket, key


def _message(request: QueuedRequest, outcome: Mapping[str, Any]) -> dict[str, Any]:
    _, region, name = request.endpoint_key
    parameters = {"accept": request.accept, "contentType": request.content_type, "endpointName": name}
    if request.input_location:
        parameters["inputLocation"] = request.input_location
    return {
        "awsRegion": region,
        "eventTime": _timestamp(clock.now()),
        "receivedTime": _timestamp(request.received),
        "requestParameters": parameters,
        "inferenceId": request.inference_id,
        "eventVersion": "1.0",
        "eventSource": "aws:sagemaker",
        "eventName": "InferenceResult",
        **outcome,
    }


def _timestamp(moment: datetime) -> str:
    return f"{moment.isoformat(timespec='milliseconds')}Z"


ASYNC_INFERENCE = AsyncInference()
