"""Stands before the services: refuses what an account denies, and answers what depends on the facts of an account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from werkzeug.wrappers import Response

from emulator.account import bedrock, models, quotas
from emulator.account.answers import Answer, ServiceError
from emulator.account.asked import Asked, read_asked
from emulator.account.facts import ACCOUNTS, AccountBook, Facts
from emulator.account.offerings import offered_only
from emulator.iam import refusals
from emulator.iam.requests import access_key_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# By IAM action. None: not this module's to answer, after all.
_HANDLERS: Mapping[str, Callable[[Asked, str, Facts, AccountBook], Answer | None]] = {
    **quotas.HANDLERS,
    **models.HANDLERS,
    **bedrock.HANDLERS,
}


class AccountServices:
    """WSGI application that answers what depends on the account's facts, and hands all else on."""

    def __init__(
        self, application: WSGIApplication, account_of_key: Callable[[str], str], book: AccountBook = ACCOUNTS
    ) -> None:
        self._application = application
        self._account_of_key = account_of_key
        self._book = book

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return (self._response(environ) or self._application)(environ, start_response)

    def _response(self, environ: WSGIEnvironment) -> Response | None:
        key, asked = access_key_of(environ), read_asked(environ)
        # Whose key it is takes a while to find, and most requests do not depend on it.
        if key is None or asked is None or (asked.action not in _HANDLERS and self._book.is_untouched):
            return None
        account = self._account_of_key(key)
        facts = self._book.facts(account)
        if asked.action in facts.denied:
            return _refuse(_denied(asked, account), asked, environ["REQUEST_METHOD"])
        if asked.action == "ec2:DescribeInstanceTypeOfferings" and facts.not_offered:
            return offered_only(Response.from_app(self._application, environ), facts)
        handler = _HANDLERS.get(asked.action)
        try:
            answer = handler(asked, account, facts, self._book) if handler else None
        except ServiceError as exc:
            refusal = refusals.Refusal(exc.code, exc.code, str(exc), exc.status)
            return _refuse(refusal, asked, environ["REQUEST_METHOD"])
        return None if answer is None else _written(answer, asked)


def _written(answer: Answer, asked: Asked) -> Response:
    if asked.protocol == "rest-xml":
        return Response(b"", headers=dict(answer.headers))
    kind = "application/json" if asked.protocol == "rest-json" else "application/x-amz-json-1.1"
    return Response(json.dumps(answer.body), content_type=kind)


def _denied(asked: Asked, account: str) -> refusals.Refusal:
    return refusals.Refusal(
        "UnauthorizedOperation" if asked.action.startswith("ec2:") else "AccessDenied",
        "AccessDeniedException",
        f"User of account {account} is not authorized to perform: {asked.action}",
    )


def _refuse(refusal: refusals.Refusal, asked: Asked, method: str) -> Response:
    # EC2 writes errors in a shape of its own.
    if asked.action.startswith("ec2:"):
        body = (
            f"<Response><Errors><Error><Code>{refusal.xml_code}</Code><Message>{refusal.message}</Message></Error>"
            "</Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        )
        return Response(body, 403, content_type="text/xml")
    return refusals.answer(refusal, protocol=asked.protocol, method=method, query_mode=False)
