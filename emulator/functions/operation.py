"""Lambda's Invoke operation over moto's functions, in the place of moto's Docker-based one."""

from __future__ import annotations

import atexit
import base64
import functools
import json
import threading
from typing import Any
from urllib.parse import unquote

from moto.awslambda.models import LambdaFunction, LambdaStorage, lambda_backends
from moto.awslambda.responses import LambdaResponse

from emulator.functions.definition import read_definition
from emulator.functions.outcome import MAX_EVENT_REQUEST_BYTES, MAX_REQUEST_BYTES, Outcome, ThrottledError
from emulator.functions.service import WORKERS_PER_VERSION, Call, LambdaService
from emulator.iam.sessions import RoleError

MotoAnswer = tuple[int, dict[str, str], bytes]

_TAIL_BYTES = 4096


class RequestTooLargeError(Exception):
    """The event is larger than an invocation may carry."""


class Operation:
    """Invocations through the service that is installed."""

    def __init__(self) -> None:
        self.service: LambdaService | None = None

    def invoke_function(self, function_arn: str, payload: bytes, *, trace_id: str | None = None) -> Outcome:
        """Invoke the function, version or alias that an ARN names, on behalf of another service.

        Raises moto's UnknownFunctionException, RequestTooLargeError, RoleError and ThrottledError.
        """
        account, region = function_arn.split(":")[4], function_arn.split(":")[3]
        function = lambda_backends[account][region].get_function(function_arn)
        return self.run(function, Call(payload, function_arn, trace_id=trace_id))

    def run(self, function: LambdaFunction, call: Call, *, limit: int = MAX_REQUEST_BYTES) -> Outcome:
        """Invoke one of moto's functions; raises RequestTooLargeError, RoleError and ThrottledError."""
        if len(call.payload) > limit:
            raise RequestTooLargeError(f"Request must be smaller than {limit} bytes for the InvokeFunction operation")
        if self.service is None:
            raise RuntimeError("functions.install() was not called: there is nothing to run functions with")
        return self.service.invoke(read_definition(function), call)

    def invoke_for_moto(self, function: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        """What moto's event sources call; `event` is JSON text or a value."""
        text = event if isinstance(event, str) else json.dumps({} if event is None else event)
        result = self.run(function, Call(text.encode(), function.function_arn, wait_for_log=True))
        return result.payload.decode(errors="replace"), result.failed, "\n".join(result.log_lines)

    def invoke(self, response: Any) -> MotoAnswer:
        """The HTTP operation. moto's own counts the sizes of Python objects and knows one kind of error."""
        name = unquote(response.path.rsplit("/", 2)[-2])
        qualifier = response._get_param("qualifier") or response._get_param("Qualifier")
        function = response.backend.get_function(name, qualifier)
        body = response.raw_body.encode() if isinstance(response.raw_body, str) else response.raw_body or b""
        try:
            json.loads(body or b"{}")
        except ValueError as exc:
            return _error(400, "InvalidRequestContentException", f"Could not parse request body into json: {exc}")
        call = Call(
            body or b"{}",
            _invoked_arn(function, name, qualifier),
            response.headers.get("X-Amz-Client-Context"),
            wait_for_log=response.headers.get("X-Amz-Log-Type") == "Tail",
        )
        headers = {"x-amz-executed-version": str(function.version), "Content-Type": "application/json"}
        try:
            match response.headers.get("X-Amz-Invocation-Type", "RequestResponse"):
                # moto takes the status from a header of this name.
                case "DryRun":
                    return 204, {**headers, "status": "204"}, b""
                case "Event":
                    return 202, {**headers, "status": "202"}, self._invoke_later(function, call)
                case _:
                    return self._invoke_now(function, call, headers)
        except (RequestTooLargeError, RoleError, ThrottledError) as exc:
            return _refused(exc)

    def _invoke_later(self, function: LambdaFunction, call: Call) -> bytes:
        if len(call.payload) > MAX_EVENT_REQUEST_BYTES:
            message = f"Request must be smaller than {MAX_EVENT_REQUEST_BYTES} bytes for the InvokeFunction operation"
            raise RequestTooLargeError(message)
        threading.Thread(target=self.run, args=(function, call), name="lambda-event", daemon=True).start()
        return b""

    def _invoke_now(self, function: LambdaFunction, call: Call, headers: dict[str, str]) -> MotoAnswer:
        result = self.run(function, call)
        if result.failed:
            headers["x-amz-function-error"] = "Unhandled"
        if call.wait_for_log:
            tail = "\n".join(result.log_lines).encode()[-_TAIL_BYTES:]
            headers["x-amz-log-result"] = base64.b64encode(tail).decode()
        return 200, headers, result.payload


def _invoked_arn(function: LambdaFunction, name: str, qualifier: str | None) -> str:
    qualifier = qualifier or (name.rsplit(":", maxsplit=1)[-1] if name.count(":") in {1, 7} else None)
    base = f"arn:{function.partition}:lambda:{function.region}:{function.account_id}:function:{function.function_name}"
    return f"{base}:{qualifier}" if qualifier else base


def _refused(exc: RequestTooLargeError | RoleError | ThrottledError) -> MotoAnswer:
    match exc:
        case RequestTooLargeError():
            return _error(413, "RequestEntityTooLargeException", str(exc))
        case RoleError():
            return _error(403, "AccessDeniedException", str(exc))
    return _error(429, "TooManyRequestsException", f"Rate Exceeded: {exc}")


def _error(status: int, error_type: str, message: str) -> MotoAnswer:
    headers = {"Content-Type": "application/json", "x-amzn-ErrorType": error_type, "status": str(status)}
    return status, headers, json.dumps({"Type": "User", "Message": message}).encode()


OPERATION = Operation()


invoke_function = OPERATION.invoke_function


def install(aws_endpoint_url: str, *, workers_per_version: int = WORKERS_PER_VERSION) -> None:
    """Run functions on this machine; their AWS calls go to `aws_endpoint_url`."""
    stop_all()
    OPERATION.service = LambdaService(aws_endpoint_url, workers_per_version=workers_per_version)

    def invoke_lambda(self: LambdaFunction, event: Any = None) -> tuple[str, bool, str]:
        return OPERATION.invoke_for_moto(self, event)

    def invoke(self: LambdaResponse) -> MotoAnswer:
        return OPERATION.invoke(self)

    LambdaFunction._invoke_lambda = invoke_lambda
    LambdaResponse.invoke = invoke
    for name in ("update_configuration", "update_function_code"):
        _retire_after(LambdaFunction, name)
    _retire_after(LambdaStorage, "del_function")
    atexit.register(stop_all)


def stop_all() -> None:
    """End every worker."""
    service, OPERATION.service = OPERATION.service, None
    if service:
        service.stop_all()


def _retire_after(owner: type, name: str) -> None:
    """End a function's workers when moto changes or deletes it."""
    original = getattr(owner, name)
    if hasattr(original, "retires_workers"):
        return

    @functools.wraps(original)
    def wrapper(self: Any, *args: Any, **kwargs: Any) -> Any:
        changed = isinstance(self, LambdaFunction)
        function = self if changed else self.get_function_by_name_or_arn_with_qualifier(*args, **kwargs)
        result = original(self, *args, **kwargs)
        if OPERATION.service:
            OPERATION.service.retire(function.function_arn, versions=not changed)
        return result

    wrapper.retires_workers = True  # type: ignore[attr-defined]
    setattr(owner, name, wrapper)
