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
import tracemalloc
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple
from unittest import mock

REQUESTS = 60
SIDE = 1024


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


class InstantStore:
    """An `s3` client that has stored everything already."""

    def put_object(self, **_: Any) -> dict[str, Any]:
        """Store nothing."""
        return {}

    def generate_presigned_url(self, *_: Any, **__: Any) -> str:
        """Return a link of the usual length."""
        return "https://images.s3.us-east-1.amazonaws.com/generated/x.png?" + "x" * 400


class Case(NamedTuple):
    """One kind of request, and what it hands in."""

    name: str
    event: dict[str, Any]
    sent: int


def text_to_image(name: str, media_type: str, **fields: Any) -> Case:
    """Return a request for images in JSON."""
    body = json.dumps({"text_prompts": [{"text": "a red fox in snow"}], "seed": 1, **fields})
    return Case(name, proxy_event("text-to-image", media_type, "application/json", body), len(body))


def image_to_image(name: str, image: bytes) -> Case:
    """Return a request for an image from an image, as a form."""
    boundary = "benchmark"
    parts = {
        b'name="text_prompts[0][text]"': b"a red fox in snow",
        b'name="seed"': b"1",
        b'name="init_image"; filename="fox.png"\r\nContent-Type: image/png': image,
    }
    form = b"".join(
        b"--benchmark\r\nContent-Disposition: form-data; " + head + b"\r\n\r\n" + value + b"\r\n"
        for head, value in parts.items()
    )
    form += b"--benchmark--\r\n"
    body = base64.b64encode(form).decode()
    event = proxy_event("image-to-image", "application/json", f"multipart/form-data; boundary={boundary}", body)
    return Case(name, {**event, "isBase64Encoded": True}, len(body))


def proxy_event(operation: str, media_type: str, content_type: str, body: str) -> dict[str, Any]:
    """Return what API Gateway hands the function."""
    path = f"/v1/generation/stable-diffusion-xl-1024-v1-0/{operation}"
    headers = {"Accept": media_type, "Content-Type": content_type}
    return {
        "resource": f"/v1/generation/{{engine_id}}/{operation}",
        "path": path,
        "httpMethod": "POST",
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": None,
        "multiValueQueryStringParameters": None,
        "pathParameters": {"engine_id": "stable-diffusion-xl-1024-v1-0"},
        "stageVariables": None,
        "requestContext": {"requestId": "request-1", "stage": "api", "path": f"/api{path}", "httpMethod": "POST"},
        "body": body,
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


def plain_handler(runtime: InstantRuntime) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """Return the least that any invoker does: parse the request, call the model, parse its answer, write another."""

    def handle(event: dict[str, Any]) -> dict[str, Any]:
        request = json.loads(event["body"])
        answer = json.loads(runtime.invoke_endpoint(Body=json.dumps(request).encode())["Body"].read())
        artifact = {"base64": answer["generated_image"], "seed": request["seed"], "finishReason": "SUCCESS"}
        return {
            "statusCode": 200,
            "headers": {"Content-Type": "application/json"},
            "body": json.dumps({"artifacts": [artifact]}),
            "isBase64Encoded": False,
        }

    return handle


def median_seconds(call: Callable[[], object]) -> float:
    """Return the median time of a call, after a few to warm up."""
    times = []
    for _ in range(REQUESTS):
        started = time.perf_counter()
        call()
        times.append(time.perf_counter() - started)
    return statistics.median(times[5:])


def peak_bytes(call: Callable[[], object]) -> int:
    """Return the most memory that Python holds during a call, beside what it held before."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def measure_case(handler: Any, case: Case) -> dict[str, float]:
    """Measure one case: its time, its peak memory, and copying what it takes in and gives out once."""

    def call() -> Any:
        return handler(case.event, lambda_context())

    reply = call()
    if reply["statusCode"] != 200:
        message = f"{case.name}: the function answered {reply['statusCode']}: {reply['body'][:300]}"
        raise RuntimeError(message)
    moved = bytes(case.sent + len(reply["body"]))
    return {
        "seconds": median_seconds(call),
        "copy_seconds": median_seconds(lambda: bytearray(moved)),
        "megabytes": len(moved) / 1e6,
        "peak_megabytes": peak_bytes(call) / 1e6,
    }


def main() -> None:
    """Measure every case, and print the figures by name."""
    image = incompressible_png()
    answer = json.dumps({"generated_image": base64.b64encode(image).decode()}).encode()
    clients = {"sagemaker-runtime": InstantRuntime(answer), "s3": InstantStore()}
    cases = [
        text_to_image("JSON in, JSON out", "application/json"),
        text_to_image("JSON in, PNG out", "image/png"),
        text_to_image("JSON in, 4 samples out, 3 of them as links", "application/json", samples=4),
        # Trailing bytes behind the image's end are legal, and make it the size that is wanted.
        image_to_image("form with a 4 MB image in, JSON out", image + bytes(max(0, 4_000_000 - len(image)))),
    ]
    with mock.patch("boto3.client", side_effect=lambda service, **_: clients[service]):
        from image_api import api  # noqa: PLC0415 - reads its settings and makes its client when imported

        # The function's log lines go to stdout, where Lambda collects them.
        with contextlib.redirect_stdout(io.StringIO()):
            figures = {case.name: measure_case(api.handler, case) for case in cases}
            plain, event = plain_handler(InstantRuntime(answer)), cases[0].event
            figures[cases[0].name]["plain_seconds"] = median_seconds(lambda: plain(event))
    sys.stdout.write(json.dumps(figures) + "\n")


if __name__ == "__main__":
    main()
