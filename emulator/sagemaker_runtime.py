"""SageMaker's InvokeEndpoint over moto: the checks, limits and errors of the service around a container's answer."""

from __future__ import annotations

import contextlib
import http.client
import json
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol
from urllib.parse import unquote, urlsplit

import flask
from moto.core.responses import BaseResponse
from moto.sagemaker.models import sagemaker_backends
from moto.sagemakerruntime.responses import SageMakerRuntimeResponse

from emulator.containers import CONTAINERS, Containers, EndpointKey, Serving, log_group
from emulator.faults import FAULTS, Fault, FaultBoard, FaultKind
from emulator.monitoring.sagemaker_metrics import Outcome, publish_invocation
from emulator.scaling.capacity import CAPACITIES, is_asynchronous
from emulator.services import inference_components
from emulator.stand_in.variant import MAX_BODY_BYTES, Reply, Variant
from emulator.stand_in.variants import VARIANTS

INVOKE_TIMEOUT_SECONDS = 60
# What all endpoints with the fault `queued` draw with, one image after another.
_GPU = threading.Lock()
SERVING_STATUSES = ("InService", "Updating", "SystemUpdating", "RollingBack")

MotoAnswer = tuple[int, dict[str, str], bytes]


class InvocationError(Exception):
    """The service refuses an invocation, with its error type, status and message."""

    def __init__(self, error_type: str, status: int, message: str, **fields: object) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.status = status
        self.body = {"Message": message, **fields}

    def answer(self) -> MotoAnswer:
        """As the service writes it."""
        # moto takes the status from a header of this name.
        headers = {"Content-Type": "application/json", "x-amzn-ErrorType": self.error_type, "status": str(self.status)}
        return self.status, headers, json.dumps(self.body).encode()


@dataclass(frozen=True)
class Invocation:
    """One InvokeEndpoint request."""

    endpoint_key: EndpointKey
    body: bytes
    content_type: str
    accept: str
    custom_attributes: str | None
    target_variant: str | None
    inference_id: str | None
    component: str | None = None


class AsynchronousCalls(Protocol):
    """What takes the calls that are answered later."""

    def accept(self, response: Any) -> MotoAnswer:
        """The answer to an InvokeEndpointAsync request of moto's; raises InvocationError and ConnectionResetError."""


def install(asynchronous: AsynchronousCalls, containers: Containers = CONTAINERS, faults: FaultBoard = FAULTS) -> None:
    """Carry InvokeEndpoint to the endpoints' containers, with the faults that are switched on."""
    runtime = Runtime(containers, faults)

    def setup_class(self: Any, request: Any, full_url: Any, headers: Any, **_: object) -> None:
        # An invocation's body is the model's own affair: it may be large or not text, so moto must not parse it.
        BaseResponse.setup_class(self, request, full_url, headers, use_raw_body=True)

    def invoke_endpoint(self: Any) -> MotoAnswer:
        try:
            return runtime.answer(_invocation(self))
        except ConnectionResetError:
            _drop_connection()
            raise

    def invoke_endpoint_async(self: Any) -> MotoAnswer:
        try:
            return asynchronous.accept(self)
        except InvocationError as exc:
            return exc.answer()
        except ConnectionResetError:
            _drop_connection()
            raise

    SageMakerRuntimeResponse.setup_class = setup_class
    SageMakerRuntimeResponse.invoke_endpoint = invoke_endpoint
    SageMakerRuntimeResponse.invoke_endpoint_async = invoke_endpoint_async


def _drop_connection() -> None:
    """Close the caller's connection, which the server would otherwise keep open for its next request."""
    connection: socket.socket | None = flask.request.environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _invocation(response: Any) -> Invocation:
    headers, body = response.headers, response.raw_body
    return Invocation(
        endpoint_key=(response.current_account, response.region, unquote(response.path.split("/")[2])),
        body=body.encode() if isinstance(body, str) else body or b"",
        content_type=headers.get("Content-Type") or "application/octet-stream",
        accept=headers.get("Accept") or "*/*",
        custom_attributes=headers.get("X-Amzn-SageMaker-Custom-Attributes"),
        target_variant=headers.get("X-Amzn-SageMaker-Target-Variant"),
        inference_id=headers.get("X-Amzn-SageMaker-Inference-Id"),
        component=headers.get("X-Amzn-SageMaker-Inference-Component"),
    )


