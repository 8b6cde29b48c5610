"""Images that do not fit into the answer of a caller who takes links: what is stored and linked, in which order."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from image_api.deadline import Deadline
from image_api.errors import StorageError
from image_api.image_store import ENVELOPE_BYTES, LAMBDA_RESPONSE_BYTES, ImageStore, create_s3_client
from image_api.request import Artifact, GenerationResult
from image_api_fakes import (
    ApplicationUnderTest,
    FakeRuntime,
    FakeS3,
    base64_of_length,
    open_answer,
    optimized_answer,
    proxy_event,
)

_LINKS = "image-links"
_KEY = re.compile(r"images/generated/2030-01-02/[0-9a-f]{32}/([0-9]+)\.png")
_BUDGET = LAMBDA_RESPONSE_BYTES - ENVELOPE_BYTES
# Two of these fit into one answer, three do not.
_MEGABYTES_3 = base64_of_length(3_000_000)
_TOO_LARGE = base64_of_length(_BUDGET)


def _link(key: str) -> str:
    return f"https://images.s3.test/{key.removeprefix('images/')}?op=get_object&expires=3600"


def _sizes(runtime: FakeRuntime, by_seed: dict[int, str]) -> None:
    def answer(payload: dict[str, Any]) -> bytes:
        return optimized_answer(by_seed[payload["seed"]], payload["seed"])

    runtime.answer = answer


def test_images_that_fit_are_not_stored(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _sizes(runtime, {1: _MEGABYTES_3, 2: _MEGABYTES_3})

    reply = api.generate(samples=2, seed=1)

    assert [artifact.keys() for artifact in reply.json["artifacts"]] == [{"base64", "seed", "finishReason"}] * 2
    assert api.s3.objects == {}


def test_images_that_do_not_fit_come_as_links_in_the_same_answer(
    api: ApplicationUnderTest, runtime: FakeRuntime
) -> None:
    _sizes(runtime, dict.fromkeys(range(1, 5), _MEGABYTES_3))

    artifacts = api.generate(prefer=_LINKS, samples=4, seed=1).json["artifacts"]

    assert [artifact["seed"] for artifact in artifacts] == [1, 2, 3, 4]
    assert [("base64" in artifact, "url" in artifact) for artifact in artifacts] == [
        (True, False),
        (True, False),
        (False, True),
        (False, True),
    ]
    assert sorted(match[1] for key in api.s3.objects if (match := _KEY.fullmatch(key))) == ["2", "3"]
    assert len(api.s3.objects) == 2
    key = next(key for key in api.s3.objects if key.endswith("/2.png"))
    assert artifacts[2] == {"url": _link(key), "seed": 3, "finishReason": "SUCCESS"}
    body, content_type = api.s3.objects[key]
    assert body.startswith(b"\x89PNG")
    assert content_type == "image/png"


def test_small_image_behind_a_large_one_stays_in_the_answer(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _sizes(runtime, {1: _TOO_LARGE, 2: base64_of_length(1000)})

    artifacts = api.generate(prefer=_LINKS, samples=2, seed=1).json["artifacts"]

    assert "url" in artifacts[0]
    assert "base64" in artifacts[1]


def test_answer_never_exceeds_what_lambda_lets_through(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    size = (_BUDGET // 10 - 100) // 4 * 4
    _sizes(runtime, dict.fromkeys(range(1, 11), base64_of_length(size)))

    reply = api.generate(samples=10, seed=1)

    assert all("base64" in artifact for artifact in reply.json["artifacts"])
    # In the proxy answer each quotation mark of the body takes a backslash too.
    assert len(reply.text) + reply.text.count('"') + 2 <= _BUDGET


def test_png_that_does_not_fit_is_a_redirect(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _sizes(runtime, {5: _TOO_LARGE})

    reply = api.generate(accept="image/png", seed=5)

    (key,) = api.s3.objects
    url = _link(key)
    assert reply.status == 303
    assert reply.headers["location"] == url
    assert reply.headers["seed"] == "5"
    assert reply.headers["finish-reason"] == "SUCCESS"
    assert reply.headers["content-type"] == "application/json"
    assert reply.json == {"artifacts": [{"url": url, "seed": 5, "finishReason": "SUCCESS"}]}


def test_open_variant_links_too(make_api: Callable[..., ApplicationUnderTest], runtime: FakeRuntime) -> None:
    runtime.answers(open_answer(_TOO_LARGE))

    reply = make_api(model_source="open", image_link_ttl_seconds=60).generate(prefer=_LINKS)

    assert reply.json["artifacts"][0]["url"].endswith("expires=60")


@pytest.mark.parametrize(
    "error",
    [ClientError({"Error": {"Code": "AccessDenied"}}, "PutObject"), EndpointConnectionError(endpoint_url="https://s3")],
    ids=str,
)
def test_image_that_cannot_be_stored_is_an_error(
    api: ApplicationUnderTest, runtime: FakeRuntime, error: Exception
) -> None:
    _sizes(runtime, {1: _TOO_LARGE})
    api.s3.error = error

    reply = api.generate(prefer=_LINKS, seed=1)

    assert reply.error == (502, "storage_error")
    assert "fewer samples" in reply.json["message"]
    assert "s3" not in reply.text


def test_image_that_cannot_be_stored_in_time_is_an_error() -> None:
    store = ImageStore(bucket="images", link_ttl_seconds=60, create_client=FakeSlowS3)
    result = GenerationResult(artifacts=(Artifact(_TOO_LARGE, 1, "SUCCESS"),))

    with pytest.raises(StorageError):
        store.fit(result, overhead_bytes=100, deadline=Deadline(0))


class FakeSlowS3(FakeS3):
    """Waits for the pool of the deadline that has passed."""

    def put_object(self, **arguments: Any) -> None:
        import time  # noqa: PLC0415

        time.sleep(0.05)
        super().put_object(**arguments)


def test_two_requests_with_one_id_have_images_of_their_own(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    _sizes(runtime, {1: _TOO_LARGE, 2: _TOO_LARGE})

    # A caller sets the id of a request by x-amzn-RequestId, and may set another caller's.
    for seed in (1, 2):
        event = proxy_event(f'{{"text_prompts":[{{"text":"a"}}],"seed":{seed}}}', headers={"Prefer": _LINKS})
        event["requestContext"]["requestId"] = "../../elsewhere"
        assert api.handle(event).status == 200

    assert len(api.s3.objects) == 2
    assert all(_KEY.fullmatch(key) for key in api.s3.objects)


def test_images_that_were_to_be_links_come_in_the_answer_where_they_cannot_be_stored() -> None:
    store = ImageStore(bucket="images", link_ttl_seconds=60, create_client=lambda: FakeS3(ConnectionError("no bucket")))
    result = GenerationResult(artifacts=(Artifact(base64_of_length(400), 1, "SUCCESS"),), warnings=("odd size",))

    fitted = store.fit(result, overhead_bytes=100, deadline=Deadline(10), as_links=True)

    assert fitted.artifacts == result.artifacts
    assert fitted.warnings[0] == "odd size"
    assert "could not be stored" in fitted.warnings[1]


@pytest.mark.parametrize("region", ["us-east-1", "eu-west-1"])
def test_links_are_signed_with_version_4_for_the_region(monkeypatch: pytest.MonkeyPatch, region: str) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", region)
    monkeypatch.setattr("boto3.DEFAULT_SESSION", None)

    url = create_s3_client().generate_presigned_url(
        "get_object", Params={"Bucket": "images", "Key": "generated/1.png"}, ExpiresIn=60
    )

    assert url.startswith(f"https://images.s3.{region}.amazonaws.com/generated/1.png?X-Amz-Algorithm=AWS4-HMAC-SHA256")
    assert "X-Amz-Expires=60" in url
