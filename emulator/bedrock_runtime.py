"""Bedrock's InvokeModel: the checks and errors of the service around a stand-in, which runs in its own process."""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import socket
import time
import uuid
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.wrappers import Request, Response

from emulator.bedrock_models import Model, ModelError, served_model
from emulator.containers import CONTAINERS, ContainerError
from emulator.faults import FAULTS, Fault, FaultBoard, FaultKind
from emulator.stand_in.bedrock import MAX_BODY_BYTES
from emulator.stand_in.variant import Reply
from emulator.stand_in.variants import VARIANTS

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

INVOKE_TIMEOUT_SECONDS = 60
CREDENTIAL = re.compile(r"Credential=(?P<key>[^/]+)/\d+/(?P<region>[^/]+)/bedrock/aws4_request")

_INVOKE = re.compile(r"/model/(?P<model>.+)/(?P<operation>[a-z-]+)")
_STATUSES = {
    "AccessDeniedException": 403,
    "InternalServerException": 500,
    "ModelErrorException": 424,
    "ModelNotReadyException": 429,
    "ModelTimeoutException": 408,
    "ResourceNotFoundException": 404,
    "ServiceUnavailableException": 503,
    "ThrottlingException": 429,
    "ValidationException": 400,
}
_TIMEOUT = ("ModelTimeoutException", "The request took too long to process. Try again.")
_REFUSALS = {
    FaultKind.THROTTLED: ("ThrottlingException", "Too many requests, please wait before trying again."),
    FaultKind.NOT_READY: ("ModelNotReadyException", "The model is not ready for inference. Wait and try again."),
    FaultKind.UNAVAILABLE: ("ServiceUnavailableException", "The service is temporarily unavailable."),
}


class BedrockError(Exception):
    """The service refuses an invocation, with its error type and message."""

    def __init__(self, error_type: str, message: str, **fields: object) -> None:
        super().__init__(message)
        self.error_type = error_type
        self.body = {"message": message, **fields}


def serves(environ: WSGIEnvironment) -> bool:
    """Whether a request is one of Bedrock's runtime."""
    return environ.get("PATH_INFO", "").startswith("/model/") and bool(
        CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    )


def create_bedrock_app(
    account_of_key: Callable[[str], str],
    worker_url: Callable[[str], str] = CONTAINERS.shared_url,
    faults: FaultBoard = FAULTS,
) -> WSGIApplication:
    """The WSGI application of bedrock-runtime.

    `account_of_key` gives an access key's account, `worker_url` where a variant of the stand-in listens.
    """

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        request = Request(environ)
        try:
            reply = _invoke(request, account_of_key, worker_url, faults)
            response = Response(reply.body, reply.status, content_type=reply.content_type)
        except BedrockError as exc:
            response = Response(json.dumps(exc.body), _STATUSES[exc.error_type], content_type="application/json")
            response.headers["x-amzn-ErrorType"] = exc.error_type
        except ConnectionResetError:
            _drop_connection(environ)
            raise
        response.headers["x-amzn-RequestId"] = str(uuid.uuid4())
        return response(environ, start_response)

    return application


def _drop_connection(environ: WSGIEnvironment) -> None:
    connection: socket.socket | None = environ.get("werkzeug.socket")
    if connection is not None:
        with contextlib.suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)


def _invoke(
    request: Request, account_of_key: Callable[[str], str], worker_url: Callable[[str], str], faults: FaultBoard
) -> Reply:
    body = request.get_data()
    model = _model(request, account_of_key)
    if len(body) > MAX_BODY_BYTES:
        raise BedrockError("ValidationException", f"The request body is longer than {MAX_BODY_BYTES} bytes")
    content_type = request.mimetype or "application/json"
    if content_type != "application/json":
        raise BedrockError("ValidationException", f"Content type {content_type!r} is not supported by {model.id}")
    fault = faults.take(model.id)
    instead = _instead_of_the_model(fault, model) if fault else None
    if instead:
        return instead
    reply = _call(_worker(worker_url, model), body, request.headers.get("Accept") or "*/*")
    if reply.status >= 400:
        raise BedrockError("ValidationException", json.loads(reply.body)["message"])
    return _spoiled(fault, model, reply) if fault else reply


def _model(request: Request, account_of_key: Callable[[str], str]) -> Model:
    target = _INVOKE.fullmatch(request.path)
    if target is None or target["operation"] != "invoke" or request.method != "POST":
        known = "only InvokeModel (POST /model/{modelId}/invoke) is emulated"
        raise BedrockError("ValidationException", f"{request.method} {request.path}: {known}")
    credential = CREDENTIAL.search(request.headers.get("Authorization", ""))
    if credential is None:
        raise BedrockError("AccessDeniedException", "The request has no signature of version 4 for the service bedrock")
    try:
        return served_model(target["model"], account=account_of_key(credential["key"]), region=credential["region"])
    except ModelError as exc:
        raise BedrockError(exc.error_type, str(exc)) from exc


def _instead_of_the_model(fault: Fault, model: Model) -> Reply | None:
    if fault.fault in _REFUSALS:
        raise BedrockError(*_REFUSALS[fault.fault])
    match fault.fault:
        case FaultKind.RESET:
            raise ConnectionResetError("the fault 'reset' is switched on")
        case FaultKind.CLIENT_ERROR:
            raise BedrockError("ValidationException", fault.message)
        case FaultKind.SERVER_ERROR:
            where = {"originalStatusCode": fault.status or 500, "resourceName": model.id}
            raise BedrockError("ModelErrorException", fault.message, **where)
        case FaultKind.GARBAGE:
            return Reply(200, b"\x00\xffthis is not JSON{")
        case FaultKind.EMPTY:
            return Reply(200, b"")
        case FaultKind.SLOW:
            time.sleep(min(fault.seconds, INVOKE_TIMEOUT_SECONDS))
            if fault.seconds >= INVOKE_TIMEOUT_SECONDS:
                raise BedrockError(*_TIMEOUT)
    return None


def _spoiled(fault: Fault, model: Model, reply: Reply) -> Reply:
    match fault.fault:
        case FaultKind.FILTERED:
            return VARIANTS[model.variant].filtered(reply)
        case FaultKind.TRUNCATED:
            return VARIANTS[model.variant].truncated(reply)
    return reply


def _worker(worker_url: Callable[[str], str], model: Model) -> str:
    try:
        return worker_url(model.variant)
    except ContainerError as exc:
        raise BedrockError("InternalServerException", f"the stand-in of {model.id} does not start: {exc}") from exc


def _call(url: str, body: bytes, accept: str) -> Reply:
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=INVOKE_TIMEOUT_SECONDS)
    try:
        headers = {"Content-Type": "application/json", "Accept": accept}
        connection.request("POST", "/invocations", body=body, headers=headers)
        answer = connection.getresponse()
        return Reply(answer.status, answer.read())
    except TimeoutError as exc:
        raise BedrockError(*_TIMEOUT) from exc
    except (OSError, http.client.HTTPException) as exc:
        raise BedrockError("InternalServerException", f"the stand-in's process gave no answer: {exc}") from exc
    finally:
        connection.close()
