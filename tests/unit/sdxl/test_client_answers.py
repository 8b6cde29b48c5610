"""What both clients make of every kind of answer."""

import base64
import json
import subprocess
import sys

import httpx2
import pytest

import sdxl
from sdxl import (
    ApiConnectionError,
    ApiError,
    AuthenticationError,
    BadRequestError,
    Client,
    ConflictError,
    GenerationRequest,
    ImageNotAvailableError,
    InvalidRequestError,
    ModelNotReadyError,
    ModelTimeoutError,
    RateLimitedError,
    Retries,
    ServerError,
    TextPrompt,
    UnexpectedAnswerError,
)

REQUEST = GenerationRequest(text_prompts=(TextPrompt("a fox"),), seed=5)


@pytest.fixture
def client(connect, api):
    return connect(api.handle, retries=Retries.none())


def test_a_call_carries_the_key_and_brings_typed_images(client, api):
    result = client.generate(REQUEST)
    (sent,) = api.requests
    assert str(sent.url) == "https://api.example/api/v1/generation/stable-diffusion-xl-1024-v1-0/text-to-image"
    assert (sent.headers["x-api-key"], sent.headers["accept"]) == ("key-1", "application/json")
    image = result.images[0]
    assert (image.seed, image.size, image.finish_reason, image.url) == (5, (64, 64), "SUCCESS", None)


def test_an_image_is_saved_once_unless_told_otherwise(client, png, tmp_path):
    image = client.generate(REQUEST).images[0]
    path = image.save(str(tmp_path / "new" / "fox.png"))
    assert path.read_bytes() == png
    with pytest.raises(FileExistsError):
        image.save(path)
    image.save(path, overwrite=True)


def test_the_apis_warnings_come_with_the_result(client, api, png):
    artifact = {"base64": base64.b64encode(png).decode(), "seed": 1, "finishReason": "SUCCESS"}
    api.answers = [httpx2.Response(200, json={"artifacts": [artifact]}, headers={"x-sdxl-warning": "May crop."})]
    assert client.generate(REQUEST).warnings == ("May crop.",)
    assert client.generate(REQUEST).warnings == ()


@pytest.mark.parametrize(
    ("status", "kind", "exit_code"),
    [
        (400, BadRequestError, 3),
        (401, AuthenticationError, 3),
        (403, AuthenticationError, 3),
        (404, BadRequestError, 3),
        (409, ConflictError, 3),
        (413, BadRequestError, 3),
        (422, ConflictError, 3),
        (429, RateLimitedError, 4),
        (500, ServerError, 4),
        (502, ServerError, 4),
        (503, ModelNotReadyError, 4),
        (504, ModelTimeoutError, 4),
        (302, BadRequestError, 3),
    ],
)
def test_an_error_answer_is_an_exception_of_its_own(client, api, status, kind, exit_code):
    body = {"id": "req-1", "name": "some_name", "message": "steps is 5; allowed are 10 to 150."}
    api.answers = [httpx2.Response(status, json=body)]
    with pytest.raises(ApiError, match=rf"10 to 150\. \({status} some_name, request req-1\)") as caught:
        client.generate(REQUEST)
    assert type(caught.value) is kind
    assert (caught.value.status, caught.value.name, caught.value.request_id) == (status, "some_name", "req-1")
    assert (caught.value.message, caught.value.exit_code) == ("steps is 5; allowed are 10 to 150.", exit_code)


@pytest.mark.parametrize("answer", [httpx2.Response(502, text="bad gateway"), httpx2.Response(502, json=["bad"])])
def test_an_error_in_anothers_words_is_told_by_its_status(client, api, answer):
    api.answers = [answer]
    with pytest.raises(ServerError, match=r"Bad Gateway \(502\)") as caught:
        client.generate(REQUEST)
    assert (caught.value.name, caught.value.request_id) == ("", None)


