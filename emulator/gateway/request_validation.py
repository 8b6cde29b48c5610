"""A method's request validator: required parameters, and the body against the model of its content type."""

from __future__ import annotations

from emulator.gateway import errors
from emulator.gateway.context import RequestContext
from emulator.gateway.deployed import Method
from emulator.gateway.schema_messages import validation_errors

DEFAULT_CONTENT_TYPE = "application/json"


def check_request(context: RequestContext, method: Method) -> None:
    """Raise GatewayError BAD_REQUEST_PARAMETERS or BAD_REQUEST_BODY where the request is not valid."""
    if method.validates_parameters:
        missing = [name for name in method.required_parameters if not _has_parameter(context, name)]
        if missing:
            raise errors.bad_parameters([name.split(".", 3)[3] for name in missing])
    if method.validates_body:
        _check_body(context, method)


def _has_parameter(context: RequestContext, parameter: str) -> bool:
    """Whether a `method.request.<place>.<name>` is there and not empty."""
    _, _, place, name = parameter.split(".", 3)
    match place:
        case "header":
            return bool(context.request.headers.get(name))
        case "querystring":
            return bool(context.request.args.get(name))
        case "path":
            return bool(context.match and context.match.path_parameters.get(name))
    raise errors.not_emulated(f"required parameter {parameter!r}")


def _check_body(context: RequestContext, method: Method) -> None:
    content_type = (context.request.content_type or DEFAULT_CONTENT_TYPE).split(";")[0].strip().lower()
    models = {kind.lower(): name for kind, name in method.models.items()}
    # A content type without a model of its own is not validated: the proxied function has to.
    name = models.get(content_type) or models.get("$default")
    if name is None:
        return
    schema = context.api.definition.schemas.get(name)
    if schema is None:
        raise errors.not_emulated(f"model {name!r}, which the deployment does not have")
    found = validation_errors(schema, context.body, schemas=context.api.definition.schemas)
    if found:
        raise errors.bad_body(found)
