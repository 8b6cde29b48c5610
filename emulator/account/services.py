"""Stands before the services: refuses what an account denies, and answers what depends on the facts of an account."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING
from xml.etree.ElementTree import Element, fromstring, tostring

from werkzeug.wrappers import Response

from emulator.account import bedrock, models, quotas
from emulator.account.facts import ACCOUNTS, AccountBook, AccountFacts, AwsFacts
from emulator.account.requests import Account, Answer, Handler, ServiceError, ServiceRequest, read_request
from emulator.iam import refusals
from emulator.iam.requests import access_key_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# By IAM action.
_HANDLERS: Mapping[str, Handler] = {
    **quotas.HANDLERS,
    **models.HANDLERS,
    **bedrock.HANDLERS,
}


class AccountServices:
    """WSGI application that answers what depends on the account's facts, and hands all else on."""

    def __init__(
        self,
        application: WSGIApplication,
        account_of_key: Callable[[str], str],
        aws: AwsFacts,
        book: AccountBook = ACCOUNTS,
    ) -> None:
        self._application = application
        self._account_of_key = account_of_key
        self._aws = aws
        self._book = book

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        return (self._response(environ) or self._application)(environ, start_response)

    def _response(self, environ: WSGIEnvironment) -> Response | None:
        key, request = access_key_of(environ), read_request(environ)
        # Whose key it is takes a while to find, and most requests do not depend on it.
        if key is None or request is None or (request.action not in _HANDLERS and self._book.is_untouched):
            return None
        account_id = self._account_of_key(key)
        facts = self._book.facts(account_id)
        if request.action in facts.denied:
            return _refuse(_denied(request, account_id), request, environ["REQUEST_METHOD"])
        if request.action == "ec2:DescribeInstanceTypeOfferings" and facts.not_offered:
            return _offered_only(Response.from_app(self._application, environ), facts)
        handler = _HANDLERS.get(request.action)
        account = Account(id=account_id, facts=facts, aws=self._aws, book=self._book)
        try:
            answer = handler(request, account) if handler else None
        except ServiceError as exc:
            refusal = refusals.Refusal(exc.code, exc.code, str(exc), exc.status)
            return _refuse(refusal, request, environ["REQUEST_METHOD"])
        return None if answer is None else _written(answer, request)


def _written(answer: Answer, request: ServiceRequest) -> Response:
    if request.protocol == "rest-xml":
        return Response(b"", headers=dict(answer.headers))
    kind = "application/json" if request.protocol == "rest-json" else "application/x-amz-json-1.1"
    return Response(json.dumps(answer.body), content_type=kind)


def _denied(request: ServiceRequest, account: str) -> refusals.Refusal:
    return refusals.Refusal(
        "UnauthorizedOperation" if request.action.startswith("ec2:") else "AccessDenied",
        "AccessDeniedException",
        f"User of account {account} is not authorized to perform: {request.action}",
    )


def _refuse(refusal: refusals.Refusal, request: ServiceRequest, method: str) -> Response:
    # EC2 writes errors in another shape.
    if request.action.startswith("ec2:"):
        body = (
            f"<Response><Errors><Error><Code>{refusal.xml_code}</Code><Message>{refusal.message}</Message></Error>"
            "</Errors><RequestID>00000000-0000-0000-0000-000000000000</RequestID></Response>"
        )
        return Response(body, 403, content_type="text/xml")
    return refusals.answer(refusal, protocol=request.protocol, method=method, query_mode=False)


def _offered_only(response: Response, facts: AccountFacts) -> Response:
    """Take the instance types that an account does not have out of an answer of DescribeInstanceTypeOfferings."""
    if response.status_code != 200:
        return response
    root = fromstring(response.get_data())  # noqa: S314 - moto wrote it
    for offerings in [one for one in root.iter() if _name(one) == "instanceTypeOfferingSet"]:
        for item in list(offerings):
            fields = {_name(child): child.text or "" for child in item}
            gone = (*facts.not_offered.get("*", ()), *facts.not_offered.get(fields.get("location", ""), ()))
            if fields.get("instanceType") in gone:
                offerings.remove(item)
    return Response(tostring(root), content_type="text/xml")


def _name(element: Element) -> str:
    return element.tag.rpartition("}")[2]
