"""What a request to the AWS endpoint is: service, operation and parameters, by botocore's service models."""

from __future__ import annotations

import functools
import io
import json
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import botocore.session
from botocore.model import OperationModel, ServiceModel
from botocore.parsers import PROTOCOL_PARSERS

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

MODELS = {
    "bedrock": ("bedrock-runtime",),
    "dynamodb": ("dynamodb",),
    "kms": ("kms",),
    "lambda": ("lambda",),
    "logs": ("logs",),
    "monitoring": ("cloudwatch",),
    "s3": ("s3",),
    "sagemaker": ("sagemaker", "sagemaker-runtime"),
    "sns": ("sns",),
    "sqs": ("sqs",),
    "sts": ("sts",),
    "xray": ("xray",),
}
"""The services whose calls are read: the name that their requests are signed for, and botocore's models of them."""

_SCOPE = re.compile(r"Credential=(?P<key>[^/,\s]+)/\d{8}/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request")
_QUERY_SCOPE = re.compile(r"(?P<key>[^/]+)/\d{8}/(?P<region>[^/]+)/(?P<service>[^/]+)/aws4_request")
_ANY_KEY = re.compile(r"Credential=(?P<key>[^/,\s]+)|AWS (?P<old_key>[^:]+):")
_ANY_QUERY_KEY = re.compile(r"X-Amz-Credential=(?P<key>[^&%/]+)|AWSAccessKeyId=(?P<old_key>[^&]+)")
RPC_PATH = re.compile(r"/service/[^/]+/operation/(?P<operation>\w+)")
_LABEL = re.compile(r"\{(?P<name>\w+)(?P<greedy>\+?)\}")
_loading = threading.Lock()


class UndeterminedError(Exception):
    """The operation of a request, or its resource, is not known here; the message says why."""


@dataclass(frozen=True)
class Signature:
    """For which service and region a request is signed, and with which session's token."""

    region: str
    service: str
    session_token: str | None


@dataclass(frozen=True)
class Call:
    """One operation of one service, called by a function of an account. `service` is what the request is signed for.

    Parameters have the names of botocore's model, headers are in lower case.
    """

    service: str
    operation: str
    protocol: str
    partition: str
    region: str
    account: str
    parameters: Mapping[str, Any]
    headers: Mapping[str, str]

    def arn(self, service: str, resource: str, *, region: str | None = None, account: str | None = None) -> str:
        """The ARN of a resource in the call's own region and account, unless others are given."""
        region = self.region if region is None else region
        account = self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"

    def parameter(self, name: str) -> str:
        """A parameter without which the resource is unknown; raises UndeterminedError."""
        value = self.parameters.get(name)
        if not isinstance(value, str) or not value:
            raise UndeterminedError(f"{self.service} {self.operation} has no {name}, which names its resource")
        return value

    def in_own_account(self, arn: str) -> str:
        """The ARN, if it is of the caller's account; raises UndeterminedError where another's policies count too."""
        if arn.split(":")[4] not in {self.account, ""}:
            raise UndeterminedError(f"{arn} is in another account: calls over accounts are not evaluated")
        return arn


def access_key_of(environ: WSGIEnvironment) -> str | None:
    """The access key that signed a request in any way, None where none did."""
    found = _ANY_KEY.search(environ.get("HTTP_AUTHORIZATION", "")) or _ANY_QUERY_KEY.search(
        environ.get("QUERY_STRING", "")
    )
    return found and (found["key"] or found["old_key"])


def read_signature(environ: WSGIEnvironment) -> Signature:
    """The signature of version 4 in a request's header or query; raises UndeterminedError for any other."""
    header = environ.get("HTTP_AUTHORIZATION", "")
    found, token = _SCOPE.search(header), environ.get("HTTP_X_AMZ_SECURITY_TOKEN")
    if found is None:
        query = dict(parse_qsl(environ.get("QUERY_STRING", "")))
        found, token = _QUERY_SCOPE.fullmatch(query.get("X-Amz-Credential", "")), query.get("X-Amz-Security-Token")
    if found is None:
        raise UndeterminedError("its signature is not one of version 4, which says what service is called")
    return Signature(found["region"], found["service"], token)


def expected_protocol(environ: WSGIEnvironment, service: str) -> str:
    """The protocol in which the sender of a request expects its answer."""
    if environ.get("HTTP_SMITHY_PROTOCOL"):
        return "rpc-v2-cbor"
    if environ.get("HTTP_X_AMZ_TARGET"):
        return "json"
    if service in MODELS:
        return str(_model(MODELS[service][-1]).metadata["protocol"])
    return "query" if "x-www-form-urlencoded" in environ.get("CONTENT_TYPE", "") else "rest-json"


def read_call(environ: WSGIEnvironment, signature: Signature, *, partition: str, account: str) -> Call:
    """The operation of a request; raises UndeterminedError. The request's body can be read again after."""
    names = MODELS.get(signature.service)
    if names is None:
        raise UndeterminedError(
            f"the service {signature.service!r} is not among those whose calls are evaluated: {', '.join(MODELS)}"
        )
    headers = {
        key.removeprefix("HTTP_").replace("_", "-").lower(): value
        for key, value in environ.items()
        if key.startswith("HTTP_")
    }
    for protocol, operation, parameters in _readings(environ, [_model(name) for name in names], headers):
        return Call(
            service=signature.service,
            operation=operation,
            protocol=protocol,
            partition=partition,
            region=signature.region,
            account=account,
            parameters=parameters,
            headers=headers,
        )
    raise UndeterminedError(
        f"{environ['REQUEST_METHOD']} {environ.get('PATH_INFO')} is no operation of {' or '.join(names)} that is known"
    )


