"""One request to a service, read far enough to name its IAM action and parameters, and what the service answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from emulator.account.facts import AccountBook, AccountFacts, AwsFacts
from emulator.iam.requests import RPC_PATH, UndeterminedError, read_body, read_signature

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Bedrock's control plane, as far as it is emulated: the path, which ends in an id, and the operation.
_BEDROCK = {
    "/foundation-models/": "GetFoundationModel",
    "/foundation-model-availability/": "GetFoundationModelAvailability",
    "/inference-profiles/": "GetInferenceProfile",
    "/provisioned-model-throughput/": "GetProvisionedModelThroughput",
    "/imported-models/": "GetImportedModel",
}
_PROTOCOLS = {"s3": "rest-xml", "bedrock": "rest-json"}


@dataclass(frozen=True, kw_only=True)
class ServiceRequest:
    """One request. `action` is the IAM action; `protocol` that of its answer, as `refusals.answer` names it."""

    action: str
    region: str
    protocol: str
    parameters: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Account:
    """Whose request it is, and the facts that decide its answer."""

    id: str
    facts: AccountFacts
    aws: AwsFacts
    book: AccountBook


@dataclass(frozen=True)
class Answer:
    """A good answer. Where the protocol has no JSON, only `headers` are sent."""

    body: dict[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)


class ServiceError(Exception):
    """The error that a service answers with, its own code and HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


Handler = Callable[[ServiceRequest, Account], Answer | None]
"""Answers one action; None leaves the request to the service."""


def read_request(environ: WSGIEnvironment) -> ServiceRequest | None:
    """Read a request, or return None where its action is not known here. Its body can be read again afterwards."""
    try:
        signature = read_signature(environ)
    except UndeterminedError:
        return None
    service, path = signature.service, environ.get("PATH_INFO", "")
    target = environ.get("HTTP_X_AMZ_TARGET", "").rpartition(".")[2]
    protocol, parameters = _PROTOCOLS.get(service, "query"), {}
    rpc = RPC_PATH.fullmatch(path)
    if rpc:
        protocol, operation = "rpc-v2-cbor", rpc["operation"]
    elif target:
        protocol, operation, parameters = "json", target, _json(read_body(environ))
    elif service == "bedrock":
        prefix = next((one for one in _BEDROCK if path.startswith(one) and environ["REQUEST_METHOD"] == "GET"), None)
        if prefix is None:
            return None
        operation, parameters = _BEDROCK[prefix], {"id": path.removeprefix(prefix)}
    elif service == "s3":
        bucket, _, key = path.lstrip("/").partition("/")
        # HeadObject needs the permission s3:GetObject.
        if environ["REQUEST_METHOD"] not in ("HEAD", "GET") or not key:
            return None
        operation, parameters = "GetObject", {"bucket": bucket, "key": key}
    elif "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        parameters = dict(parse_qsl(read_body(environ).decode(errors="replace")))
        operation = parameters.get("Action", "")
    else:
        return None
    return ServiceRequest(
        action=f"{service}:{operation}", region=signature.region, protocol=protocol, parameters=parameters
    )


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
