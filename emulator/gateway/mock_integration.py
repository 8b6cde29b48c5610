"""MOCK integrations: answers from mapping templates alone, as CORS preflight requests get them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

from werkzeug.wrappers import Response

from emulator.gateway import errors, vtl
from emulator.gateway.context import RequestContext
from emulator.gateway.deployed import Integration, IntegrationResponse
from emulator.gateway.gateway_responses import header_text, mapped_value

_HEADER = "method.response.header."
_BARE_KEY = re.compile(r"([{,]\s*)([A-Za-z_]\w*)(\s*:)")


def mock_response(context: RequestContext, integration: Integration) -> Response:
    """The answer of a mock; raises GatewayError where its templates give none."""
    try:
        status = _requested_status(context, integration)
        chosen = _choose(integration, status)
        return _respond(context, chosen)
    except vtl.TemplateError as exc:
        raise errors.not_emulated(str(exc)) from exc


def _requested_status(context: RequestContext, integration: Integration) -> int:
    content_type = (context.request.content_type or "application/json").split(";")[0].strip()
    template = integration.request_templates.get(content_type)
    if template is None:
        if integration.passthrough == "NEVER" or (
            integration.passthrough == "WHEN_NO_TEMPLATES" and integration.request_templates
        ):
            raise errors.unsupported_media_type()
        template = context.body.decode(errors="replace")
    text = vtl.render(template, _variables(context))
    try:
        # API Gateway reads keys without quotes, which the CDK's own preflight template has.
        return int(json.loads(_BARE_KEY.sub(r'\1"\2"\3', text))["statusCode"])
    except (ValueError, KeyError, TypeError) as exc:
        context.integration_error = f"the mock's request template gave no statusCode: {text!r}"
        raise errors.internal_error(500) from exc


def _choose(integration: Integration, status: int) -> IntegrationResponse:
    for response in integration.responses:
        if response.selection_pattern and re.fullmatch(response.selection_pattern, str(status)):
            return response
    for response in integration.responses:
        if not response.selection_pattern:
            return response
    raise errors.internal_error(500)


def _respond(context: RequestContext, chosen: IntegrationResponse) -> Response:
    accept = context.request.headers.get("Accept", "").split(",")[0].split(";")[0].strip()
    content_type = accept if accept in chosen.templates else next(iter(chosen.templates), "application/json")
    variables = _variables(context)
    body = vtl.render(chosen.templates.get(content_type, ""), variables)
    response = Response(body, chosen.status_code, content_type=content_type)
    for name, mapping in chosen.parameters.items():
        value = mapped_value(context, mapping)
        if value is not None:
            response.headers[name.removeprefix(_HEADER)] = header_text(value)
    override = variables["context"]["responseOverride"]
    for name, value in override["header"].items():
        if value is not None:
            response.headers[name] = header_text(str(value))
    if override.get("status") is not None:
        response.status_code = int(override["status"])
    return response


def _variables(context: RequestContext) -> dict[str, Any]:
    return {
        "context": {**context.variables(), "responseOverride": {"header": {}}},
        "stageVariables": dict(context.api.stage.variables),
        "input": _input(context),
        "util": {
            "escapeJavaScript": lambda text: json.dumps(str(text))[1:-1].replace("'", "\\'"),
            "urlEncode": lambda text: quote(str(text), safe=""),
            "urlDecode": lambda text: unquote(str(text)),
            "base64Encode": lambda text: base64.b64encode(str(text).encode()).decode(),
            "base64Decode": lambda text: base64.b64decode(str(text)).decode(),
        },
    }


def _input(context: RequestContext) -> dict[str, Any]:
    request = context.request
    parameters: dict[str, Mapping[str, str]] = {
        "path": context.match.path_parameters if context.match else {},
        "querystring": request.args.to_dict(),
        "header": dict(request.headers),
    }

    def params(name: str | None = None) -> Any:
        if name is None:
            return parameters
        # API Gateway looks in the path, then the query, then the headers.
        return next((values[name] for values in parameters.values() if name in values), "")

    return {"body": context.body.decode(errors="replace"), "params": params}
