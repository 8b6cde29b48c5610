"""Stands before the AWS endpoint: what a function calls is let through only if its execution role allows it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from emulator.iam import refusals
from emulator.iam.authorizer import DeniedError, RoleGoneError, authorize
from emulator.iam.operations import permissions_of
from emulator.iam.patterns import PolicyError
from emulator.iam.recorder import RECORDER
from emulator.iam.requests import (
    Signature,
    UndeterminedError,
    access_key_of,
    expected_protocol,
    read_call,
    read_signature,
)
from emulator.iam.sessions import SESSIONS, FunctionSession

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_logger = logging.getLogger(__name__)


class Guard:
    """WSGI application that answers refused calls itself and hands all others on.

    Only the sessions of functions are looked at. Everyone else's keys may do everything, but nobody may sign a request
    in two ways.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        if "HTTP_AUTHORIZATION" in environ and _is_presigned(environ.get("QUERY_STRING", "")):
            answer = refusals.answer(
                refusals.signed_twice(), protocol="rest-xml", method=environ["REQUEST_METHOD"], query_mode=False
            )
            return answer(environ, start_response)
        key = access_key_of(environ)
        session = key and SESSIONS.find(key)
        refusal = _refusal(environ, session) if session else None
        return (refusal or self._application)(environ, start_response)


def _is_presigned(query: str) -> bool:
    names = {part.partition("=")[0].lower() for part in query.split("&")}
    return bool(names & {"x-amz-signature", "x-amz-algorithm"}) or {"signature", "awsaccesskeyid"} <= names


def _refusal(environ: WSGIEnvironment, session: FunctionSession) -> Response | None:
    """The answer to a call that is refused, None for one that is allowed."""
    method, service = environ["REQUEST_METHOD"], "s3"
    called, protocol = f"{method} {environ.get('PATH_INFO')}", "rest-xml"
    try:
        signature = read_signature(environ)
        service, protocol = signature.service, expected_protocol(environ, signature.service)
        called = f"{service} {called}"
        call = read_call(environ, signature, partition=session.partition, account=session.account)
        called, protocol = f"{service}:{call.operation}", call.protocol
        _check_token(signature, session)
        authorize(session, permissions_of(call), region=call.region)
    except DeniedError as exc:
        refusal = refusals.denied(session.arn, exc.permission, exc.reason)
    except RoleGoneError as exc:
        RECORDER.refuse(session.role_arn, called, str(exc))
        refusal = refusals.unrecognized(service)
    except (UndeterminedError, PolicyError) as exc:
        RECORDER.refuse(session.role_arn, called, str(exc))
        refusal = refusals.not_emulated(str(exc))
    else:
        return None
    _logger.warning("%s: refused %s: %s", session.function_arn, called, refusal.message)
    query_mode = environ.get("HTTP_X_AMZN_QUERY_MODE") == "true"
    return refusals.answer(refusal, protocol=protocol, method=method, query_mode=query_mode)


def _check_token(signature: Signature, session: FunctionSession) -> None:
    if signature.session_token != session.session_token:
        raise RoleGoneError(f"the session token is not that of access key {session.access_key_id}")
