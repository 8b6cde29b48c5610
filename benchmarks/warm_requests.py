"""Calls the function's handler in this process, around a model that answers at once, and prints the times as JSON."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import random
import statistics
import struct
import sys
import time
import zlib
from types import SimpleNamespace
from typing import Any
from unittest import mock

from image_api.backends import sagemaker

REQUESTS = 60
SIDE = 1024
MEDIA_TYPES = ("application/json", "image/png")


def incompressible_png() -> bytes:
    """Return a PNG of noise: no image of this size is larger."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    noise = random.Random(1)  # noqa: S311 - a picture, not a secret
    rows = b"".join(b"\0" + noise.randbytes(3 * SIDE) for _ in range(SIDE))
    header = struct.pack(">IIBBBBB", SIDE, SIDE, 8, 2, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 1)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


class InstantRuntime:
    """A `sagemaker-runtime` client whose model has drawn the image before it is asked."""

    def __init__(self, answer: bytes) -> None:
        """Keep the answer, as the open variant gives it."""
        self._answer = answer

    def invoke_endpoint(self, **_: Any) -> dict[str, Any]:
        """Answer at once."""
        return {"Body": io.BytesIO(self._answer), "ContentType": "application/json"}


def proxy_event(media_type: str) -> dict[str, Any]:
    """Return what API Gateway hands the function."""
    path = "/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
    return {
        "resource": "/v1/generation/{engine_id}/text-to-image",
        "path": path,
        "httpMethod": "POST",
        "headers": {"Accept": media_type, "Content-Type": "application/json"},
        "multiValueHeaders": {"Accept": [media_type], "Content-Type": ["application/json"]},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"engine_id": "stable-diffusion-xl-1024-v1-0"},
        "stageVariables": None,
        "requestContext": {"requestId": "request-1", "stage": "api", "path": f"/api{path}", "httpMethod": "POST"},
        "body": json.dumps({"text_prompts": [{"text": "a red fox in snow"}], "seed": 1}),
        "isBase64Encoded": False,
    }


def lambda_context() -> Any:
    """Return the parts of Lambda's context object that functions read."""
    return SimpleNamespace(
        function_name="image-api",
        function_version="1",
        memory_limit_in_mb=1769,
        invoked_function_arn="arn:aws:lambda:us-east-1:111122223333:function:image-api:live",
        aws_request_id="invocation-1",
        get_remaining_time_in_millis=lambda: 29_000,
    )


def median_seconds(call: Any) -> float:
    """Return the median time of a call, after a few to warm up."""
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times[5:])


def main() -> None:
    """Measure each media type, and copying the same bytes once."""
    image = incompressible_png()
    answer = json.dumps({"generated_image": base64.b64encode(image).decode()}).encode()
    with mock.patch.object(sagemaker, "create_runtime_client", return_value=InstantRuntime(answer)):
        from image_api import api  # noqa: PLC0415 - reads its settings and makes its client when imported

    seconds: dict[str, float] = {"megabytes": len(answer) / 1e6}
    # The function's log lines go to stdout, where Lambda collects them.
    with contextlib.redirect_stdout(io.StringIO()):
        for media_type in MEDIA_TYPES:
            event = proxy_event(media_type)
            reply = api.handler(event, lambda_context())
            if reply["statusCode"] != 200:
                message = f"the function answered {reply['statusCode']}: {reply['body'][:300]}"
                raise RuntimeError(message)
            seconds[media_type] = median_seconds(lambda event=event: api.handler(event, lambda_context()))
        seconds["copy"] = median_seconds(lambda: bytearray(answer))
    sys.stdout.write(json.dumps(seconds) + "\n")


if __name__ == "__main__":
    main()
