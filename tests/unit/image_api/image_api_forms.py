"""Forms and images as clients of the image-to-image routes send them."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterable
from typing import Any

import httpx2
from image_api.dialects.http import HttpRequest
from image_api_fakes import ApplicationUnderTest, Reply
from PIL import Image

ENGINE = "/v1/generation/stable-diffusion-xl-1024-v1-0"
IMAGE_TO_IMAGE = f"{ENGINE}/image-to-image"
MASKING = f"{ENGINE}/image-to-image/masking"


def picture(width: int = 512, height: int = 512, image_format: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, (width, height)).save(file, image_format)
    return file.getvalue()


def in_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def form(data: dict[str, str], files: dict[str, bytes] | None = None) -> HttpRequest:
    """A form as a real HTTP client writes it."""
    parts = {name: (f"{name}.png", content, "image/png") for name, content in (files or {}).items()}
    # Without a file httpx2 would send another media type than multipart.
    fields: list[tuple[str, Any]] = [(name, (None, value)) for name, value in data.items()]
    request = httpx2.Request("POST", "https://api.test", files=[*fields, *parts.items()])
    return HttpRequest(headers={"content-type": request.headers["content-type"]}, body=request.read())


def raw_form(*parts: bytes, end: bytes = b"--b--\r\n") -> HttpRequest:
    """A form of hand-made parts; its boundary is `b`."""
    body = b"".join(b"--b\r\n" + part + b"\r\n" for part in parts) + end
    return HttpRequest(headers={"content-type": "multipart/form-data; boundary=b"}, body=body)


def part(name: str, content: bytes = b"1", *, headers: Iterable[str] = (), parameters: str = "") -> bytes:
    lines = [f'Content-Disposition: form-data; name="{name}"{parameters}', *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + content


def post_http(
    api: ApplicationUnderTest, path: str, http: HttpRequest, *, accept: str = "application/json", **event: Any
) -> Reply:
    """Send a body of bytes, as API Gateway hands binary media types on."""
    headers = {"Content-Type": http.headers["content-type"], "Accept": accept}
    return api.post(in_base64(http.body), path=path, headers=headers, is_base64=True, **event)


def post_json(api: ApplicationUnderTest, path: str, accept: str = "application/json", **fields: Any) -> Reply:
    body = {"text_prompts": [{"text": "a puppy"}], **fields}
    return api.post(json.dumps(body), path=path, headers={"Content-Type": "application/json", "Accept": accept})
