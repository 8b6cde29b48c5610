"""One request on its way through the gateway, and the `$context` variables that templates and access logs see."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from moto.utilities.utils import get_partition
from werkzeug.wrappers import Request

from emulator.functions.service import new_trace_id
from emulator.gateway.deployed import Api
from emulator.gateway.errors import GatewayError
from emulator.gateway.routing import Match

_VARIABLE = re.compile(r"\$(?:\{(?P<braced>[\w.\-]+)\}|(?P<plain>(?:context|stageVariables)(?:\.[\w\-]+)+))")


@dataclass
class RequestContext:
    """What is known about a request. Filled in as it passes through the gateway."""

    request: Request
    api: Api
    raw_path: str
    started: float = field(default_factory=time.time)
    request_id: str = ""
    """The caller's own `x-amzn-RequestId` where there is one, as API Gateway documents it; else a new one."""
    extended_request_id: str = field(default_factory=lambda: secrets.token_urlsafe(11) + "=")
    trace_id: str = field(default_factory=new_trace_id)
    match: Match | None = None
    body: bytes = b""
    api_key_id: str | None = None
    api_key: str | None = None
    usage_identifier_key: str | None = None
    """The API key that a function authorizer named."""
    authorizer: dict[str, Any] | None = None
    """What an authorizer says of the caller."""
    authorizer_error: str | None = None
    caller: dict[str, str] = field(default_factory=dict)
    """Who signed the request, in the words of `identity`."""
    error: GatewayError | None = None
    integration_status: int | None = None
    integration_latency_ms: int | None = None
    integration_error: str | None = None
    status: int | None = None
    response_length: int | None = None

    def __post_init__(self) -> None:
        self.request_id = self.request_id or self.request.headers.get("x-amzn-RequestId") or str(uuid.uuid4())

    @property
    def request_time(self) -> str:
        """The arrival in the Common Log Format's notation."""
        return datetime.fromtimestamp(self.started, UTC).strftime("%d/%b/%Y:%H:%M:%S +0000")

    @property
    def identity(self) -> dict[str, str | None]:
        """Who is calling, with the fields that API Gateway always gives."""
        empty = (
            *("cognitoIdentityPoolId", "accountId", "cognitoIdentityId", "caller", "principalOrgId", "accessKey"),
            *("cognitoAuthenticationType", "cognitoAuthenticationProvider", "userArn", "user"),
        )
        identity: dict[str, str | None] = dict.fromkeys(empty)
        identity["sourceIp"] = self.request.remote_addr
        identity["userAgent"] = self.request.headers.get("User-Agent")
        if self.api_key_id:
            identity["apiKey"] = self.api_key
            identity["apiKeyId"] = self.api_key_id
        return identity | self.caller

    @property
    def sent_path(self) -> str:
        """The whole path as it was sent, still percent-encoded."""
        return raw_path(self.request)

    @property
    def method_arn(self) -> str:
        """The ARN that policies name this call by."""
        partition = get_partition(self.api.region)
        place = f"{self.api.id}/{self.api.stage.name}/{self.request.method}"
        return f"arn:{partition}:execute-api:{self.api.region}:{self.api.account}:{place}{self.raw_path}"

    def proxy_context(self) -> dict[str, Any]:
        """The `requestContext` of a Lambda proxy event."""
        host = self.request.host.split(":")[0]
        method = self.match.method if self.match else None
        authorizer = {"authorizer": self.authorizer} if self.authorizer is not None else {}
        return {
            **authorizer,
            "accountId": self.api.account,
            "apiId": self.api.id,
            "deploymentId": self.api.stage.deployment_id,
            "domainName": host,
            "domainPrefix": host.split(".")[0],
            "extendedRequestId": self.extended_request_id,
            "httpMethod": self.request.method,
            "identity": self.identity,
            "path": self.path_as_called(),
            "protocol": self.request.environ.get("SERVER_PROTOCOL", "HTTP/1.1"),
            "requestId": self.request_id,
            "requestTime": self.request_time,
            "requestTimeEpoch": int(self.started * 1000),
            "resourceId": method.resource_id if method else None,
            "resourcePath": method.resource_path if method else None,
            "stage": self.api.stage.name,
        }

    def path_as_called(self) -> str:
        """The path with the stage in front, or as it is where a domain or the root of the emulator stands for one."""
        sent = raw_path(self.request)
        return f"/{self.api.stage.name}{self.raw_path}" if sent.startswith("/_aws/") else sent

    def variables(self) -> dict[str, Any]:
        """Every `$context` variable, nested; those without a value are None."""
        error = self.error
        latency = str(int((time.time() - self.started) * 1000))
        return {
            **self.proxy_context(),
            "error": {
                "message": error.message if error else None,
                "messageString": _quoted(error.message) if error else None,
                "responseType": error.response_type if error else None,
            },
            "integration": {
                "latency": self.integration_latency_ms,
                "status": self.integration_status,
                "integrationStatus": self.integration_status,
                "error": self.integration_error,
                "requestId": None,
            },
            "integrationErrorMessage": self.integration_error,
            "integrationLatency": self.integration_latency_ms,
            "integrationStatus": self.integration_status,
            "responseLatency": latency,
            "responseLength": self.response_length,
            "status": self.status,
            "xrayTraceId": self.trace_id,
        }

    def substitute(self, template: str, *, missing: str = "") -> str:
        """The text with `$context...` and `$stageVariables...` replaced; what has no value becomes `missing`."""
        variables = {"context": self.variables(), "stageVariables": self.api.stage.variables}

        def value(found: re.Match[str]) -> str:
            result = look_up(variables, found["braced"] or found["plain"])
            return missing if result is None else str(result)

        return _VARIABLE.sub(value, template)


def raw_path(request: Request) -> str:
    """The path as it was sent, still percent-encoded."""
    uri = request.environ.get("REQUEST_URI") or request.environ.get("RAW_URI")
    path = uri.split("?", 1)[0] if uri else quote(request.path)
    return re.sub(r"^https?://[^/]*", "", path) or "/"


def look_up(variables: Mapping[str, Any], dotted: str) -> Any:
    """The value at a dotted path, or None."""
    value: Any = variables
    for name in dotted.split("."):
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