def test_every_wrong_field_is_in_the_exception(client, api):
    problems = [
        {"field": "cfg_scale", "message": "cfg_scale is 50.", "received": 50, "allowed": "a number from 0 to 35"},
        {"field": "steps", "message": "steps is 5.", "received": 5, "allowed": "an integer from 10 to 150"},
    ]
    body = {"id": "req-1", "name": "bad_request", "message": "cfg_scale is 50. steps is 5.", "problems": problems}
    api.answers = [httpx2.Response(400, json=body)]

    with pytest.raises(BadRequestError, match=r"cfg_scale is 50\. steps is 5\.") as caught:
        client.generate(REQUEST)

    assert caught.value.problems == tuple(problems)


@pytest.mark.parametrize("problems", [None, "all of it", ["steps"]])
def test_problems_in_anothers_shape_are_no_problems(client, api, problems):
    api.answers = [httpx2.Response(400, json={"message": "no", "problems": problems})]

    with pytest.raises(BadRequestError) as caught:
        client.generate(REQUEST)

    assert caught.value.problems == ()


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(200, text="<html>hello</html>"),
        httpx2.Response(200, content=b"\xff\xfe\xfa"),
        httpx2.Response(200, json=[]),
        httpx2.Response(200, json={"images": []}),
        httpx2.Response(200, json={"artifacts": []}),
        httpx2.Response(200, json={"artifacts": "none"}),
        httpx2.Response(200, json={"artifacts": [{"seed": 1}]}),
        httpx2.Response(200, json={"artifacts": [{"seed": 1, "base64": "%%%"}]}),
        httpx2.Response(200, json={"artifacts": [{"seed": 1, "base64": "aGVsbG8="}]}),
        httpx2.Response(200, json={"artifacts": [{"seed": "x", "base64": "aGVsbG8="}]}),
        httpx2.Response(200, json={"artifacts": [{"seed": 1, "base64": "", "finishReason": "ERROR"}]}),
    ],
)
def test_an_answer_that_is_not_an_image_is_one_clear_error(client, api, answer):
    api.answers = [answer]
    with pytest.raises(UnexpectedAnswerError):
        client.generate(REQUEST)


@pytest.mark.parametrize(
    "problem", [httpx2.ConnectError("refused"), httpx2.ReadTimeout(""), httpx2.ReadError("cut off")]
)
def test_no_answer_is_a_connection_error_that_names_the_host(client, api, problem):
    api.answers = [problem]
    with pytest.raises(ApiConnectionError, match=r"api\.example (cannot be reached|did not answer in time)"):
        client.generate(REQUEST)


@pytest.mark.parametrize("url", ["ftp://nowhere", "nowhere", "http://:bad:port:"])
def test_an_address_that_cannot_be_called_is_said(url):
    # httpx2's own transport refuses it, before any socket.
    with Client(url, "key") as client, pytest.raises(InvalidRequestError, match=url):
        client.generate(REQUEST)


def _linked(request: httpx2.Request, png: bytes, link_status: int) -> httpx2.Response:
    if request.url.host == "bucket.example":
        assert "x-api-key" not in request.headers
        assert "authorization" not in request.headers
        return httpx2.Response(link_status, content=png)
    artifact = {"url": "https://bucket.example/generated/1.png?signed", "seed": 9, "finishReason": "SUCCESS"}
    return httpx2.Response(200, json={"artifacts": [artifact]})


def test_a_link_is_followed_without_any_credentials(connect, png):
    def handle(request: httpx2.Request) -> httpx2.Response:
        return _linked(request, png, 200)

    with connect(handle, auth=httpx2.BasicAuth("name", "password")) as client:
        image = client.generate(REQUEST).images[0]
    assert (image.data, image.seed, image.url) == (png, 9, "https://bucket.example/generated/1.png?signed")


def test_an_expired_link_says_that_the_image_was_made(connect, png):
    with (
        connect(lambda request: _linked(request, png, 403)) as client,
        pytest.raises(
            ImageNotAvailableError, match=r"image was generated, but its link at bucket.example answered 403"
        ),
    ):
        client.generate(REQUEST).images[0].save("fox.png")


