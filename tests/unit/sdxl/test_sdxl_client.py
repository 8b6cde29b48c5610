"""The HTTP client: what it sends, what it makes of every kind of answer, and when it asks again."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from sdxl.client import Client, GenerationRequest, TextPrompt
from sdxl.errors import RequestRefusedError, SdxlError, UnavailableError

REQUEST = GenerationRequest(prompts=(TextPrompt(text="a fox"),), seed=5)


class Clock:
    """Time that passes only by sleeping."""

    def __init__(self) -> None:
        self.now = 100.0
        self.slept: list[float] = []

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(api, clock) -> Client:
    retries = []
    client = Client(
        "https://api.example/api/",
        "key-1",
        transport=api.transport,
        sleep=clock.sleep,
        clock=lambda: clock.now,
        on_retry=retries.append,
        retry_for_seconds=60,
    )
    client.retries = retries
    return client


def test_unset_fields_are_left_out_and_zero_is_kept():
    request = GenerationRequest(
        prompts=(TextPrompt(text="a"), TextPrompt(text="b", weight=-1.0)), seed=0, cfg_scale=0.0
    )
    assert request.body() == {
        "text_prompts": [{"text": "a", "weight": 1.0}, {"text": "b", "weight": -1.0}],
        "seed": 0,
        "cfg_scale": 0.0,
    }


def test_a_call_carries_the_key_and_brings_typed_images(client, api):
    result = client.generate(REQUEST)
    (sent,) = api.requests
    assert str(sent.url) == "https://api.example/api/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
    assert sent.headers["x-api-key"] == "key-1"
    assert (result.images[0].seed, result.images[0].size, result.images[0].finish_reason) == (5, (64, 64), "SUCCESS")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_api_is_asked_again_after_the_time_it_names(client, api, clock, error, status):
    api.answers = [error(status, "model_not_ready", "The model is starting.", **{"Retry-After": "7"})]
    assert client.generate(REQUEST).seconds == 7
    assert clock.slept == [7.0]
    assert [(retry.status, retry.message) for retry in client.retries] == [(status, "The model is starting.")]


def test_without_a_named_time_the_waits_grow_up_to_a_limit(client, api, clock, error):
    api.answers = [error(503, "model_unreachable", "No connection.") for _ in range(20)]
    with pytest.raises(UnavailableError, match="No connection"):
        client.generate(REQUEST)
    assert clock.slept == [1.0, 2.0, 4.0, 8.0, 16.0, 20.0]


def test_a_date_in_retry_after_is_waited_for(client, api, clock, error):
    until = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    api.answers = [error(503, "model_not_ready", "Starting.", **{"Retry-After": until})]
    client.generate(REQUEST)
    assert 15 < clock.slept[0] <= 20


def test_a_longer_wait_than_allowed_is_not_begun(client, api, clock, error):
    api.answers = [error(503, "model_not_ready", "Starting.", **{"Retry-After": "600"})]
    with pytest.raises(UnavailableError):
        client.generate(REQUEST)
    assert clock.slept == []


def test_a_used_up_quota_is_not_waited_for(client, api, clock, error):
    api.answers = [error(429, "quota_exceeded", "Limit Exceeded")]
    with pytest.raises(UnavailableError, match="Limit Exceeded"):
        client.generate(REQUEST)
    assert clock.slept == []


@pytest.mark.parametrize("status", [500, 502, 504])
def test_what_may_have_made_an_image_is_never_sent_again(client, api, clock, error, status):
    api.answers = [error(status, "model_timeout", "Too slow.")]
    with pytest.raises(UnavailableError, match=rf"Too slow\. \({status} model_timeout, request req-1\)"):
        client.generate(REQUEST)
    assert len(api.requests) == 1


@pytest.mark.parametrize("status", [400, 403, 404, 413])
def test_a_refusal_carries_the_apis_own_words(client, api, error, status):
    api.answers = [error(status, "invalid_prompts", "steps is 5; allowed are 10 to 150.")]
    with pytest.raises(RequestRefusedError, match=r"steps is 5; allowed are 10 to 150"):
        client.generate(REQUEST)


def test_the_gateways_reason_is_added_to_its_message(client, api, error):
    api.answers = [error(400, "bad_request", "Invalid request body", **{"x-validation-error": "[steps is too small]"})]
    with pytest.raises(RequestRefusedError, match=r"Invalid request body: \[steps is too small\]"):
        client.generate(REQUEST)


def test_a_reason_that_quotes_the_request_is_shortened_around_its_end(client, api, error):
    reason = f'[string "{"y" * 5000}" is too long]'
    api.answers = [error(400, "bad_request", "Invalid request body", **{"x-validation-error": reason})]
    with pytest.raises(RequestRefusedError, match=r'\[string "y+ \.\.\. y+" is too long\]') as caught:
        client.generate(REQUEST)
    assert len(str(caught.value)) < 600


def test_a_wrong_key_is_named_as_the_likely_cause(client, api, error):
    api.answers = [error(403, "forbidden", "Forbidden")]
    with pytest.raises(RequestRefusedError, match="Is this API key the one of this deployment"):
        client.generate(REQUEST)


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, text="<html>hello</html>"),
        httpx.Response(200, json=[]),
        httpx.Response(200, json={"images": []}),
        httpx.Response(200, json={"artifacts": "none"}),
        httpx.Response(200, json={"artifacts": [{"seed": 1}]}),
        httpx.Response(200, json={"artifacts": [{"seed": 1, "base64": "%%%"}]}),
        httpx.Response(200, json={"artifacts": [{"seed": 1, "base64": "aGVsbG8="}]}),
        httpx.Response(200, json={"artifacts": [{"seed": "x", "base64": "aGVsbG8="}]}),
        httpx.Response(200, json={"artifacts": [{"seed": 1, "base64": "", "finishReason": "ERROR"}]}),
        httpx.Response(502, text="bad gateway"),
        httpx.Response(502, json=["bad"]),
        httpx.ConnectError("refused"),
        httpx.ReadTimeout("slow"),
        httpx.RemoteProtocolError("cut off"),
    ],
)
def test_an_answer_that_is_not_an_image_is_one_clear_error(client, api, answer):
    api.answers = [answer]
    with pytest.raises(UnavailableError):
        client.generate(REQUEST)


def test_an_address_that_cannot_be_called_is_said():
    with Client("ftp://nowhere", "key") as client, pytest.raises(SdxlError, match="ftp://nowhere"):
        client.generate(REQUEST)


def test_a_link_is_followed_without_the_key(api, png):
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host == "bucket.example":
            assert "x-api-key" not in request.headers
            return httpx.Response(200, content=png)
        artifact = {"url": "https://bucket.example/generated/1.png?signed", "seed": 9, "finishReason": "SUCCESS"}
        return httpx.Response(200, json={"artifacts": [artifact]})

    with Client("https://api.example", "key", transport=httpx.MockTransport(handle)) as client:
        image = client.generate(REQUEST).images[0]
    assert (image.data, image.seed) == (png, 9)


def test_an_expired_link_says_that_the_image_was_made():
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.host == "bucket.example":
            return httpx.Response(403)
        return httpx.Response(200, json={"artifacts": [{"url": "https://bucket.example/1.png", "seed": 9}]})

    client = Client("https://api.example", "key", transport=httpx.MockTransport(handle))
    with pytest.raises(UnavailableError, match=r"image was generated, but its link at bucket.example answered 403"):
        client.generate(REQUEST)


@pytest.mark.parametrize(
    ("health", "answers"),
    [
        (httpx.Response(200, json={"status": "ok"}), True),
        (httpx.Response(503, json={"status": "unavailable"}), True),
        (httpx.Response(403, json={"message": "Missing Authentication Token"}), False),
        (httpx.Response(200, text="another server"), False),
        (httpx.Response(200, json=5), False),
    ],
)
def test_an_api_answers_whether_its_model_is_ready_or_not(health, answers):
    transport = httpx.MockTransport(lambda _: health)
    assert Client("https://api.example", "key", transport=transport).answers() is answers
