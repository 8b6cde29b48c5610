"""Every fault of Bedrock and of its models, as callers see it: status, name, and nothing internal."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import (
    ConnectionClosedError,
    ConnectTimeoutError,
    EndpointConnectionError,
    IncompleteReadError,
    ReadTimeoutError,
)
from image_api_bedrock_fakes import (
    FAMILIES,
    FakeBedrock,
    bedrock_application,
    bedrock_error,
    optimized_answer,
    stable_answer,
)
from image_api_fakes import png_base64

ARN = "arn:aws:bedrock:us-west-2::foundation-model/stability.sd3-5-large-v1:0"
INTERNALS = ("arn:", "111122223333", "us-west-2", "stability.s", "Traceback", "botocore", "InvokeModel")

# name: (error that the client raises, status, name of the error)
FAULTS: dict[str, tuple[Exception, int, str]] = {
    "throttled": (bedrock_error("ThrottlingException", "Too many requests", 429), 429, "rate_limit_exceeded"),
    "quota": (bedrock_error("ServiceQuotaExceededException", "Quota of 111122223333"), 429, "rate_limit_exceeded"),
    "not ready": (bedrock_error("ModelNotReadyException", "not ready", 429), 503, "model_not_ready"),
    "unavailable": (bedrock_error("ServiceUnavailableException", "unavailable", 503), 503, "model_not_ready"),
    "model timeout": (bedrock_error("ModelTimeoutException", "took too long", 408), 504, "model_timeout"),
    "internal": (bedrock_error("InternalServerException", f"{ARN} failed", 500), 502, "model_error"),
    "invalid": (bedrock_error("ValidationException", "#/prompt: expected maxLength: 10000"), 400, "bad_request"),
    "filtered": (
        bedrock_error("ValidationException", "This request has been blocked by our content filters."),
        400,
        "invalid_prompts",
    ),
    "wrong model": (
        bedrock_error("ValidationException", "The provided model identifier is invalid."),
        502,
        "model_error",
    ),
    "on demand": (
        bedrock_error("ValidationException", f"Invocation of model ID {ARN} with on-demand throughput isn't supported"),
        502,
        "model_error",
    ),
    "no access": (
        bedrock_error("AccessDeniedException", "You don't have access to the model with ID stability.x", 403),
        500,
        "internal_error",
    ),
    "end of life": (
        bedrock_error("ResourceNotFoundException", "This model version has reached the end of its life.", 404),
        502,
        "model_error",
    ),
    **{
        f"model answered {status}": (
            bedrock_error("ModelErrorException", "the model said no", 424, originalStatusCode=status, resourceName=ARN),
            *expected,
        )
        for status, expected in {
            0: (504, "model_timeout"),
            400: (400, "bad_request"),
            403: (502, "model_error"),
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
    "model answered 400 with internals": (
        bedrock_error("ModelErrorException", f"{ARN} said no", 424, originalStatusCode=400),
        400,
        "bad_request",
    ),
    "model error without status": (bedrock_error("ModelErrorException", "no", 424), 502, "model_error"),
    "unknown 4xx": (bedrock_error("UnrecognizedClientException", "token of AKIAEXAMPLE", 403), 500, "internal_error"),
    "unknown 5xx": (bedrock_error("504", "Gateway Time-out", 504), 502, "model_error"),
    "unknown 429": (bedrock_error("429", "", 429), 429, "rate_limit_exceeded"),
    "unknown 503": (bedrock_error("503", "", 503), 503, "model_not_ready"),
    "read timeout": (ReadTimeoutError(endpoint_url="https://bedrock-runtime.us-west-2"), 504, "model_timeout"),
    "connect timeout": (ConnectTimeoutError(endpoint_url="https://x.us-west-2"), 503, "model_unreachable"),
    "no connection": (EndpointConnectionError(endpoint_url="https://x.us-west-2"), 503, "model_unreachable"),
    "reset": (ConnectionClosedError(endpoint_url="https://x.us-west-2"), 502, "model_error"),
    "cut short": (IncompleteReadError(actual_bytes=1, expected_bytes=2), 502, "model_error"),
    "a bug": (RuntimeError(f"{ARN} of 111122223333"), 500, "internal_error"),
}

PNG = png_base64()
# name: (answer of a model with `seeds`, status, name of the error)
ANSWERS: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 502, "model_error"),
    "garbage": (b"<html>us-west-2</html>", 502, "model_error"),
    "not UTF-8": (b"\xff\xfe", 502, "model_error"),
    "a list": (b"[]", 502, "model_error"),
    "no image": (b"{}", 502, "model_error"),
    "images null": (b'{"seeds":[1],"finish_reasons":[null],"images":null}', 502, "model_error"),
    "two images": (stable_answer(PNG, PNG), 502, "model_error"),
    "two finish reasons": (b'{"finish_reasons":[null,null]}', 502, "model_error"),
    "truncated base64": (stable_answer(PNG[:-3]), 502, "model_error"),
    "truncated image": (stable_answer(PNG[:-8]), 502, "model_error"),
    "no PNG": (stable_answer("aGVsbG8gd29ybGQh"), 502, "model_error"),
    "seed out of range": (stable_answer(PNG, seeds=[-1]), 502, "model_error"),
    "inference error": (stable_answer(reason="Inference error"), 502, "model_error"),
    "unknown reason": (stable_answer(PNG, reason="us-west-2 burns"), 502, "model_error"),
    "prompt filtered": (b'{"finish_reasons":["Filter reason: prompt"]}', 400, "invalid_prompts"),
    "input image filtered": (b'{"finish_reasons":["Filter reason: input image"]}', 400, "bad_request"),
}
SDXL_ANSWERS: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 502, "model_error"),
    "garbage": (b"<html>us-west-2</html>", 502, "model_error"),
    "no artifact": (b'{"result":"success","artifacts":[]}', 502, "model_error"),
    "truncated base64": (optimized_answer(PNG[:-3]), 502, "model_error"),
    "finish reason ERROR": (optimized_answer("", 1, "ERROR"), 502, "model_error"),
    "error": (b'{"result":"error","error":{"name":"generation_error","message":"cuda us-west-2"}}', 502, "model_error"),
    "invalid prompts": (
        b'{"result":"error","error":{"name":"invalid_prompts","message":"Invalid prompts detected"}}',
        400,
        "invalid_prompts",
    ),
}


def _assert_error(reply: Any, status: int, name: str) -> None:
    assert reply.error == (status, name)
    assert not [text for text in INTERNALS if text in reply.text], reply.text
    assert ("retry-after" in reply.headers) == (status in (429, 503))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_of_bedrock(fault: str, family: str) -> None:
    error, status, name = FAULTS[fault]
    bedrock = FakeBedrock()
    bedrock.fails(error)

    _assert_error(bedrock_application(bedrock, family).generate(), status, name)


@pytest.mark.parametrize("family", ["stable-image", "sd3-5"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_answer_that_is_no_image(answer: str, family: str) -> None:
    body, status, name = ANSWERS[answer]
    bedrock = FakeBedrock()
    bedrock.answers(body)

    _assert_error(bedrock_application(bedrock, family).generate(), status, name)


@pytest.mark.parametrize("answer", SDXL_ANSWERS)
def test_answer_of_sdxl_that_is_no_image(answer: str) -> None:
    body, status, name = SDXL_ANSWERS[answer]
    bedrock = FakeBedrock()
    bedrock.answers(body)

    _assert_error(bedrock_application(bedrock, "sdxl-v1").generate(), status, name)


@pytest.mark.parametrize("fault", [*FAULTS, *ANSWERS])
def test_fault_in_the_shape_of_the_openai_api(fault: str) -> None:
    bedrock = FakeBedrock()
    if fault in FAULTS:
        error, status, name = FAULTS[fault]
        bedrock.fails(error)
    else:
        body, status, name = ANSWERS[fault]
        bedrock.answers(body)

    reply = bedrock_application(bedrock, "sd3-5").post('{"prompt": "a puppy"}', path="/v1/images/generations")

    assert reply.status == status
    assert reply.json.keys() == {"error"}
    assert reply.json["error"].keys() == {"message", "type", "param", "code"}
    assert not [text for text in INTERNALS if text in reply.text], reply.text
    is_filtered = fault in ("filtered", "prompt filtered", "input image filtered")
    assert (reply.json["error"]["code"] == "content_policy_violation") == is_filtered, name


def test_what_the_model_says_of_the_request_is_passed_on() -> None:
    bedrock = FakeBedrock()
    bedrock.fails(FAULTS["invalid"][0])

    reply = bedrock_application(bedrock, "sd3-5").generate()

    assert reply.json["message"] == "The model refused the request: #/prompt: expected maxLength: 10000"


@pytest.mark.parametrize(
    ("fault", "logged"),
    [
        ("no access", "no model access to stability.sd3-5-large-v1:0"),
        ("end of life", "it may have reached its end of life"),
        ("wrong model", "Bedrock refused the call of stability.sd3-5-large-v1:0"),
    ],
)
def test_what_operators_have_to_mend_is_logged(fault: str, logged: str, caplog: pytest.LogCaptureFixture) -> None:
    bedrock = FakeBedrock()
    bedrock.fails(FAULTS[fault][0])

    bedrock_application(bedrock, "sd3-5").generate()

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert logged in str([cause.get("advice") for cause in record.__dict__["causes"]])
