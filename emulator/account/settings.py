"""The path of the emulator on which tests set the facts of an account."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from werkzeug.wrappers import Request, Response

from emulator.account.facts import ACCOUNTS, AccountBook, FactsError, parse_account_facts

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_ACCOUNT = re.compile(r"\d{12}")


def create_account_app(book: AccountBook = ACCOUNTS) -> WSGIApplication:
    """The WSGI application behind `/_emulator/account?id=`: PUT sets an account's facts, GET shows them, DELETE
    makes it clean again."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        return _answer(Request(environ), book)(environ, start_response)

    return application


def _answer(request: Request, book: AccountBook) -> Response:
    account = request.args.get("id", "")
    if not _ACCOUNT.fullmatch(account):
        return _json(400, {"message": f"id is {account!r}: allowed are the 12 digits of an account, ?id=111111111111"})
    if request.method == "PUT":
        try:
            book.put(account, parse_account_facts(json.loads(request.get_data())))
        except FactsError as exc:
            return _json(400, {"message": str(exc)})
        except ValueError as exc:
            return _json(400, {"message": f"the body is not JSON: {exc}"})
    elif request.method == "DELETE":
        book.clear(account)
    elif request.method != "GET":
        return _json(405, {"message": f"{request.method} is not allowed: use PUT, GET or DELETE"})
    return _json(200, asdict(book.facts(account)))


def _json(status: int, answer: dict[str, Any]) -> Response:
    return Response(json.dumps(answer), status, content_type="application/json")
