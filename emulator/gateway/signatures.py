"""IAM authorization: the request's signature of version 4, calculated anew with the secret of its access key.

Source: AWS General Reference, "Signature Version 4 signing process". A signature in the query is not emulated.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.compat import HTTPHeaders
from botocore.credentials import Credentials
from moto.iam.access_control import AssumedRoleAccessKey, CreateAccessKeyFailure, IAMUserAccessKey
from moto.iam.models import Policy, iam_backends
from moto.utilities.utils import get_partition

from emulator.client import DUMMY_SECRET, account_of
from emulator.gateway import errors
from emulator.gateway.context import RequestContext
from emulator.gateway.policies import ACTION, Decision, decide
from emulator.iam.authorizer import DeniedError, RoleGoneError, authorize
from emulator.iam.operations import Permission
from emulator.iam.patterns import PolicyError
from emulator.iam.sessions import SESSIONS, FunctionSession
from emulator.services.credentials import account_of_key

SERVICE = "execute-api"
MAX_SKEW_SECONDS = 300
MISMATCH = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 +Credential=(?P<key>[^/,]+)/(?P<date>\d{8})/(?P<region>[^/,]+)/(?P<service>[^/,]+)/aws4_request,"
    r" *SignedHeaders=(?P<headers>[^,]+), *Signature=(?P<signature>[0-9a-f]{64})"
)


@dataclass(frozen=True)
class Caller:
    """Who an access key belongs to. `policies` None means that everything is allowed."""

    account: str
    arn: str
    id: str
    secret: str
    policies: tuple[Any, ...] | None = None


def check_signature(context: RequestContext, *, now: float) -> None:
    """Note who signed the request; raises GatewayError where nobody did, or somebody who may not invoke the method."""
    header = context.request.headers.get("Authorization")
    if header is None:
        if "X-Amz-Signature" in context.request.args:
            raise errors.not_emulated("a signature in the query: sign with the Authorization header")
        raise errors.missing_authentication_token()
    found = _AUTHORIZATION.fullmatch(header.strip())
    if found is None:
        raise errors.incomplete_signature(f"Authorization header is not an AWS4-HMAC-SHA256 signature: {header!r}")
    caller = _caller(context, found["key"])
    _check_scope(context, found, now)
    _check_body(context)
    if not hmac.compare_digest(_signature(context, found, caller), found["signature"]):
        raise errors.invalid_signature(MISMATCH)
    session = SESSIONS.find(found["key"])
    if session:
        _check_function(context, session)
    else:
        _check_permission(context, caller)
    context.caller = {
        "accessKey": found["key"],
        "accountId": caller.account,
        "caller": caller.id,
        "user": caller.id,
        "userArn": caller.arn,
    }


def _caller(context: RequestContext, key: str) -> Caller:
    account = account_of(key)
    if account:
        # The project's own dummy keys act as their account's root.
        return Caller(account, f"arn:aws:iam::{account}:root", account, DUMMY_SECRET)
    account, partition = account_of_key(key), get_partition(context.api.region)
    token = context.request.headers.get("X-Amz-Security-Token")
    headers = {"X-Amz-Security-Token": token} if token else {}
    kind = AssumedRoleAccessKey if token else IAMUserAccessKey
    try:
        record = kind(account, partition, key, headers)
    except CreateAccessKeyFailure as exc:
        raise errors.unrecognized_client() from exc
    documents = tuple(_document(policy) for policy in record.collect_policies())
    arn, secret = record.arn, record.create_credentials().secret_key
    return Caller(account, arn, _user_id(account, partition, arn), secret, documents)


def _user_id(account: str, partition: str, arn: str) -> str:
    kind, _, name = arn.split(":", 5)[5].partition("/")
    backend = iam_backends[account][partition]
    if kind == "user":
        return str(backend.get_user(name).id)
    role, _, session = name.partition("/")
    return f"{backend.get_role(role).id}:{session}"


def _document(policy: Any) -> Any:
    if isinstance(policy, Policy):
        return next(version.document for version in policy.versions if version.is_default)
    return policy if isinstance(policy, str) else policy["policy_document"]


def _check_scope(context: RequestContext, found: re.Match[str], now: float) -> None:
    if found["service"] != SERVICE:
        raise errors.invalid_signature(f"Credential should be scoped to correct service: '{SERVICE}'.")
    if found["region"] != context.api.region:
        raise errors.invalid_signature(f"Credential should be scoped to a valid region, not '{found['region']}'.")
    signed = set(found["headers"].split(";"))
    if "host" not in signed:
        raise errors.invalid_signature("'Host' must be a 'SignedHeader' in the AWS Authorization.")
    stamp = context.request.headers.get("X-Amz-Date", "")
    try:
        at = datetime.strptime(stamp, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()
    except ValueError as exc:
        raise errors.incomplete_signature(f"X-Amz-Date {stamp!r} is not a time such as 20260131T235959Z") from exc
    if stamp[:8] != found["date"]:
        raise errors.invalid_signature(f"Date in Credential scope does not match X-Amz-Date: {stamp}")
    if abs(now - at) > MAX_SKEW_SECONDS:
        moment = f"{datetime.fromtimestamp(now, UTC):%Y%m%dT%H%M%SZ}"
        word = "expired" if at < now else "not yet current"
        raise errors.invalid_signature(f"Signature {word}: {stamp} is more than 5 min. from {moment}")


def _check_body(context: RequestContext) -> None:
    claimed = context.request.headers.get("X-Amz-Content-SHA256")
    if claimed is not None and claimed != hashlib.sha256(context.body).hexdigest():
        raise errors.invalid_signature(MISMATCH)


class _Signer(SigV4Auth):  # type: ignore[misc]
    """Signs exactly the headers that it is given; botocore's own leaves some out."""

    def headers_to_sign(self, request: AWSRequest) -> HTTPHeaders:
        """The request's own headers."""
        return request.context["signed_headers"]


