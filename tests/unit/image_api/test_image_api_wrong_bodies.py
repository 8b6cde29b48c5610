"""Wrong requests: each is answered with status, name and a message that helps."""

from __future__ import annotations

import base64
import json

import pytest
from image_api_documented import documented
from image_api_fakes import ApplicationUnderTest, FakeRuntime
from image_api_wrong_bodies import WRONG_BODIES, WrongBody


@pytest.mark.parametrize("wrong", WRONG_BODIES, ids=lambda wrong: wrong.what)
def test_wrong_body_is_refused_with_a_message_that_helps(
    api: ApplicationUnderTest, runtime: FakeRuntime, wrong: WrongBody
) -> None:
    reply = api.post(wrong.body)

    assert reply.error == (400, wrong.name)
    for words in wrong.words:
        assert words in reply.json["message"]
    assert len(reply.json["message"]) < 1500
    assert runtime.calls == []


def _is_json(wrong: WrongBody) -> bool:
    try:
        json.loads(wrong.body or "")
    except (ValueError, RecursionError):
        return False
    return "NaN" not in wrong.what and "Infinity" not in wrong.what


@pytest.mark.parametrize("wrong", [wrong for wrong in WRONG_BODIES if _is_json(wrong)], ids=lambda wrong: wrong.what)
def test_documented_schema_refuses_what_a_schema_can_see(wrong: WrongBody) -> None:
    assert documented("TextToImage").is_valid(json.loads(wrong.body or "")) is not wrong.schema_refuses


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "multipart/form-data; boundary=x",
        "application/x-www-form-urlencoded",
        "application/xml",
        "json",
        "",
    ],
)
def test_other_content_type_is_refused(api: ApplicationUnderTest, content_type: str) -> None:
    reply = api.post('{"text_prompts":[{"text":"a"}]}', headers={"content-type": content_type})

    assert reply.error == (415, "unsupported_media_type")
    assert repr(content_type) in reply.json["message"]
    assert "application/json" in reply.json["message"]


def test_other_character_set_is_refused(api: ApplicationUnderTest) -> None:
    reply = api.post("{}", headers={"Content-Type": "application/json; charset=latin-1"})

    assert reply.error == (415, "unsupported_media_type")
    assert "UTF-8" in reply.json["message"]


@pytest.mark.parametrize(
    "headers", [{}, {"CONTENT-TYPE": "Application/JSON ; charset=UTF-8"}, {"content-type": "application/json"}]
)
def test_json_content_type_is_read_in_every_spelling(api: ApplicationUnderTest, headers: dict[str, str]) -> None:
    assert api.post('{"text_prompts":[{"text":"a"}]}', headers=headers).status == 200


@pytest.mark.parametrize(
    "accept", ["image/jpeg", "text/html, application/xml;q=0.9", "image/png;q=0", "*/*;q=0", "png"]
)
def test_other_accept_is_refused(api: ApplicationUnderTest, accept: str) -> None:
    reply = api.generate(accept=accept)

    assert reply.error == (406, "not_acceptable")
    assert "application/json or image/png" in reply.json["message"]


def test_base64_body_is_decoded(api: ApplicationUnderTest) -> None:
    body = base64.b64encode(b'{"text_prompts":[{"text":"a"}]}').decode()

    assert api.post(body, is_base64=True).status == 200


@pytest.mark.parametrize(
    ("body", "words"),
    [("?not base64?", "marked as base64"), ("YQ", "marked as base64"), ("/////w==", "not UTF-8"), ("", "is empty")],
)
def test_wrong_base64_body_is_refused(api: ApplicationUnderTest, body: str, words: str) -> None:
    reply = api.post(body, is_base64=True)

    assert reply.error == (400, "bad_request")
    assert words in reply.json["message"]


def test_half_a_surrogate_pair_in_the_event_is_refused(api: ApplicationUnderTest) -> None:
    reply = api.post('{"text_prompts":[{"text":"\ud800"}]}')

    assert reply.error == (400, "bad_request")
    assert "not UTF-8" in reply.json["message"]


def test_several_samples_do_not_fit_into_one_png(api: ApplicationUnderTest, runtime: FakeRuntime) -> None:
    reply = api.generate(accept="image/png", samples=2)

    assert reply.error == (400, "invalid_samples")
    assert "samples is 2" in reply.json["message"]
    assert runtime.calls == []
