"""The faults of Bedrock as the real `openai` client sees them: its exception types, and nothing internal."""

from __future__ import annotations

import openai
import pytest
from botocore.exceptions import ConnectionClosedError, EndpointConnectionError, ReadTimeoutError
from image_api.settings import BedrockModelFamily
from image_api_bedrock_fakes import FAMILIES, FakeBedrock, bedrock_application, bedrock_error, stable_answer
from image_api_fakes import optimized_answer, png_base64
from openai_in_process import InProcess

_URL = "https://bedrock-runtime.us-west-2.amazonaws.com"
_ARN = "arn:aws:bedrock:us-west-2::foundation-model/stability.sd3-5-large-v1:0"
_SECRETS = ("arn:", "us-west-2", "amazonaws.com", "stability.s", "Traceback", "hunter2")

_SERVER, _BAD, _LIMIT = openai.InternalServerError, openai.BadRequestError, openai.RateLimitError
_Error = type[openai.APIStatusError]


def _model_error(status: int) -> Exception:
    # What a model says of a request is passed on; what it says of itself is not.
    words = "weights are odd" if status == 400 else f"{_ARN}: hunter2"
    return bedrock_error("ModelErrorException", words, 424, originalStatusCode=status, resourceName=_ARN)


FAULTS: dict[str, tuple[Exception, _Error, int, str]] = {
    "read timeout": (ReadTimeoutError(endpoint_url=_URL), _SERVER, 504, "model_timeout"),
    "connection reset": (ConnectionClosedError(endpoint_url=_URL), _SERVER, 502, "model_error"),
    "no connection": (EndpointConnectionError(endpoint_url=_URL), _SERVER, 503, "model_unreachable"),
    "throttled": (bedrock_error("ThrottlingException", "", 429), _LIMIT, 429, "rate_limit_exceeded"),
    "not ready": (bedrock_error("ModelNotReadyException", "", 429), _SERVER, 503, "model_not_ready"),
    "timeout": (bedrock_error("ModelTimeoutException", "", 408), _SERVER, 504, "model_timeout"),
    "no access": (bedrock_error("AccessDeniedException", _ARN, 403), _SERVER, 500, "internal_error"),
    "filtered": (
        bedrock_error("ValidationException", "This request has been blocked by our content filters."),
        _BAD,
        400,
        "content_policy_violation",
    ),
    "model 0": (_model_error(0), _SERVER, 504, "model_timeout"),
    "model 400": (_model_error(400), _BAD, 400, "bad_request"),
    "model 413": (_model_error(413), openai.APIStatusError, 413, "request_too_large"),
    "model 429": (_model_error(429), _LIMIT, 429, "rate_limit_exceeded"),
    "model 500": (_model_error(500), _SERVER, 502, "model_error"),
    "model 503": (_model_error(503), _SERVER, 503, "model_not_ready"),
    "our own": (RuntimeError("password=hunter2"), _SERVER, 500, "internal_error"),
}
_FILTERED = b'{"finish_reasons":["Filter reason: prompt"]}'
ANSWERS: dict[str, tuple[bytes, _Error, int, str]] = {
    "empty": (b"", _SERVER, 502, "model_error"),
    "garbage": (b"\xff\xfe<html>", _SERVER, 502, "model_error"),
    "no image": (b"{}", _SERVER, 502, "model_error"),
    "truncated base64": (stable_answer(png_base64()[:-3]), _SERVER, 502, "model_error"),
    "filtered prompt": (_FILTERED, _BAD, 400, "content_policy_violation"),
}


def _check(bedrock: FakeBedrock, family: BedrockModelFamily, kind: _Error, status: int, code: str) -> None:
    openai_api = InProcess(bedrock_application(bedrock, family))

    with pytest.raises(openai.APIStatusError) as caught:
        openai_api.client().images.generate(prompt="a puppy")

    assert type(caught.value) is kind
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert [secret for secret in _SECRETS if secret in openai_api.replies[-1].text] == []


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("fault", FAULTS)
def test_fault_raises_the_clients_own_exception(family: BedrockModelFamily, fault: str) -> None:
    cause, kind, status, code = FAULTS[fault]
    bedrock = FakeBedrock()
    bedrock.fails(cause)

    _check(bedrock, family, kind, status, code)


@pytest.mark.parametrize("family", ["stable-image", "sd3-5"])
@pytest.mark.parametrize("answer", ANSWERS)
def test_unusable_answer_raises_the_clients_own_exception(family: BedrockModelFamily, answer: str) -> None:
    body, kind, status, code = ANSWERS[answer]
    bedrock = FakeBedrock()
    bedrock.answers(body)

    _check(bedrock, family, kind, status, code)


def test_filtered_image_of_sdxl_raises_the_clients_own_exception() -> None:
    bedrock = FakeBedrock()
    bedrock.answers(optimized_answer(png_base64(), 1, "CONTENT_FILTERED"))

    _check(bedrock, "sdxl-v1", _BAD, 400, "content_policy_violation")


@pytest.mark.parametrize("family", FAMILIES)
def test_image_is_answered(family: BedrockModelFamily) -> None:
    answer = InProcess(bedrock_application(FakeBedrock(), family)).client().images.generate(prompt="a puppy")

    assert answer.data is not None
    assert answer.data[0].b64_json is not None
