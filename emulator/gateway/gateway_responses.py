"""Words the gateway's own errors: as the owner's gateway responses say, or as API Gateway does by default."""

from __future__ import annotations

from werkzeug.wrappers import Response

from emulator.gateway.context import RequestContext, look_up
from emulator.gateway.deployed import GatewayResponse
from emulator.gateway.errors import GatewayError, not_emulated

_HEADER = "gatewayresponse.header."
_DEFAULT = GatewayResponse(None, {}, {"application/json": '{"message":$context.error.messageString}'})


def error_response(context: RequestContext, error: GatewayError) -> Response:
    """The answer to a request that failed with a gateway error."""
    context.error = error
    defined = context.api.definition.gateway_responses if error.is_customizable else {}
    wording = defined.get(error.response_type) or defined.get(error.default_type) or _DEFAULT
    templates = wording.templates or _DEFAULT.templates
    accept = context.request.headers.get("Accept", "").split(",")[0].split(";")[0].strip()
    content_type = accept if accept in templates else next(iter(templates))
    response = Response(
        context.substitute(templates[content_type]), wording.status_code or error.status, content_type=content_type
    )
    response.headers["x-amzn-ErrorType"] = error.error_type
    for name, mapping in wording.parameters.items():
        value = mapped_value(context, mapping)
        if name.startswith(_HEADER) and value is not None:
            response.headers[name.removeprefix(_HEADER)] = header_text(value)
    return response


def mapped_value(context: RequestContext, mapping: str) -> str | None:
    """What a parameter mapping gives: a quoted text, a context or stage variable, or a part of the request."""
    if mapping.startswith("'") and mapping.endswith("'"):
        return mapping[1:-1]
    request = context.request
    source, _, name = mapping.rpartition(".")
    path_parameters = context.match.path_parameters if context.match else {}
    match source:
        case "method.request.header":
            return request.headers.get(name)
        case "method.request.querystring":
            return request.args.get(name)
        case "method.request.path":
            return path_parameters.get(name)
        case "stageVariables":
            return context.api.stage.variables.get(name)
    if mapping.startswith("context."):
        value = look_up({"context": context.variables()}, mapping)
        return None if value is None else str(value)
    raise not_emulated(f"parameter mapping {mapping!r}")


def header_text(value: str) -> str:
    """The value as one line of a header: what a header cannot carry becomes a space or a question mark."""
    line = "".join(character if character.isprintable() else " " for character in value)
    return line.encode("latin-1", "replace").decode("latin-1")
