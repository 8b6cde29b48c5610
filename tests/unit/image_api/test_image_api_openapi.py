"""The OpenAPI document: as committed, valid, complete, and served with the address that it was asked at."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from image_api.dialects.routes import ROUTES
from image_api.dialects.service import DOCUMENT_FILE, served_text
from image_api_fakes import ApplicationUnderTest, proxy_event
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from tools.openapi_document import document, document_text

_DOCUMENT = document()
_SCHEMAS = _DOCUMENT["components"]["schemas"]


def _problems(schema: dict[str, Any], value: object) -> list[str]:
    whole = {**schema, "components": _DOCUMENT["components"]}
    return [error.message for error in Draft202012Validator(whole).iter_errors(value)]


def test_committed_document_is_the_generated_one() -> None:
    assert DOCUMENT_FILE.read_text(encoding="utf-8") == document_text(), "Run: python -m tools.openapi_document"


def test_document_is_valid() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(_DOCUMENT).iter_errors()] == []


def test_every_route_is_described_and_no_other() -> None:
    described = {(method.upper(), path) for path, item in _DOCUMENT["paths"].items() for method in item} - {
        ("PARAMETERS", path) for path in _DOCUMENT["paths"]
    }
    assert described == {(route.method, route.path) for route in ROUTES}


def test_every_schema_is_sound_and_used() -> None:
    text = json.dumps(_DOCUMENT)
    for name, schema in _SCHEMAS.items():
        Draft202012Validator.check_schema(schema)
        assert f'"#/components/schemas/{name}"' in text


def test_only_health_the_document_and_the_page_need_no_key() -> None:
    assert _DOCUMENT["security"] == [{"bearer": []}, {"apiKey": []}]
    free = [path for path, item in _DOCUMENT["paths"].items() for one in item.values() if "security" in one]
    assert sorted(free) == ["/", "/console/access.json", "/console/{file}", "/health", "/openapi.json"]


def _examples() -> list[tuple[str, str]]:
    return [
        (path, media_type)
        for path, item in _DOCUMENT["paths"].items()
        for media_type, content in item.get("post", {}).get("requestBody", {}).get("content", {}).items()
        if "example" in content
    ]


@pytest.mark.parametrize(("path", "media_type"), _examples())
def test_example_is_by_its_schema_and_is_answered_by_its_schema(
    api: ApplicationUnderTest, path: str, media_type: str
) -> None:
    operation = _DOCUMENT["paths"][path]["post"]
    content = operation["requestBody"]["content"][media_type]
    assert _problems(content["schema"], content["example"]) == []

    engine_path = path.replace("{engine_id}", "stable-diffusion-xl-1024-v1-0")
    reply = api.post(json.dumps(content["example"]), path=engine_path)

    assert reply.status == 200, reply.text
    assert _problems(operation["responses"]["200"]["content"]["application/json"]["schema"], reply.json) == []


def _json_paths() -> list[str]:
    """Paths of which GET answers with JSON: all but the page's files."""
    return [
        path
        for path, item in _DOCUMENT["paths"].items()
        if "application/json" in item.get("get", {}).get("responses", {}).get("200", {}).get("content", {})
    ]


@pytest.mark.parametrize("path", _json_paths())
def test_get_is_answered_by_its_schema(api: ApplicationUnderTest, path: str) -> None:
    reply = api.get(re.sub(r"\{model\}", "sdxl", path))

    answer = _DOCUMENT["paths"][path]["get"]["responses"]["200"]
    assert reply.status == 200
    assert _problems(answer["content"]["application/json"]["schema"], reply.json) == []


@pytest.mark.parametrize(("path", "media_type"), _examples())
def test_error_is_answered_by_its_schema(api: ApplicationUnderTest, path: str, media_type: str) -> None:
    reply = api.post("{}", path=path.replace("{engine_id}", "stable-diffusion-xl-1024-v1-0"))

    answer = _DOCUMENT["paths"][path]["post"]["responses"]["400"]
    assert reply.status == 400
    assert _problems(answer["content"]["application/json"]["schema"], reply.json) == []


def test_ill_health_is_answered_by_its_schema(api: ApplicationUnderTest) -> None:
    api.sagemaker.status = "Creating"

    answer = _DOCUMENT["paths"]["/health"]["get"]["responses"]["503"]
    assert _problems(answer["content"]["application/json"]["schema"], api.get("/health").json) == []


def _served(api: ApplicationUnderTest, context: dict[str, str], headers: dict[str, str]) -> dict[str, Any]:
    event = proxy_event(method="GET", path="/openapi.json", headers=headers)
    event["requestContext"] |= context
    reply = api.handle(event)
    assert reply.status == 200
    assert reply.headers["cache-control"] == "public, max-age=300"
    served: dict[str, Any] = reply.json
    return served


@pytest.mark.parametrize(
    ("context", "headers", "url"),
    [
        (
            {"domainName": "abc.execute-api.us-east-1.amazonaws.com"},
            {"Host": "abc.execute-api.us-east-1.amazonaws.com", "X-Forwarded-Proto": "https"},
            "https://abc.execute-api.us-east-1.amazonaws.com/api",
        ),
        ({"domainName": "images.example", "path": "/openapi.json"}, {}, "https://images.example"),
        ({"domainName": "images.example"}, {"Host": "evil.example"}, "https://images.example/api"),
        ({"domainName": "images.example"}, {"Host": "images.example:evil"}, "https://images.example/api"),
        (
            {"domainName": "127.0.0.1"},
            {"Host": "127.0.0.1:4580", "X-Forwarded-Proto": "http"},
            "http://127.0.0.1:4580/api",
        ),
    ],
    ids=str,
)
def test_served_document_names_its_own_address(
    api: ApplicationUnderTest, context: dict[str, str], headers: dict[str, str], url: str
) -> None:
    served = _served(api, context, headers)

    assert served == {**_DOCUMENT, "servers": [{"url": url}]}


def test_document_without_an_address_is_the_committed_one(api: ApplicationUnderTest) -> None:
    assert _served(api, {}, {}) == _DOCUMENT


def test_served_document_names_the_teams_styles() -> None:
    schemas = json.loads(served_text("", ("house-style", "anime"), has_console=True))["components"]["schemas"]

    usual = _SCHEMAS["TextToImage"]["properties"]["style_preset"]["enum"]
    assert None in usual
    for name in ("TextToImage", "ImageToImage", "Masking"):
        assert schemas[name]["properties"]["style_preset"]["enum"] == [*usual, "house-style"]
    for name in ("ImageToImageForm", "MaskingForm"):
        named, blank = schemas[name]["properties"]["style_preset"]["anyOf"]
        assert named["enum"] == [*(style for style in usual if style is not None), "house-style"]
        assert blank == {"const": ""}
