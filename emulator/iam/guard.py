"""Stands before the AWS endpoint: what a function calls is let through only if its execution role allows it."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from emulator.iam import refusals
from emulator.iam.authorizer import DeniedError, RoleGoneError, authorize
from emulator.iam.operations import Call, permissions_of
from emulator.iam.patterns import PolicyError
from emulator.iam.recorder import RECORDER
from emulator.iam.requests import Signature, UndeterminedError, expected_protocol, read_call, read_signature
from emulator.iam.sessions import SESSIONS, FunctionSession

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_logger = logging.getLogger(__name__)


class Guard:
    """WSGI application that answers refused calls itself and hands all others on.

    Only the sessions of functions are looked at. Everyone else's keys may do everything.
    """

    def __init__(self, application: WSGIApplication) -> None:
        self._application = application

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        signature = read_signature(environ)
        session = signature and SESSIONS.find(signature.access_key_id)
        refusal = signature and session and _refusal(environ, signature, session)
        if not refusal:
            return self._application(environ, start_response)
        return refusal(environ, start_response)


def _refusal(environ: WSGIEnvironment, signature: Signature, session: FunctionSession) -> Response | None:
    """The answer to a call that is refused, None for one that is allowed."""
    method, protocol = environ["REQUEST_METHOD"], expected_protocol(environ, signature)
    called = f"{signature.service} {method} {environ.get('PATH_INFO')}"
    try:
        call = read_call(environ, signature)
        called, protocol = f"{signature.service}:{call.operation}", call.protocol
        _check_token(signature, session)
        asked = Call(
            service=call.service,
            operation=call.operation,
            partition=session.partition,
            region=call.region,
            account=session.account,
            parameters=call.parameters,
            headers=call.headers,
        )
        authorize(session, permissions_of(asked), region=call.region)
    except DeniedError as exc:
        refusal = refusals.denied(session.arn, exc.permission, exc.reason)
    except RoleGoneError as exc:
        RECORDER.refuse(session.role_arn, called, str(exc))
        refusal = refusals.unrecognized(signature.service)
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
