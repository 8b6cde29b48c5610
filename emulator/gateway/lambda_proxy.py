"""Functions behind the gateway: the call, the event that they get, and the response that their answer becomes."""

from __future__ import annotations

import base64
import binascii
import json
import queue
import re
import threading
import time
from collections.abc import Iterable
from typing import Any

from moto.awslambda.exceptions import UnknownFunctionException
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response

from emulator import functions
from emulator.functions.operation import RequestTooLargeError
from emulator.functions.outcome import Outcome, ThrottledError
from emulator.gateway import errors
from emulator.gateway.context import RequestContext
from emulator.gateway.deployed import Integration
from emulator.gateway.gateway_responses import header_text
from emulator.iam.sessions import RoleError

_FUNCTION = re.compile(r":lambda:path/[^/]+/functions/(?P<arn>[^/]+)/invocations$")


def function_arn(uri: str) -> str | None:
    """The function that an integration's or an authorizer's URI names, or None where it names something else."""
    found = _FUNCTION.search(uri)
    return found["arn"] if found else None


def call_function(arn: str, payload: bytes, *, trace_id: str, timeout_seconds: float) -> Outcome:
    """Invoke a function; raises TimeoutError when it has not answered in time, and what the invocation raises."""
    answers: queue.SimpleQueue[Outcome | Exception] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put(functions.invoke_function(arn, payload, trace_id=trace_id))
        except Exception as exc:  # noqa: BLE001 - handed to the request's own thread
            answers.put(exc)

    # A thread of its own: the gateway gives up after its timeout, the function runs on.
    threading.Thread(target=run, name="gateway-call", daemon=True).start()
    try:
        answer = answers.get(timeout=timeout_seconds)
    except queue.Empty:
        raise TimeoutError(f"{arn}: no answer within {timeout_seconds:g} s") from None
    if isinstance(answer, Exception):
        raise answer
    return answer


def is_binary(header: str | None, binary_media_types: Iterable[str]) -> bool:
    """Whether the first media type of a Content-Type or Accept header is among the API's binary media types."""
    kind, slash, subtype = (header or "").split(",")[0].split(";")[0].strip().lower().partition("/")
    if not slash:
        return False
    for binary in binary_media_types:
        binary_kind, _, binary_subtype = binary.split(";")[0].strip().lower().partition("/")
        if binary_kind == "*" or (binary_kind == kind and binary_subtype in {"*", subtype}):
            return True
    return False


_RESPONSE_KEYS = {"statusCode", "headers", "multiValueHeaders", "body", "isBase64Encoded"}
_REMAPPED = {"authorization", "connection", "date", "server", "via", "www-authenticate"}
_DROPPED = {"content-length", "transfer-encoding", "host", "te", "upgrade", "x-amzn-requestid", "x-amz-apigw-id"}


class MalformedResponseError(ValueError):
    """A function's answer is not a proxy response."""


def lambda_response(context: RequestContext, integration: Integration) -> Response:
    """The response of the function behind a method; raises GatewayError where it gave none."""
    payload = json.dumps(proxy_event(context), ensure_ascii=False).encode()
    started = time.monotonic()
    result = _invoke(context, integration, payload)
    context.integration_latency_ms = int((time.monotonic() - started) * 1000)
    context.integration_status = 200
    if result.failed:
        context.integration_error = result.payload.decode(errors="replace")[:1000]
        # A function's own timeout is an integration failure like any other: only the gateway's is a 504.
        raise errors.internal_error()
    try:
        return proxy_response(context, result.payload)
    except MalformedResponseError as exc:
        context.integration_error = f"Malformed Lambda proxy response: {exc}"
        raise errors.internal_error() from exc


def _invoke(context: RequestContext, integration: Integration, payload: bytes) -> Outcome:
    uri = context.substitute(integration.uri)
    arn = function_arn(uri)
    if arn is None:
        raise errors.not_emulated(f"AWS_PROXY integration with {uri!r}: only Lambda functions are")
    seconds = integration.timeout_seconds
    try:
        return call_function(arn, payload, trace_id=context.trace_id, timeout_seconds=seconds)
    except TimeoutError as exc:
        context.integration_error = str(exc)
        raise errors.integration_timeout() from exc
    except RequestTooLargeError as exc:
        raise errors.request_too_large() from exc
    except (RoleError, ThrottledError, UnknownFunctionException) as exc:
        context.integration_error = f"{arn}: {exc}"
        raise errors.internal_error(500) from exc


def proxy_event(context: RequestContext) -> dict[str, Any]:
    """The event in the format of REST APIs (payload format 1.0)."""
    content_type = context.request.headers.get("Content-Type")
    binary = is_binary(content_type, context.api.definition.binary_media_types)
    body = base64.b64encode(context.body).decode() if binary else context.body.decode(errors="replace")
    return {**request_fields(context), "body": body or None, "isBase64Encoded": binary and bool(body)}