def _signature(context: RequestContext, found: re.Match[str], caller: Caller) -> str:
    request = context.request
    headers = HTTPHeaders()
    for name in found["headers"].split(";"):
        for value in _header_values(context, name):
            headers[name] = value
    query = request.environ.get("QUERY_STRING", "")
    url = f"http://{request.host}{context.sent_path}" + (f"?{query}" if query else "")
    signed = AWSRequest(method=request.method, url=url, data=context.body)
    signed.context |= {"timestamp": request.headers["X-Amz-Date"], "signed_headers": headers}
    signer = _Signer(Credentials(found["key"], caller.secret), SERVICE, found["region"])
    text = signer.string_to_sign(signed, signer.canonical_request(signed))
    return str(signer.signature(text, signed))


def _header_values(context: RequestContext, name: str) -> Iterator[str]:
    values = context.request.headers.getlist(name)
    if not values:
        raise errors.invalid_signature(f"The signed header {name!r} is not in the request.")
    yield from values


def _check_function(context: RequestContext, session: FunctionSession) -> None:
    """A function calls: its role decides with all that limits it, and what it uses is recorded."""
    if session.account != context.api.account:
        raise errors.not_emulated("calls of functions over accounts")
    try:
        authorize(session, [Permission(ACTION, context.method_arn)], region=context.api.region)
    except DeniedError as exc:
        raise errors.access_denied_to(_not_authorized(session.arn, context.method_arn, exc.reason)) from exc
    except (PolicyError, RoleGoneError) as exc:
        raise errors.not_emulated(str(exc)) from exc


def _check_permission(context: RequestContext, caller: Caller) -> None:
    resource = context.method_arn
    source_ip = {"aws:sourceip": context.request.remote_addr or ""}
    try:
        decision = Decision.ALLOWED if caller.policies is None else decide(caller.policies, resource, source_ip)
    except PolicyError as exc:
        raise errors.not_emulated(f"a policy of {caller.arn}: {exc}") from exc
    # Another account would need the API's resource policy as well, which is not looked at here.
    if decision is not Decision.ALLOWED or caller.account != context.api.account:
        because = "with an explicit deny" if decision is Decision.DENIED else ""
        raise errors.access_denied_to(_not_authorized(caller.arn, resource, because))


def _not_authorized(arn: str, resource: str, because: str) -> str:
    return f"User: {arn} is not authorized to perform: {ACTION} on resource: {resource} {because}".rstrip()
