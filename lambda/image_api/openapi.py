"""`GET /openapi.json`: the description of this API in OpenAPI 3.1. `python -m image_api.openapi` writes the file.

The document is built from the routes and the schemas that check requests (`openapi_document.py`), and committed. What
is served is the file with two things put in that only a request and its deployment know: the address, and the names of
the team's own styles.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from image_api.dialects.http import JSON, HttpReply, HttpRequest
from image_api.dialects.route import PlainRoute, Route
from image_api.dialects.stability_v1 import error_reply
from image_api.settings import Settings

PATH = "/openapi.json"
DOCUMENT_FILE = Path(__file__).parent / "openapi.json"
_STYLE_FIELD = "style_preset"


def document_reply(http: HttpRequest, settings: Settings) -> HttpReply:
    """Answer `GET /openapi.json`."""
    return HttpReply(
        status=200,
        content_type=JSON,
        body=served_text(http.url.removesuffix(PATH), tuple(style.name for style in settings.styles)),
        headers={"Cache-Control": "public, max-age=300"},
    )


@lru_cache(maxsize=4)
def served_text(base_url: str, style_names: tuple[str, ...]) -> str:
    """The document for an API at `base_url` (empty for an unknown address) with these styles beside the usual ones."""
    document: dict[str, Any] = msgspec.json.decode(DOCUMENT_FILE.read_bytes())
    if base_url:
        document["servers"] = [{"url": base_url}]
    for schema in document["components"]["schemas"].values():
        style = schema.get("properties", {}).get(_STYLE_FIELD, {})
        if "enum" in style:
            style["enum"] += [name for name in style_names if name not in style["enum"]]
    return msgspec.json.encode(document).decode()


ROUTES: tuple[Route, ...] = (PlainRoute(method="GET", path=PATH, answer=document_reply, error_reply=error_reply),)


def _write() -> None:
    from image_api.openapi_document import document_text  # noqa: PLC0415 -- needs the routes, which need this module

    DOCUMENT_FILE.write_text(document_text(), encoding="utf-8")


if __name__ == "__main__":
    _write()
