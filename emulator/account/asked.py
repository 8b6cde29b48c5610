"""What a request asks of an account, read far enough to name its IAM action and its parameters."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from emulator.iam.requests import RPC_PATH, UndeterminedError, read_body, read_signature

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

# Bedrock's control plane, as far as it is answered: the path, which ends in an id, and the operation.
_BEDROCK = {
    "/foundation-models/": "GetFoundationModel",
    "/foundation-model-availability/": "GetFoundationModelAvailability",
    "/inference-profiles/": "GetInferenceProfile",
    "/provisioned-model-throughput/": "GetProvisionedModelThroughput",
    "/imported-models/": "GetImportedModel",
}
_PROTOCOLS = {"s3": "rest-xml", "bedrock": "rest-json"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request. `action` is the IAM action; `protocol` that of its answer, as `refusals.answer` names it."""

    action: str
    region: str
    protocol: str
    parameters: dict[str, Any] = field(default_factory=dict)


def read_asked(environ: WSGIEnvironment) -> Asked | None:
    """What is asked for; None where the action cannot be told. The request's body can be read again after."""
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
        # HeadObject needs the permission to get it.
        if environ["REQUEST_METHOD"] not in ("HEAD", "GET") or not key:
            return None
        operation, parameters = "GetObject", {"bucket": bucket, "key": key}
    elif "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", ""):
        parameters = dict(parse_qsl(read_body(environ).decode(errors="replace")))
        operation = parameters.get("Action", "")
    else:
        return None
    return Asked(action=f"{service}:{operation}", region=signature.region, protocol=protocol, parameters=parameters)


def _json(body: bytes) -> dict[str, Any]:
    try:
        found = json.loads(body or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
