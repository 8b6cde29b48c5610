"""Every fault of a model, in every operation and both types of answer: this API's own error shape, and no internals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from image_api_fakes import (
    ENGINE_PATH,
    ApplicationUnderTest,
    FakeRuntime,
    Reply,
    base64_of_length,
    client_error,
    container_error,
    optimized_answer,
    png_base64,
)
from image_api_forms import IMAGE_TO_IMAGE, MASKING, in_base64, picture, post_json

Make = Callable[..., ApplicationUnderTest]
ACCEPTS = ("application/json", "image/png")
SECRET = "arn:aws:iam::111111111111:role/secret /opt/ml/model/secret.py"
_IMAGE = {"init_image": in_base64(picture())}
_MASK = {"mask_source": "MASK_IMAGE_WHITE", "mask_image": in_base64(picture(mode="L"))}
REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "text-to-image": (ENGINE_PATH, {}),
    "image-to-image": (IMAGE_TO_IMAGE, _IMAGE),
    "masking": (MASKING, _IMAGE | _MASK),
}


class Case(NamedTuple):
    source: str
    operation: str
    accept: str


CASES = [
    Case(source, operation, accept)
    for source in ("optimized", "open")
    for operation in REQUESTS
    for accept in ACCEPTS
    if (source, operation) != ("open", "masking")
]
_URL = "https://runtime.sagemaker.us-east-1.amazonaws.com/secret"
ERRORS = {
    "read timeout": (ReadTimeoutError(endpoint_url=_URL), 504, "model_timeout"),
    "no connection": (EndpointConnectionError(endpoint_url=_URL), 503, "model_unreachable"),
    "connection reset": (ConnectionClosedError(endpoint_url=_URL), 502, "model_error"),
    "throttled": (client_error("ThrottlingException", SECRET), 429, "rate_limit_exceeded"),
    "not ready": (client_error("ModelNotReadyException", SECRET, 429), 503, "model_not_ready"),
    "service down": (client_error("ServiceUnavailable", SECRET, 503), 503, "model_not_ready"),
    "no permission": (client_error("AccessDeniedException", SECRET, 403), 500, "internal_error"),
    "our own fault": (RuntimeError(SECRET), 500, "internal_error"),
    **{
        f"container {status}": (container_error(status, ""), *answer)
        for status, answer in {
            0: (504, "model_timeout"),
            400: (400, "bad_request"),
            404: (502, "model_error"),
            408: (504, "model_timeout"),
            413: (413, "request_too_large"),
            415: (400, "bad_request"),
            422: (400, "bad_request"),
            429: (429, "rate_limit_exceeded"),
            500: (502, "model_error"),
            502: (502, "model_error"),
            503: (503, "model_not_ready"),
            504: (504, "model_timeout"),
        }.items()
    },
}
BODIES = {
    "empty": b"",
    "garbage": b"<html>secret</html>",
    "an array": b"[]",
    "no image": b"{}",
    "an error": b'{"error":{"name":"generation_error","message":"/opt/ml/secret"}}',
    "not UTF-8": b'{"generated_image":"\xff"}',
}
_PNG = png_base64()


def ask(api: ApplicationUnderTest, operation: str, accept: str) -> Reply:
    path, fields = REQUESTS[operation]
    return post_json(api, path, accept=accept, **fields)


def in_shape(reply: Reply, status: int, name: str) -> None:
    assert reply.error == (status, name)
    assert "secret" not in reply.text
    assert "arn:" not in reply.text
    assert "amazonaws" not in reply.text
    assert len(reply.json["message"]) > 20
    assert ("retry-after" in reply.headers) == (status in (429, 503))


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("fault", ERRORS)
def test_error_of_the_service_keeps_the_shape(make_api: Make, runtime: FakeRuntime, case: Case, fault: str) -> None:
    error, status, name = ERRORS[fault]
    runtime.fails(error)

    in_shape(ask(make_api(model_source=case.source), case.operation, case.accept), status, name)


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("body", BODIES)
def test_unusable_answer_keeps_the_shape(make_api: Make, runtime: FakeRuntime, case: Case, body: str) -> None:
    runtime.answers(BODIES[body])

    in_shape(ask(make_api(model_source=case.source), case.operation, case.accept), 502, "model_error")


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.parametrize("image", ["", "not base64!", _PNG[:-8], _PNG[:-3], in_base64(b"GIF89a")])
def test_unusable_image_keeps_the_shape(make_api: Make, runtime: FakeRuntime, case: Case, image: str) -> None:
    answer = optimized_answer(image) if case.source == "optimized" else b'{"generated_image":"%s"}' % image.encode()
    runtime.answers(answer)

    in_shape(ask(make_api(model_source=case.source), case.operation, case.accept), 502, "model_error")


@pytest.mark.parametrize("operation", REQUESTS)
@pytest.mark.parametrize("image", ["", _PNG])
def test_filtered_image_is_answered_with_its_reason(
    api: ApplicationUnderTest, runtime: FakeRuntime, operation: str, image: str
) -> None:
    runtime.answers(optimized_answer(image, finish_reason="CONTENT_FILTERED"))

    as_json, as_png = (ask(api, operation, accept) for accept in ACCEPTS)

    assert as_json.status == as_png.status == 200
    assert as_json.json["artifacts"][0]["finishReason"] == as_png.headers["finish-reason"] == "CONTENT_FILTERED"
    # Where the model withholds the image, a plain one stands in for it.
    assert as_png.bytes.startswith(b"\x89PNG")


def test_filtered_prompt_has_that_apis_name(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    runtime.answers(b'{"result":"error","error":{"name":"invalid_prompts","message":"Invalid prompts detected"}}')

    assert ask(api, "image-to-image", "image/png").error == (400, "invalid_prompts")


@pytest.mark.parametrize("operation", REQUESTS)
def test_image_too_large_for_an_answer_is_a_link(
    api: ApplicationUnderTest, runtime: FakeRuntime, operation: str
) -> None:
    runtime.answers(optimized_answer(base64_of_length(6_291_456)))

    assert ask(api, operation, "image/png").status == 303
