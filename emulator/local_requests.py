"""Keeps web pages away: the emulator runs code for whoever asks, and every page in a browser reaches this machine.

A page of another origin may send requests here, and one whose name an attacker points at 127.0.0.1 (DNS rebinding) may
read the answers too. Browsers name the page in `Origin` and `Sec-Fetch-Site`, and the address's name in `Host`.
"""

from __future__ import annotations

import ipaddress
import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from werkzeug.wrappers import Response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

OWN_PATHS = "/_emulator/"
# Signature Version 4, in a header, and presigned; the older query signature; a POST policy of S3.
_SIGNED_HEADER = re.compile(r"AWS4-HMAC-SHA256 .*Credential=|AWS [^:]+:")
_SIGNED_QUERY = re.compile(r"(^|&)(X-Amz-Signature|Signature)=")
# Amazon Cognito user pools API: sign-in calls carry no signature.
_UNSIGNED_TARGET = re.compile(r"AWSCognitoIdentityProviderService\.")

HostCheck = Callable[[str], bool]


class LocalRequests:
    """WSGI application that refuses what may come from a web page with 403, and hands everything else on.

    `is_own_host` knows further names under which the application is reached: names of AWS, which no page can point
    here. `signed` demands the signature of an AWS client at all other names. It is not verified: a page cannot make one
    without asking first, and is refused then. With
    `pages_allowed`, a page of another origin gets an answer that says itself, by `Access-Control-Allow-Origin`, that
    the page may read it: deployed APIs name such pages.
    """

    def __init__(
        self,
        application: WSGIApplication,
        *,
        is_own_host: HostCheck = lambda _: False,
        signed: bool = False,
        pages_allowed: bool = False,
    ) -> None:
        self._application = application
        self._is_own_host = is_own_host
        self._signed = signed
        self._pages_allowed = pages_allowed

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Answer one request."""
        problem = self._problem(environ)
        if problem is None:
            return self._application(environ, start_response)
        page = environ.get("HTTP_ORIGIN")
        if page is not None and problem == _page_problem(environ) and self._pages_allowed and not _is_own(environ):
            answer = Response.from_app(self._application, environ)
            if answer.headers.get("Access-Control-Allow-Origin") in (page, "*"):
                return answer(environ, start_response)
        body = json.dumps({"message": f"The emulator refuses this request: {problem}", "__type": "AccessDenied"})
        return Response(body, 403, content_type="application/json")(environ, start_response)

    def _problem(self, environ: WSGIEnvironment) -> str | None:
        own = _is_own(environ)
        host = _name(environ.get("HTTP_HOST", ""))
        if not is_loopback(host) and (own or not self._is_own_host(host)):
            return f"its Host is {host!r}, and the emulator is reached as localhost or 127.0.0.1"
        if problem := _page_problem(environ):
            return problem
        if self._signed and not own and not self._is_own_host(host) and not _is_signed(environ):
            return "it has no signature: call with an AWS SDK or the aws command"
        return None


def _is_own(environ: WSGIEnvironment) -> bool:
    return bool(environ.get("PATH_INFO", "").startswith(OWN_PATHS))


def _page_problem(environ: WSGIEnvironment) -> str | None:
    """Why a request is one of a page of another origin, None where it is not."""
    origin = environ.get("HTTP_ORIGIN")
    if origin is not None:
        page = urlsplit(origin).hostname or ""
        # The Host is known to be one of the application's own.
        is_same = page == _name(environ.get("HTTP_HOST", ""))
        return None if is_same or is_loopback(page) else f"it comes from a page of {origin}"
    # Without an Origin: an image, a script or a form of the page. A link that somebody follows navigates.
    navigates = environ.get("HTTP_SEC_FETCH_MODE") == "navigate" and environ.get("REQUEST_METHOD") == "GET"
    if environ.get("HTTP_SEC_FETCH_SITE") == "cross-site" and not navigates:
        return "it comes from a page of another site"
    return None


def is_loopback(host: str) -> bool:
    """Whether a host name stands for this machine, whatever a name server says."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _name(host: str) -> str:
    """The name in a Host header, without the port."""
    return urlsplit(f"//{host}").hostname or ""


def _is_signed(environ: WSGIEnvironment) -> bool:
    if _SIGNED_HEADER.match(environ.get("HTTP_AUTHORIZATION", "")):
        return True
    if _SIGNED_QUERY.search(environ.get("QUERY_STRING", "")):
        return True
    return bool(_UNSIGNED_TARGET.match(environ.get("HTTP_X_AMZ_TARGET", "")))