def request_fields(context: RequestContext) -> dict[str, Any]:
    """What the events of functions and of their authorizers have in common."""
    request, api = context.request, context.api
    assert context.match is not None  # noqa: S101 - only a matched request reaches a function
    headers = _event_headers(context)
    query = {name: request.args.getlist(name) for name in request.args}
    return {
        "resource": context.match.method.resource_path,
        "path": context.raw_path,
        "httpMethod": request.method,
        "headers": {name: values[-1] for name, values in headers.items()},
        "multiValueHeaders": headers,
        "queryStringParameters": {name: values[-1] for name, values in query.items()} or None,
        "multiValueQueryStringParameters": query or None,
        "pathParameters": context.match.path_parameters or None,
        "stageVariables": dict(api.stage.variables) or None,
        "requestContext": context.proxy_context(),
    }


def _event_headers(context: RequestContext) -> dict[str, list[str]]:
    request = context.request
    headers: dict[str, list[str]] = {}
    for name, value in request.headers.items():
        # API Gateway reads these itself and passes on its own, or none.
        if name.lower() not in {"connection", "content-length", "transfer-encoding", "x-amzn-trace-id"}:
            headers.setdefault(name, []).append(value)
    forwarded = [*headers.pop("X-Forwarded-For", []), request.remote_addr or ""]
    headers["X-Forwarded-For"] = [", ".join(forwarded)]
    headers["X-Forwarded-Port"] = [str(request.environ.get("SERVER_PORT", ""))]
    headers["X-Forwarded-Proto"] = [request.scheme]
    headers["X-Amzn-Trace-Id"] = [context.trace_id]
    return headers


def proxy_response(context: RequestContext, payload: bytes) -> Response:
    """The response in a function's answer; raises MalformedResponseError."""
    answer = _parsed(payload)
    body = answer.get("body")
    if body is None:
        data = b""
    elif isinstance(body, str):
        data = body.encode("utf-8", "replace")
    else:
        raise MalformedResponseError(f"body must be a string, not {type(body).__name__}")
    accept = context.request.headers.get("Accept")
    if answer.get("isBase64Encoded") is True and is_binary(accept, context.api.definition.binary_media_types):
        try:
            data = base64.b64decode(data, validate=True)
        except binascii.Error as exc:
            raise MalformedResponseError(f"body is not base64: {exc}") from exc
    headers = _response_headers(answer)
    headers.setdefault("Content-Type", "application/json")
    return Response(data, _status(answer.get("statusCode")), headers=headers)


def _parsed(payload: bytes) -> dict[str, Any]:
    try:
        answer = json.loads(payload)
    except ValueError as exc:
        raise MalformedResponseError(f"not JSON: {exc}") from exc
    if not isinstance(answer, dict):
        raise MalformedResponseError(f"must be an object, not {type(answer).__name__}")
    unknown = sorted(set(answer) - _RESPONSE_KEYS)
    if unknown:
        raise MalformedResponseError(f"has unknown keys {unknown}: allowed are {sorted(_RESPONSE_KEYS)}")
    return answer


def _status(value: object) -> int:
    if value is None:
        return 200
    try:
        status = int(str(value))
    except ValueError as exc:
        raise MalformedResponseError(f"statusCode {value!r} is not an integer") from exc
    if not 100 <= status <= 599:
        raise MalformedResponseError(f"statusCode {status} is not an HTTP status")
    return status


def _response_headers(answer: dict[str, Any]) -> Headers:
    single, multiple = ({} if answer.get(name) is None else answer[name] for name in ("headers", "multiValueHeaders"))
    if not isinstance(single, dict) or not isinstance(multiple, dict):
        raise MalformedResponseError("headers and multiValueHeaders must be objects")
    headers = Headers()
    for name, values in multiple.items():
        if not isinstance(values, list):
            raise MalformedResponseError(f"multiValueHeaders {name} must be a list")
        for value in values:
            _add(headers, name, value)
    several = {name.lower() for name in multiple}
    for name, value in single.items():
        # Where both name a header, the list wins.
        if name.lower() not in several:
            _add(headers, name, value)
    return headers


def _add(headers: Headers, name: str, value: object) -> None:
    if value is None or name.lower() in _DROPPED:
        return
    if isinstance(value, dict | list):
        raise MalformedResponseError(f"header {name} must be a string")
    text = str(value).lower() if isinstance(value, bool) else str(value)
    headers.add(f"x-amzn-Remapped-{name}" if name.lower() in _REMAPPED else name, header_text(text))