class Runtime:
    """The service between a caller and the containers."""

    def __init__(self, containers: Containers, faults: FaultBoard) -> None:
        self._containers = containers
        self._faults = faults

    def answer(self, invocation: Invocation) -> MotoAnswer:
        """The HTTP answer to an invocation; ConnectionResetError where a fault drops the connection."""
        try:
            return self._invoke(invocation)
        except InvocationError as exc:
            return exc.answer()

    def _invoke(self, invocation: Invocation) -> MotoAnswer:
        _, _, endpoint_name = invocation.endpoint_key
        endpoint = find_endpoint(invocation.endpoint_key)
        if is_asynchronous(*invocation.endpoint_key):
            # Its words on AWS are not known.
            message = f"Endpoint {endpoint_name} takes asynchronous calls alone: use InvokeEndpointAsync."
            raise InvocationError("ValidationError", 400, message)
        if len(invocation.body) > MAX_BODY_BYTES:
            message = f"HTTP content length exceeded {MAX_BODY_BYTES} bytes."
            raise InvocationError("RequestEntityTooLarge", 413, message)
        with self._component(invocation) as of_component:
            variant = of_component or _production_variant(endpoint, invocation)
            return self._invoke_variant(endpoint, invocation, variant)

    @contextlib.contextmanager
    def _component(self, invocation: Invocation) -> Iterator[str | None]:
        """The variant of the inference component that is called; None of an endpoint that has none."""
        account, region, endpoint_name = invocation.endpoint_key
        if not invocation.component:
            if CAPACITIES.components_of(account, region, endpoint_name):
                raise InvocationError("ValidationError", 400, inference_components.NAME_REQUIRED)
            yield None
            return
        scaled = CAPACITIES.component(account, region, invocation.component)
        if scaled is None or scaled.component.endpoint_name != endpoint_name:
            message = f"InferenceComponent {invocation.component} of endpoint {endpoint_name} not found."
            raise InvocationError("ValidationError", 400, message)
        try:
            with inference_components.serve(account, region, scaled):
                yield scaled.component.variant_name
        except inference_components.NoCapacityError as exc:
            raise InvocationError("ValidationError", 400, str(exc)) from exc

    def _invoke_variant(self, endpoint: Any, invocation: Invocation, variant: str) -> MotoAnswer:
        account, _, endpoint_name = invocation.endpoint_key
        watch = _Watch(invocation.endpoint_key, variant, component=invocation.component)
        try:
            serving = self._serving(invocation, variant)
            fault = self._faults.take(endpoint_name, serving.model)
            if fault:
                _refuse(fault, endpoint_name, account)
            self._copy_to_shadow(endpoint, invocation)
            reply = watch.model(lambda: self._reply(invocation, variant, serving, fault))
            if reply.status >= 400:
                raise _model_error(invocation, variant, reply.status, reply.body.decode(errors="replace"))
            if len(reply.body) > MAX_BODY_BYTES:
                message = f"the response of {len(reply.body)} bytes is larger than {MAX_BODY_BYTES} bytes"
                raise _model_error(invocation, variant, reply.status, message)
        except InvocationError as exc:
            watch.publish(exc.status)
            raise
        watch.publish(200)
        headers = {"Content-Type": reply.content_type, "x-Amzn-Invoked-Production-Variant": variant}
        if invocation.custom_attributes:
            headers["X-Amzn-SageMaker-Custom-Attributes"] = invocation.custom_attributes
        return 200, headers, reply.body

    def answer_queued(self, invocation: Invocation, variant: str, timeout_seconds: float) -> Reply:
        """What the model answers to a queued invocation, within the request's own time; raises InvocationError."""
        watch = _Watch(invocation.endpoint_key, variant, is_queued=True)
        try:
            serving = self._serving(invocation, variant)
            fault = self._faults.take(invocation.endpoint_key[2], serving.model)
            reply = watch.model(lambda: self._reply(invocation, variant, serving, fault, timeout_seconds))
            if reply.status >= 400:
                raise _model_error(invocation, variant, reply.status, reply.body.decode(errors="replace"))
        except InvocationError as exc:
            watch.publish(exc.status)
            raise
        watch.publish(200)
        return reply

    def _serving(self, invocation: Invocation, production_variant: str) -> Serving:
        try:
            return self._containers.serving(invocation.endpoint_key, production_variant=production_variant)
        except KeyError as exc:
            raise InvocationError("ServiceUnavailable", 503, str(exc.args[0])) from exc

    @staticmethod
    def _reply(
        invocation: Invocation,
        production_variant: str,
        serving: Serving,
        fault: Fault | None,
        timeout_seconds: float = INVOKE_TIMEOUT_SECONDS,
    ) -> Reply:
        variant = VARIANTS[serving.variant]
        instead = _instead_of_the_model(variant, fault) if fault else None
        if instead:
            return instead
        if fault and fault.fault is FaultKind.SLOW:
            time.sleep(min(fault.seconds, timeout_seconds))
            if fault.seconds >= timeout_seconds:
                raise _timeout(invocation, production_variant)
        if fault and fault.fault is FaultKind.QUEUED:
            with _GPU:
                time.sleep(fault.seconds)
        reply = _call(serving.url, invocation, production_variant, timeout_seconds)
        return _spoiled(variant, fault, reply) if fault and reply.status == 200 else reply

    def _copy_to_shadow(self, endpoint: Any, invocation: Invocation) -> None:
        """Send the shadow variant, if there is one, its share of copies; nobody sees what it answers."""
        account, region, _ = invocation.endpoint_key
        config = sagemaker_backends[account][region].endpoint_configs.get(endpoint.endpoint_config_name)
        shadows = getattr(config, "shadow_production_variants", None) or []
        for shadow in shadows:
            production = config.production_variants[0]
            share = _weight(shadow.get("InitialVariantWeight"), None) / _weight(
                production.get("InitialVariantWeight"), None
            )
            if random.random() < share:  # noqa: S311 - traffic, not a secret
                copy = partial(self._invoke_shadow, invocation, shadow["VariantName"])
                threading.Thread(target=copy, name="shadow", daemon=True).start()

    def _invoke_shadow(self, invocation: Invocation, variant: str) -> None:
        watch = _Watch(invocation.endpoint_key, variant)
        try:
            serving = self._serving(invocation, variant)
            reply = watch.model(lambda: _call(serving.url, invocation, variant))
        except InvocationError as exc:
            watch.publish(exc.status)
            return
        watch.publish(200 if reply.status < 400 else 424)


