"""How each service words and writes that it refuses a call: the code, the status and the shape of its protocol."""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from xml.sax.saxutils import escape

from werkzeug.wrappers import Response

from emulator.iam.operations import Permission

TOKEN_INVALID = "The security token included in the request is invalid."  # noqa: S105 - a message
_KEY_DENIED = (
    "KMS key access denied error: com.amazonaws.services.kms.model.AWSKMSException: The ciphertext refers to a "
    "customer master key that does not exist, does not exist in this region, or you are not allowed to access. "
    "(Service: AWSKMS; Status Code: 400; Error Code: AccessDeniedException; Request ID: {request_id}; Proxy: null)"
)


@dataclass(frozen=True)
class Refusal:
    """Why a call is refused. `xml_code` is the code where the protocol is S3's or a query, `json_code` elsewhere."""

    xml_code: str
    json_code: str
    message: str
    status: int | None = None


def denied(session_arn: str, permission: Permission, reason: str) -> Refusal:
    """The caller may not do this, in the words of the service that is called."""
    if permission.via == "dynamodb":
        return Refusal("AccessDenied", "AccessDeniedException", _KEY_DENIED.format(request_id=uuid.uuid4()))
    resource = permission.resource
    if permission.action.startswith("s3:"):
        resource = f'"{resource}"'
    on = "" if permission.resource == "*" else f" on resource: {resource}"
    message = f"User: {session_arn} is not authorized to perform: {permission.action}{on} {reason}"
    return Refusal("AccessDenied", "AccessDeniedException", message)


def unrecognized(service: str) -> Refusal:
    """The session does not exist, or its role is gone."""
    if service == "s3":
        message = "The AWS Access Key Id you provided does not exist in our records."
        return Refusal("InvalidAccessKeyId", "InvalidAccessKeyId", message)
    return Refusal("InvalidClientTokenId", "UnrecognizedClientException", TOKEN_INVALID)


def signed_twice() -> Refusal:
    """A presigned address is called with an Authorization header, whatever it holds, as S3 refuses it."""
    message = (
        "Only one auth mechanism allowed; only the X-Amz-Algorithm query parameter, Signature query string parameter "
        "or the Authorization header should be specified"
    )
    return Refusal("InvalidArgument", "InvalidArgument", message, 400)


def not_emulated(message: str) -> Refusal:
    """The request cannot be decided here. A status that no client of AWS tries again."""
    return Refusal("NotEmulated", "NotEmulated", f"The emulator refuses this call: {message}", 501)


def answer(refusal: Refusal, *, protocol: str, method: str, query_mode: bool) -> Response:
    """The refusal as a service with this protocol writes it.

    In `query_mode` a client expects the code that the service had when it still spoke the query protocol.
    """
    request_id = str(uuid.uuid4())
    response = _WRITERS[protocol](refusal, request_id)
    response.headers["x-amzn-RequestId"] = request_id
    if query_mode:
        response.headers["x-amzn-query-error"] = f"{refusal.xml_code};Sender"
    if method == "HEAD":
        response.set_data(b"")
    return response


def _rest_xml(refusal: Refusal, request_id: str) -> Response:
    body = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{refusal.xml_code}</Code>'
        f"<Message>{escape(refusal.message)}</Message><RequestId>{request_id}</RequestId><HostId>emulator</HostId></Error>"
    )
    return Response(body, refusal.status or 403, {"x-amz-request-id": request_id}, content_type="application/xml")


def _query(refusal: Refusal, request_id: str) -> Response:
    body = (
        f"<ErrorResponse><Error><Type>Sender</Type><Code>{refusal.xml_code}</Code>"
        f"<Message>{escape(refusal.message)}</Message></Error><RequestId>{request_id}</RequestId></ErrorResponse>"
    )
    return Response(body, refusal.status or 403, content_type="text/xml")


def _json(refusal: Refusal, _: str) -> Response:
    body = json.dumps({"__type": refusal.json_code, "Message": refusal.message})
    return Response(body, refusal.status or 400, content_type="application/x-amz-json-1.1")


def _rest_json(refusal: Refusal, _: str) -> Response:
    response = Response(
        json.dumps({"message": refusal.message, "Message": refusal.message}),
        refusal.status or 403,
        content_type="application/json",
    )
    response.headers["x-amzn-ErrorType"] = refusal.json_code
    return response


def _rpc_v2_cbor(refusal: Refusal, _: str) -> Response:
    # A map of two texts, as RFC 8949 has it: what a refusal needs, and all there is.
    items = [text.encode() for text in ("__type", refusal.json_code, "Message", refusal.message)]
    body = b"\xa2" + b"".join(b"\x7a" + len(item).to_bytes(4, "big") + item for item in items)
    response = Response(body, refusal.status or 400, content_type="application/cbor")
    response.headers["smithy-protocol"] = "rpc-v2-cbor"
    return response


_WRITERS = {
    "json": _json,
    "query": _query,
    "rest-json": _rest_json,
    "rest-xml": _rest_xml,
    "rpc-v2-cbor": _rpc_v2_cbor,
}
