"""What schemathesis does not know by itself: how an image looks, and that small ones are drawn sooner."""

from __future__ import annotations

import base64
import io
from typing import Any

import schemathesis
from hypothesis import strategies as st
from PIL import Image

_SMALLEST = "128x128"
# Of 128x128, the smallest size; of a photograph's; and what is no image.
_SIZES = ((128, 128), (192, 128), (30, 20))


def _image(size: tuple[int, int], mode: str, kind: str) -> bytes:
    image = Image.new(mode, size, 120 if mode == "L" else (200, 100, 50))
    if mode == "RGBA":
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


_IMAGES = [
    *(_image(size, mode, "PNG") for size in _SIZES for mode in ("RGB", "RGBA", "L")),
    _image(_SIZES[0], "RGB", "JPEG"),
    _image(_SIZES[0], "RGB", "WEBP"),
]
# Mostly images that fit one another, some that do not, and some bytes that are no image or half of one.
_FILES = st.one_of(st.sampled_from(_IMAGES[:3]), st.sampled_from(_IMAGES), st.just(_IMAGES[0][:70]), st.binary())

schemathesis.openapi.format("binary", _FILES)
schemathesis.openapi.format("byte", _FILES.map(lambda file: base64.b64encode(file).decode()))


@schemathesis.hook
def map_body(context: Any, body: Any) -> Any:
    """Bodies that leave size and steps to the API ask for little: the default takes 50 times as long to draw."""
    path = context.operation.path
    if not isinstance(body, dict) or not body:
        return body
    body = dict(body)
    if path.startswith("/v1/generation"):
        body.setdefault("steps", 10)
        if path.endswith("text-to-image") and not {"size", "width", "height"} & body.keys():
            body["size"] = _SMALLEST
    elif path.startswith("/v1/images"):
        if not {"steps", "quality"} & body.keys():
            body["steps"] = 10
        if not {"size", "width", "height"} & body.keys():
            body["size"] = _SMALLEST
    return body