def test_a_link_that_does_not_lead_to_an_image_is_refused(connect):
    with (
        connect(lambda request: _linked(request, b"<Error/>", 200)) as client,
        pytest.raises(UnexpectedAnswerError, match="not a PNG"),
    ):
        client.generate(REQUEST).images[0].save("fox.png")


def test_a_link_is_fetched_once_and_only_when_it_is_needed(png):
    fetched = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        fetched.append(request.url.host)
        return _linked(request, png, 200)

    with Client("https://api.example", "key", transport=httpx2.MockTransport(handle)) as client:
        (image,) = client.generate(REQUEST).images
    assert fetched == ["api.example"]
    assert (image.size, image.data) == ((64, 64), png)
    assert fetched == ["api.example", "bucket.example"]


def test_without_a_key_the_authentication_that_was_given_is_used(connect, api):
    with connect(api.handle, api_key=None, auth=httpx2.BasicAuth("name", "password")) as client:
        client.generate(REQUEST)
    assert "x-api-key" not in api.requests[0].headers
    assert api.requests[0].headers["authorization"].startswith("Basic ")


PRESETS = {
    "sizes": [{"name": "square", "label": "Square", "ratio": "1:1", "width": 1024, "height": 1024, "default": True}],
    "styles": [{"name": "anime", "description": "Drawn as in Japanese animation."}],
    "samplers": [{"name": "DDIM", "description": "The classic.", "supported": False}],
    "parameters": {"steps": {"minimum": 10}},
}


def test_presets_and_engines_are_typed(connect):
    engines = [{"id": "e1", "name": "E", "description": "An engine", "type": "PICTURE"}]
    answers = {"/api/v1/presets": PRESETS, "/api/v1/engines/list": engines}
    with connect(lambda request: httpx2.Response(200, json=answers[request.url.path])) as client:
        presets = client.presets()
        assert (presets.sizes[0].name, presets.sizes[0].width, presets.styles[0].name) == ("square", 1024, "anime")
        assert (presets.samplers[0].description, presets.samplers[0].is_supported) == ("The classic.", False)
        assert presets.styles[0].is_supported
        assert presets.raw["parameters"]["steps"]["minimum"] == 10
        assert client.engines() == (sdxl.Engine(id="e1", name="E", description="An engine"),)


@pytest.mark.parametrize(("status", "is_ready"), [(200, True), (503, False)])
def test_health_is_an_answer_whether_the_model_is_ready_or_not(connect, clock, status, is_ready):
    body = {"status": "ok" if is_ready else "unavailable", "model_source": "open"}
    health = connect(lambda _: httpx2.Response(status, json=body)).health()
    assert (health.is_ready, health.details) == (is_ready, body)
    assert clock.slept == []


@pytest.mark.parametrize(
    "answer",
    [
        httpx2.Response(403, json={"message": "Missing Authentication Token"}),
        httpx2.Response(200, text="another server"),
        httpx2.Response(200, json=5),
    ],
)
def test_another_server_is_not_healthy(connect, answer):
    with pytest.raises(UnexpectedAnswerError, match="Is this the right address"):
        connect(lambda _: answer).health()


def test_a_health_check_that_reaches_nobody_says_so(connect):
    def refuse(_):
        raise httpx2.ConnectError("refused")

    with pytest.raises(ApiConnectionError, match="refused"):
        connect(refuse).health()


def test_every_public_name_exists_and_no_other():
    assert all(getattr(sdxl, name) is not None for name in sdxl.__all__)
    with pytest.raises(AttributeError, match="nonsense"):
        _ = sdxl.nonsense


def test_importing_the_package_alone_loads_no_http_library():
    code = "import sys, sdxl, json; print(json.dumps([name for name in ('httpx2', 'msgspec') if name in sys.modules]))"
    assert json.loads(subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout) == []