class _Watch:
    """Times one invocation of a variant, and publishes how it ended."""

    def __init__(
        self, endpoint_key: EndpointKey, variant: str, *, component: str | None = None, is_queued: bool = False
    ) -> None:
        self._key, self._variant = endpoint_key, variant
        self._component, self._is_queued = component, is_queued
        self._started = time.monotonic()
        self._model_seconds = 0.0
        self._model_status: int | None = None

    def model(self, call: Callable[[], Reply]) -> Reply:
        """Call the model; what it raises counts as no answer."""
        started = time.monotonic()
        self._model_status = 0
        try:
            reply = call()
            self._model_status = reply.status
        finally:
            self._model_seconds = time.monotonic() - started
        return reply

    def publish(self, status: int) -> None:
        """Publish the metrics of the invocation, which its caller sees end with `status`."""
        seconds = time.monotonic() - self._started
        outcome = Outcome(
            status=status,
            model_status=self._model_status,
            model_seconds=self._model_seconds,
            overhead_seconds=max(seconds - self._model_seconds, 0.0),
        )
        publish_invocation(self._key, self._variant, outcome, component=self._component, is_queued=self._is_queued)


def _instead_of_the_model(variant: Variant, fault: Fault) -> Reply | None:
    match fault.fault:
        case FaultKind.CLIENT_ERROR:
            return variant.failure(fault.status or 400, fault.message)
        case FaultKind.SERVER_ERROR:
            return variant.failure(fault.status or 500, fault.message)
        case FaultKind.GARBAGE:
            return Reply(200, b"\x00\xffthis is not JSON{")
        case FaultKind.EMPTY:
            return Reply(200, b"")
    return None


def _spoiled(variant: Variant, fault: Fault, reply: Reply) -> Reply:
    try:
        match fault.fault:
            case FaultKind.FILTERED:
                return variant.filtered(reply)
            case FaultKind.TRUNCATED:
                return variant.truncated(reply)
    except ValueError as exc:
        raise InvocationError("InternalFailure", 500, str(exc)) from exc
    return reply


