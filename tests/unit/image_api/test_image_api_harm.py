"""Requests that cost more to read than they are worth are refused before that."""

from __future__ import annotations

import base64
import json
import struct
import time
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from image_api_fakes import ApplicationUnderTest, FakeRuntime, png, proxy_event

_GENERATION = "/v1/generation/stable-diffusion-xl-1024-v1-0/image-to-image"


def _jpeg_of_scans(count: int) -> bytes:
    """A progressive JPEG's head, and as many scans."""
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, 512, 512, 3) + b"\x01\x11\x00\x02\x11\x00\x03\x11\x00"
    scan = b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 63, 0)
    return b"\xff\xd8" + frame + (scan + b"\x00" * 30) * count + b"\xff\xd9"


def _png_of(width: int, height: int) -> bytes:
    """A PNG of a few kilobytes whose rows are many."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    rows = zlib.compress(bytes((width + 1) * min(height, 1_000)))
    return png()[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


PICTURES = {
    "25,000 scans": _jpeg_of_scans(25_000),
    "101 scans": _jpeg_of_scans(101),
    "one column": _png_of(1, 16_777_216),
    "one row": _png_of(16_777_216, 1),
}


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("path", [_GENERATION, "/v1/images/edits", "/v1/images/variations"])
def test_picture_that_costs_too_much_is_refused_before_it_is_decoded(
    api: ApplicationUnderTest, runtime: FakeRuntime, name: str, path: str
) -> None:
    picture = PICTURES[name]
    event: dict[str, Any]
    if path == _GENERATION:
        body = {"text_prompts": [{"text": "a puppy"}], "init_image": base64.b64encode(picture).decode()}
        event = proxy_event(json.dumps(body), path=path)
    else:
        part = b"--b\r\nContent-Disposition: form-data; name="
        form = part + b'"prompt"\r\n\r\na puppy\r\n' if path.endswith("edits") else b""
        form += part + b'"image"; filename="f"\r\n\r\n' + picture + b"\r\n--b--\r\n"
        headers = {"Content-Type": "multipart/form-data; boundary=b"}
        event = proxy_event(base64.b64encode(form).decode(), path=path, headers=headers, is_base64=True)
    started = time.thread_time()

    reply = api.handle(event)

    assert reply.status == 400
    assert time.thread_time() - started < 1.0
    assert not runtime.calls


@pytest.mark.parametrize(
    "path", ["/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image", "/v1/images/generations"]
)
def test_unknown_fields_are_not_all_looked_at(
    make_api: Callable[..., ApplicationUnderTest], runtime: FakeRuntime, path: str
) -> None:
    body = {f"field_number_{number}_of_many": "x" * 20 for number in range(90_000)}
    event = proxy_event(json.dumps(body), path=path)
    api = make_api()
    started = time.thread_time()

    reply = api.handle(event)

    assert reply.status == 400
    assert len(reply.text) < 50_000
    assert time.thread_time() - started < 1.5
    assert not runtime.calls
