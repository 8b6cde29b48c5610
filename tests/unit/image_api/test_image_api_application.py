"""The application as API Gateway sees it: routes, replies, health, CORS, logs and metrics."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from aws_lambda_powertools import Logger
from botocore.exceptions import ClientError, EndpointConnectionError
from image_api_fakes import (
    ENGINE_PATH,
    REQUEST_ID,
    ApplicationUnderTest,
    FakeRuntime,
    client_error,
    container_error,
    png,
    png_base64,
    proxy_event,
)

Make = Callable[..., ApplicationUnderTest]


def test_json_answer_has_stabilitys_shape(api: ApplicationUnderTest) -> None:
    reply = api.generate(seed=7)

    assert reply.status == 200
    assert reply.headers == {"content-type": "application/json", "x-request-id": REQUEST_ID}
    assert not reply.is_base64
    assert reply.json == {
        "artifacts": [{"base64": png_base64(b"seed 7"), "seed": 7, "finishReason": "SUCCESS"}],
    }


def test_png_answer_is_the_image_itself(api: ApplicationUnderTest) -> None:
    reply = api.generate(accept="image/png", seed=7)

    assert reply.status == 200
    assert reply.headers == {
        "content-type": "image/png",
        "seed": "7",
        "finish-reason": "SUCCESS",
        "x-request-id": REQUEST_ID,
    }
    assert reply.bytes == png(b"seed 7")


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("application/*", "application/json"),
        ("IMAGE/PNG", "image/png"),
        ("image/png;q=0.9, application/json;q=0.5", "image/png"),
        # API Gateway decodes an image only where Accept names it first.
        ("application/json;q=0.5, image/png;q=0.9", "application/json"),
        ("image/*, application/json;q=0.1", "application/json"),
        ("image/webp, image/png, */*;q=0.1", "application/json"),
        ("*/*;q=0.1, image/png", "application/json"),
        ("image/png;q=0.5, */*", "application/json"),
        ("image/png, application/json", "application/json"),
        ("image/png; q=nonsense, */*;q=0.1", "application/json"),
    ],
)
def test_accept_is_negotiated(api: ApplicationUnderTest, accept: str, content_type: str) -> None:
    assert api.generate(accept=accept).headers["content-type"] == content_type


def test_untrained_size_carries_a_warning(api: ApplicationUnderTest) -> None:
    assert "x-sdxl-warning" not in api.generate().headers
    assert "512x512" in api.generate(width=512, height=512).headers["x-sdxl-warning"]
    assert "512x512" in api.generate(accept="image/png", width=512, height=512).headers["x-sdxl-warning"]


def test_engines_are_listed(api: ApplicationUnderTest) -> None:
    reply = api.get("/v1/engines/list")

    assert reply.status == 200
    assert reply.headers["x-request-id"] == REQUEST_ID
    assert reply.json == [
        {
            "description": "Stability AI Stable Diffusion XL 1.0, served from this account's own endpoint",
            "id": "stable-diffusion-xl-1024-v1-0",
            "name": "Stable Diffusion XL v1.0",
            "type": "PICTURE",
        }
    ]


@pytest.mark.parametrize("engine", ["esrgan-v1-x2plus", "STABLE-DIFFUSION-XL-1024-V1-0", "%2e%2e", "x" * 500])
def test_unknown_engine_names_the_known_ones(api: ApplicationUnderTest, runtime: FakeRuntime, engine: str) -> None:
    reply = api.post("{}", path=f"/v1/generation/{engine}/text-to-image")

    assert reply.error == (404, "not_found")
    assert "stable-diffusion-xl-1024-v1-0" in reply.json["message"]
    assert len(reply.text) < 500
    assert runtime.calls == []


@pytest.mark.parametrize("path", ["/v1", "/v1/generation", "/v2beta/stable-image", f"{ENGINE_PATH}/x", "/\ud800"])
def test_unknown_path_is_not_found(api: ApplicationUnderTest, path: str) -> None:
    reply = api.get(path)

    assert reply.error == (404, "not_found")
    assert "/v1/engines/list" in reply.json["message"]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", ENGINE_PATH, "POST"),
        ("HEAD", ENGINE_PATH, "POST"),
        ("PUT", ENGINE_PATH, "POST"),
        ("DELETE", ENGINE_PATH, "POST"),
        ("POST", "/health", "GET"),
        ("PATCH", "/v1/engines/list", "GET"),
    ],
)
def test_wrong_method_names_the_right_one(api: ApplicationUnderTest, method: str, path: str, allowed: str) -> None:
    reply = api.handle(proxy_event(method=method, path=path))

    assert reply.error == (405, "method_not_allowed")
    assert reply.headers["allow"] == {"POST": "POST, OPTIONS", "GET": "GET, HEAD, OPTIONS"}[allowed]
    assert f"{method} is not allowed here, allowed is {allowed}" in reply.json["message"]


def test_missing_headers_and_trailing_slash_are_read(api: ApplicationUnderTest) -> None:
    event = proxy_event('{"text_prompts":[{"text":"a"}]}', path=f"{ENGINE_PATH}/")
    event["headers"] = event["multiValueHeaders"] = None

    assert api.handle(event).status == 200


@pytest.mark.parametrize("status", ["InService", "Updating", "SystemUpdating", "RollingBack"])
def test_health_is_ok_while_the_endpoint_serves(make_api: Make, status: str) -> None:
    api = make_api(model_source="open", environment="staging")
    api.sagemaker.status = status

    reply = api.get("/health")

    assert reply.status == 200
    assert reply.json == {
        "status": "ok",
        "environment": "staging",
        "model_source": "open",
        "endpoint_status": status,
    }


@pytest.mark.parametrize(
    ("status", "shown"),
    [
        ("Creating", "Creating"),
        ("Failed", "Failed"),
        ("Deleting", "Deleting"),
        ("OutOfService", "OutOfService"),
        (client_error("ValidationException", "Could not find endpoint arn:aws:sagemaker"), "NotFound"),
    ],
    ids=str,
)
def test_health_is_503_otherwise(api: ApplicationUnderTest, status: str | ClientError, shown: str) -> None:
    api.sagemaker.status = status

    reply = api.get("/health")

    assert reply.status == 503
    assert reply.headers["retry-after"] == "30"
    assert reply.json["status"] == "unavailable"
    assert reply.json["endpoint_status"] == shown
    assert reply.json["name"] == "model_not_ready"
    assert reply.json["id"] == REQUEST_ID
    assert "arn:" not in reply.text


_NO_STATUS = [
    client_error("AccessDeniedException", "arn:aws:sts"),
    client_error("ThrottlingException", "arn:aws:sts"),
    EndpointConnectionError(endpoint_url="https://api.sagemaker"),
]


@pytest.mark.parametrize("error", _NO_STATUS, ids=str)
def test_health_is_degraded_with_the_last_known_status_while_sagemaker_does_not_say(
    api: ApplicationUnderTest, error: Exception
) -> None:
    assert api.get("/health").json["status"] == "ok"
    api.sagemaker.status = error
    api.clock.seconds += 16

    reply = api.get("/health")

    assert reply.status == 200
    assert (reply.json["status"], reply.json["endpoint_status"]) == ("degraded", "InService")
    assert "arn:" not in reply.text


@pytest.mark.parametrize("error", _NO_STATUS, ids=str)
def test_health_is_degraded_while_no_status_was_ever_known(api: ApplicationUnderTest, error: Exception) -> None:
    api.sagemaker.status = error

    reply = api.get("/health")

    assert reply.status == 200
    assert (reply.json["status"], reply.json["endpoint_status"]) == ("degraded", "Unknown")


def test_endpoint_that_failed_stays_unavailable_while_sagemaker_does_not_say(api: ApplicationUnderTest) -> None:
    api.sagemaker.status = "Failed"
    assert api.get("/health").status == 503
    api.sagemaker.status = EndpointConnectionError(endpoint_url="https://api.sagemaker")
    api.clock.seconds += 16

    assert api.get("/health").json["status"] == "unavailable"


def test_health_asks_sagemaker_at_most_every_15_seconds(api: ApplicationUnderTest) -> None:
    api.get("/health")
    api.sagemaker.status = "Failed"
    api.clock.seconds += 14
    assert api.get("/health").status == 200
    assert api.sagemaker.calls == 1

    api.clock.seconds += 2
    assert api.get("/health").status == 503
    assert api.sagemaker.calls == 2


def test_named_origins_are_allowed(make_api: Make) -> None:
    api = make_api(cors_allow_origins=("https://a.example", "https://b.example"))

    for origin in ("https://a.example", "https://b.example"):
        headers = api.get("/v1/engines/list", headers={"Origin": origin}).headers
        assert headers["access-control-allow-origin"] == origin
        assert "Seed" in headers["access-control-expose-headers"]
        assert "X-Request-Id" in headers["access-control-expose-headers"]


def test_any_origin_is_allowed_by_an_asterisk(make_api: Make) -> None:
    reply = make_api(cors_allow_origins=("*",)).get("/v1/engines/list", headers={"Origin": "https://a.example"})

    assert reply.headers["access-control-allow-origin"] == "*"


def test_errors_are_readable_across_origins(make_api: Make) -> None:
    api = make_api(cors_allow_origins=("https://a.example",))

    for reply in (
        api.post("", headers={"Origin": "https://a.example"}),
        api.get("/nowhere", headers={"Origin": "https://a.example"}),
    ):
        assert reply.headers["access-control-allow-origin"] == "https://a.example"


@pytest.mark.parametrize("origins", [(), ("https://a.example",)])
def test_other_origins_are_not_allowed(make_api: Make, origins: tuple[str, ...]) -> None:
    reply = make_api(cors_allow_origins=origins).get("/health", headers={"Origin": "https://evil.example"})

    assert reply.status == 200
    assert "access-control-allow-origin" not in reply.headers


def test_unexpected_failure_leaks_nothing(
    api: ApplicationUnderTest, runtime: FakeRuntime, capsys: pytest.CaptureFixture[str]
) -> None:
    runtime.fails(RuntimeError("password=hunter2"))

    reply = api.generate()

    assert reply.error == (500, "internal_error")
    assert reply.json["message"] == (
        "The request failed inside the service. Report the id of this answer to its operators."
    )
    assert reply.json["id"] == REQUEST_ID


@pytest.mark.parametrize("event", [{}, {"httpMethod": "GET"}, {"requestContext": None}, [], "x", None], ids=str)
def test_event_of_another_kind_is_answered(api: ApplicationUnderTest, event: Any) -> None:
    reply = api.handle(event)

    assert reply.error == (500, "internal_error")
    assert reply.json["id"] == "lambda-request-id"


def test_log_has_figures_and_no_prompt(api: ApplicationUnderTest, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        api.generate(text_prompts=[{"text": "secret wish"}], steps=20, samples=2)
        api.generate(text_prompts=[{"text": "secret wish", "weight": "secret"}])

    generated, refused = caplog.records
    assert generated.message == "images generated"
    assert (generated.__dict__["steps"], generated.__dict__["samples"]) == (20, 2)
    assert refused.message == "request refused"
    assert refused.__dict__["error_name"] == "invalid_prompts"
    assert "secret" not in str([record.__dict__ for record in caplog.records])


def test_log_names_the_route(api: ApplicationUnderTest) -> None:
    api.generate()

    # What every line of an invocation has.
    assert Logger().get_current_keys()["route"] == "POST /v1/generation/{engine_id}/text-to-image"


def test_failure_is_logged_with_its_cause(
    api: ApplicationUnderTest, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.fails(client_error("AccessDeniedException", "no permission"))

    api.generate()

    (record,) = caplog.records
    assert record.levelname == "ERROR"
    failed, cause = record.__dict__["causes"]
    assert failed["type"] == "InternalError"
    assert (cause["type"], cause["code"]) == ("ClientError", "AccessDeniedException")
    assert any(place.startswith("sagemaker.py:") for place in cause["at"])


@pytest.mark.parametrize(
    "error",
    [
        container_error(500, "RuntimeError: failed on prompt 'a secret garden'"),
        container_error(400, "a secret garden is too long"),
        client_error("InternalFailure", "a secret garden", 500),
        KeyError("a secret garden"),
        UnicodeEncodeError("utf-8", "a secret garden", 0, 1, "surrogates not allowed"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_a_fault_says_of_the_prompt_is_not_logged(
    api: ApplicationUnderTest, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    runtime.fails(error)

    with caplog.at_level(logging.DEBUG):
        reply = api.generate(text_prompts=[{"text": "a secret garden"}])

    assert reply.status >= 400
    assert caplog.records
    logged = "".join(
        f"{record.getMessage()} {record.__dict__} {logging.Formatter().format(record)}" for record in caplog.records
    )
    assert "secret" not in logged


def test_what_a_models_answer_says_of_the_prompt_is_not_logged(
    api: ApplicationUnderTest, runtime: FakeRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    runtime.answers(json.dumps({"name": "internal_error", "message": "failed on 'a secret garden'"}).encode())

    assert api.generate(text_prompts=[{"text": "a secret garden"}]).status == 502
    assert "secret" not in str([(record.__dict__, logging.Formatter().format(record)) for record in caplog.records])