def find_endpoint(key: EndpointKey) -> Any:
    """moto's record of an endpoint that serves; raises InvocationError for any other."""
    account, region, name = key
    endpoint = sagemaker_backends[account][region].endpoints.get(name)
    if endpoint is None or endpoint.endpoint_status not in SERVING_STATUSES:
        # The runtime knows an endpoint only while it serves: the words are the same while it is being created.
        raise InvocationError("ValidationError", 400, f"Endpoint {name} of account {account} not found.")
    return endpoint


def _production_variant(endpoint: Any, invocation: Invocation) -> str:
    account, region, name = invocation.endpoint_key
    names = [variant["VariantName"] for variant in endpoint.production_variants]
    if invocation.target_variant:
        if invocation.target_variant not in names:
            message = f"Variant {invocation.target_variant} of endpoint {name} of account {account} not found."
            raise InvocationError("ValidationError", 400, message)
        return invocation.target_variant
    config = sagemaker_backends[account][region].endpoint_configs.get(endpoint.endpoint_config_name)
    configured = {v["VariantName"]: v.get("InitialVariantWeight") for v in getattr(config, "production_variants", [])}
    weights = [_weight(v.get("CurrentWeight"), configured.get(v["VariantName"])) for v in endpoint.production_variants]
    if not any(weights):
        raise InvocationError("ValidationError", 400, f"No variant of endpoint {name} has a weight above 0.")
    return str(random.choices(names, weights)[0])  # noqa: S311 - traffic, not a secret


def _weight(current: float | None, configured: float | None) -> float:
    # moto drops a weight of zero from the endpoint; the configuration still has it.
    weight = current if current is not None else configured
    return 1.0 if weight is None else float(weight)


def _refuse(fault: Fault, endpoint_name: str, account: str) -> None:
    match fault.fault:
        case FaultKind.THROTTLED:
            raise InvocationError("ThrottlingException", 400, "Rate exceeded")
        case FaultKind.NOT_READY:
            message = f"The model of endpoint {endpoint_name} of account {account} is not ready for inference yet."
            raise InvocationError("ModelNotReadyException", 429, message)
        case FaultKind.UNAVAILABLE:
            raise InvocationError("ServiceUnavailable", 503, "Service unavailable")
        case FaultKind.RESET:
            raise ConnectionResetError("the fault 'reset' is switched on")


def _call(
    url: str, invocation: Invocation, production_variant: str, timeout_seconds: float = INVOKE_TIMEOUT_SECONDS
) -> Reply:
    headers = {"Content-Type": invocation.content_type, "Accept": invocation.accept}
    if invocation.custom_attributes:
        headers["X-Amzn-SageMaker-Custom-Attributes"] = invocation.custom_attributes
    if invocation.inference_id:
        headers["X-Amzn-SageMaker-Inference-Id"] = invocation.inference_id
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=timeout_seconds)
    try:
        connection.request("POST", "/invocations", body=invocation.body, headers=headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(), answer.getheader("Content-Type") or "application/octet-stream")
    except TimeoutError as exc:
        raise _timeout(invocation, production_variant) from exc
    except (OSError, http.client.HTTPException) as exc:
        message = "the container closed the connection without an answer"
        raise _model_error(invocation, production_variant, 0, message) from exc
    finally:
        connection.close()


def _timeout(invocation: Invocation, production_variant: str) -> InvocationError:
    message = (
        "Your invocation timed out while waiting for a response from container primary. Review the latency metrics "
        "for each container in Amazon CloudWatch, resolve the issue, and try again."
    )
    return _model_error(invocation, production_variant, 0, message)


def _model_error(invocation: Invocation, variant: str, status: int, original: str) -> InvocationError:
    account, region, name = invocation.endpoint_key
    group = log_group(name)
    kind, code = ("client", "CLIENT_ERROR_FROM_MODEL") if 400 <= status < 500 else ("server", "SERVER_ERROR_FROM_MODEL")
    console = f"https://{region}.console.aws.amazon.com/cloudwatch/home?region={region}#logEventViewer:group={group}"
    message = (
        f'Received {kind} error ({status}) from {variant} with message "{original}". '
        f"See {console} in account {account} for more information."
    )
    return InvocationError(
        "ModelError",
        424,
        message,
        ErrorCode=code,
        OriginalStatusCode=status,
        OriginalMessage=original,
        LogStreamArn=f"arn:aws:logs:{region}:{account}:log-group:{group}",
    )