def _readings(
    environ: WSGIEnvironment, models: list[ServiceModel], headers: Mapping[str, str]
) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Protocol, operation and parameters: one reading, or none where no model has the operation."""
    operations = {name for model in models for name in model.operation_names}
    rpc = RPC_PATH.fullmatch(environ.get("PATH_INFO", ""))
    target = headers.get("x-amz-target", "").rpartition(".")[2]
    if rpc:
        if rpc["operation"] in operations:
            yield "rpc-v2-cbor", rpc["operation"], _cbor(read_body(environ))
    elif target:
        if target in operations:
            yield "json", target, _json(read_body(environ))
    elif {model.metadata["protocol"] for model in models} <= {"query", "ec2"}:
        form = dict(
            parse_qsl(read_body(environ).decode(errors="replace")) or parse_qsl(environ.get("QUERY_STRING", ""))
        )
        if form.get("Action") in operations:
            yield "query", form["Action"], form
    else:
        for model in models:
            found = _rest_operation(environ, model, headers)
            if found:
                yield str(model.metadata["protocol"]), *found


def _rest_operation(
    environ: WSGIEnvironment, model: ServiceModel, headers: Mapping[str, str]
) -> tuple[str, dict[str, str]] | None:
    """The operation whose address fits, and of whose required query parameters and headers a request has most."""
    # WSGI's own path is decoded already: a slash in a label would look like one between two labels.
    address = environ.get("RAW_URI") or environ.get("REQUEST_URI") or quote(environ.get("PATH_INFO", "/"))
    path = urlsplit(address).path
    query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    read = (
        (route, route.read(environ["REQUEST_METHOD"], path, query, headers)) for route in _routes(model.service_name)
    )
    fitting = [(route, parameters) for route, parameters in read if parameters is not None]
    if not fitting:
        return None
    route, parameters = max(fitting, key=lambda item: item[0].demands)
    return route.operation, parameters


@dataclass(frozen=True)
class _Route:
    """How a REST operation is addressed. The mappings are of the wire's names to the model's."""

    operation: str
    method: str
    path: re.Pattern[str]
    constants: Mapping[str, str]
    query: Mapping[str, str]
    headers: Mapping[str, str]
    required: frozenset[str]

    @property
    def demands(self) -> int:
        """How much a request must have to be for this operation."""
        return len(self.constants) + len(self.required)

    def read(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str]
    ) -> dict[str, str] | None:
        """The parameters in a request that is for this operation, else None."""
        found = self.path.fullmatch(path) if method == self.method else None
        if found is None or not self.constants.items() <= query.items():
            return None
        named = {name: headers[key] for key, name in self.headers.items() if key in headers}
        named |= {name: query[key] for key, name in self.query.items() if key in query}
        if not self.required <= named.keys():
            return None
        return named | {name: unquote(value) for name, value in found.groupdict().items()}


@functools.cache
def _routes(service: str) -> tuple[_Route, ...]:
    model = _model(service)
    return tuple(_route(model.operation_model(name)) for name in model.operation_names)


def _route(operation: OperationModel) -> _Route:
    members = operation.input_shape.members if operation.input_shape else {}
    required = set(operation.input_shape.required_members) if operation.input_shape else set()
    places: dict[str, dict[str, str]] = {"querystring": {}, "header": {}, "uri": {}}
    for name, shape in members.items():
        where = places.get(shape.serialization.get("location", ""))
        if where is not None:
            where[shape.serialization.get("name", name)] = name
    template, _, constants = operation.http["requestUri"].partition("?")
    path = _LABEL.sub(
        lambda label: f"(?P<{places['uri'][label['name']]}>{'.+' if label['greedy'] else '[^/]+'})", template
    )
    return _Route(
        operation=operation.name,
        method=operation.http["method"],
        # A bucket's address may end in a slash.
        path=re.compile(path if path.endswith((".+)", "/")) else f"{path}/?"),
        constants=dict(parse_qsl(constants, keep_blank_values=True)),
        query=places["querystring"],
        headers={key.lower(): name for key, name in places["header"].items()},
        required=frozenset(required & {*places["querystring"].values(), *places["header"].values()}),
    )


@functools.cache
def _model(service: str) -> ServiceModel:
    # A session is not safe to load models from in several threads at once.
    with _loading:
        return _session().get_service_model(service)


@functools.cache
def _session() -> botocore.session.Session:
    return botocore.session.get_session()


def read_body(environ: WSGIEnvironment) -> bytes:
    """The request's body, which whoever answers the request can read again."""
    length = environ.get("CONTENT_LENGTH")
    source = environ["wsgi.input"]
    body: bytes = source.read() if environ.get("wsgi.input_terminated") else source.read(int(length or 0))
    environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))
    return body


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        parameters = json.loads(body or b"{}")
    except ValueError as exc:
        raise UndeterminedError(f"the request's body is not JSON: {exc}") from exc
    return parameters if isinstance(parameters, dict) else {}


def _cbor(body: bytes) -> Mapping[str, Any]:
    # botocore can read the encoding, though it never has to read a request.
    parser = PROTOCOL_PARSERS["smithy-rpc-v2-cbor"]()
    parameters = parser.parse_data_item(parser.get_peekable_stream_from_bytes(body)) if body else {}
    return parameters if isinstance(parameters, dict) else {}
