"""The gateway's WSGI application: finds the deployed API and method, admits and checks the request, and answers it."""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Request, Response

from emulator.gateway import errors
from emulator.gateway.authorization import Authorization
from emulator.gateway.context import RequestContext, raw_path
from emulator.gateway.deployed import Api, Method, Source
from emulator.gateway.errors import GatewayError
from emulator.gateway.firewall import Firewall
from emulator.gateway.gateway_responses import error_response
from emulator.gateway.lambda_proxy import lambda_response
from emulator.gateway.routing import find_method
from emulator.gateway.usage import Meter, admit_key, admit_stage
from emulator.monitoring import logs

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_BODY_BYTES = 10 * 1024 * 1024

_BY_PATH = re.compile(r"/_aws/execute-api/(?P<api>[^/]+)/(?P<stage>[^/]+)(?P<path>/.*)?")
# A private API is also reached by the name of one of its VPC endpoints.
_BY_HOST = re.compile(r"(?P<api>[a-z0-9]+)(-vpce-[a-z0-9]+)?\.execute-api\.")

_logger = logging.getLogger(__name__)


class UnknownApiError(LookupError):
    """The address names no deployed API; the message says how to name one."""


def create_gateway_app(clock: Callable[[], float] = time.time) -> WSGIApplication:
    """The application that serves every deployed REST API; `clock` drives throttles, quotas and expiry."""
    gateway = Gateway(Source(), Meter(clock), Authorization(clock), Firewall(clock))

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return gateway.answer(Request(environ))(environ, start_response)

    return application


class Gateway:
    """Serves requests of deployed APIs."""

    def __init__(self, source: Source, meter: Meter, authorization: Authorization, firewall: Firewall) -> None:
        self._source = source
        self._meter = meter
        self._authorization = authorization
        self._firewall = firewall

    def answer(self, request: Request) -> Response:
        """The answer to a request, with an access log line where the stage wants one."""
        try:
            api, path = self._locate(request)
        except UnknownApiError as exc:
            return Response(json.dumps({"message": str(exc)}), 404, content_type="application/json")
        context = RequestContext(request, api, path)
        try:
            response = self._serve(context)
        except GatewayError as exc:
            response = _error_response(context, exc)
        # A caller who is turned away is no fault of the API.
        level = logging.INFO if response.status_code < 500 else logging.ERROR
        for fault in filter(None, (context.authorizer_error, context.integration_error)):
            _logger.log(level, "%s %s: %s", request.method, path, fault)
        response.headers["x-amzn-RequestId"] = context.request_id
        response.headers["x-amz-apigw-id"] = context.extended_request_id
        if context.error is None:
            response.headers["X-Amzn-Trace-Id"] = context.trace_id
        context.status, context.response_length = response.status_code, response.calculate_content_length()
        _write_access_log(context)
        return response

    def _locate(self, request: Request) -> tuple[Api, str]:
        """The API that a request is for, and the path within its stage."""
        path = raw_path(request)
        by_path = _BY_PATH.fullmatch(path)
        if by_path:
            return self._named(by_path["api"], by_path["stage"]), by_path["path"] or "/"
        by_host = _BY_HOST.match(request.host)
        if by_host:
            _, stage, *rest = path.split("/", 2)
            return self._named(by_host["api"], stage), "/" + "".join(rest)
        by_domain = self._source.find_by_domain(request.host.split(":")[0], path)
        if by_domain:
            return by_domain
        apis = list(self._source.all())
        if len(apis) != 1:
            known = [f"/_aws/execute-api/{api.id}/{api.stage.name}" for api in apis]
            hint = f"name one in the path: {known}" if apis else "deploy one first"
            raise UnknownApiError(f"{len(apis)} APIs are deployed, so none is served at the root: {hint}")
        return apis[0], path

    def _named(self, api_id: str, stage_name: str) -> Api:
        api = self._source.find(api_id, stage_name)
        if api is None:
            raise UnknownApiError(f"no API {api_id!r} is deployed to a stage {stage_name!r}")
        return api

    def _serve(self, context: RequestContext) -> Response:
        request, api = context.request, context.api
        self._firewall.admit(context)
        context.match = find_method(api.definition.methods, request.method, context.raw_path)
        if context.match is None:
            raise errors.missing_authentication_token()
        method = context.match.method
        if (request.content_length or 0) > MAX_BODY_BYTES:
            raise errors.request_too_large()
        context.body = request.get_data()
        # The length of a chunked body is known only at its end.
        if len(context.body) > MAX_BODY_BYTES:
            raise errors.request_too_large()
        self._authorization.admit(context, method)
        if method.api_key_required:
            from_authorizer = api.definition.api_key_source == "AUTHORIZER"
            context.api_key = context.usage_identifier_key if from_authorizer else request.headers.get("x-api-key")
            context.api_key_id = admit_key(api, method, context.api_key, self._meter)
        admit_stage(api, method, request.method, self._meter)
        return _integrate(context, method)


def _integrate(context: RequestContext, method: Method) -> Response:
    integration = method.integration
    if integration is None:
        raise errors.not_emulated(f"{method.http_method} {method.resource_path} has no integration")
    if integration.connection_type not in {None, "INTERNET"}:
        raise errors.not_emulated(f"integration over {integration.connection_type}")
    if integration.type != "AWS_PROXY":
        raise errors.not_emulated(f"integration type {integration.type}")
    return lambda_response(context, integration)


def _error_response(context: RequestContext, error: GatewayError) -> Response:
    try:
        return error_response(context, error)
    except GatewayError as exc:
        # A gateway response that is not emulated is reported as that.
        return Response(json.dumps({"message": exc.message}), 500, content_type="application/json")


def _write_access_log(context: RequestContext) -> None:
    stage = context.api.stage
    if not stage.access_log_arn:
        return
    account, region, group = logs.group_name(stage.access_log_arn)
    line = context.substitute(stage.access_log_format, missing="-")
    logs.put_lines(account, region, group, f"{context.api.id}_{stage.name}", [line])
