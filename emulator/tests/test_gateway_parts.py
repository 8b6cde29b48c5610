"""The gateway's parts by themselves: validator's words, routes, throttles and quotas, templates, media types."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from emulator.gateway import vtl
from emulator.gateway.deployed import Method, Throttle, throttle
from emulator.gateway.lambda_proxy import is_binary
from emulator.gateway.routing import find_method
from emulator.gateway.schema_messages import UNREADABLE, validation_errors
from emulator.gateway.usage import Meter, period_start

SCHEMA = {
    "type": "object",
    "required": ["text_prompts"],
    "additionalProperties": False,
    "properties": {
        "text_prompts": {
            "type": "array",
            "minItems": 1,
            "maxItems": 2,
            "items": {
                "type": "object",
                "required": ["text"],
                "properties": {"text": {"type": "string", "minLength": 1, "maxLength": 3}},
            },
        },
        "steps": {"type": "integer", "minimum": 10, "maximum": 150},
        "cfg_scale": {"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 35},
        "width": {"type": "integer", "multipleOf": 64},
        "sampler": {"enum": ["DDIM", "K_LMS"]},
        "name": {"type": "string", "pattern": "^[a-z]+$"},
        "size": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "mode": {"oneOf": [{"type": "string"}, {"enum": ["a", 1]}]},
    },
}


def errors_of(**fields: Any) -> str | None:
    return validation_errors(
        json.dumps(SCHEMA), json.dumps({"text_prompts": [{"text": "a"}], **fields}).encode(), schemas={}
    )


def test_a_valid_body_has_no_errors() -> None:
    assert errors_of(steps=10, cfg_scale=7.5, width=128, sampler="DDIM", size=1) is None


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": 5}, "[numeric instance is lower than the required minimum (minimum: 10, found: 5)]"),
        ({"steps": 151}, "[numeric instance is greater than the required maximum (maximum: 150, found: 151)]"),
        ({"cfg_scale": 0}, "[numeric instance is not strictly greater than the required minimum 0]"),
        ({"steps": "a"}, '[instance type (string) does not match any allowed primitive type (allowed: ["integer"])]'),
        ({"steps": True}, '[instance type (boolean) does not match any allowed primitive type (allowed: ["integer"])]'),
        ({"steps": 10.5}, '[instance type (number) does not match any allowed primitive type (allowed: ["integer"])]'),
        ({"steps": None}, '[instance type (null) does not match any allowed primitive type (allowed: ["integer"])]'),
        ({"sampler": "X"}, '[instance value ("X") not found in enum (possible values: ["DDIM","K_LMS"])]'),
        ({"foo": 1, "bar": 2}, '[object instance has properties which are not allowed by the schema: ["bar","foo"]]'),
        ({"width": 100}, "[remainder of division is not zero (100 / 64)]"),
        ({"text_prompts": []}, "[array is too short: must have at least 1 elements but instance has 0 elements]"),
        ({"text_prompts": [{"text": "abcd"}]}, '[string "abcd" is too long (length: 4, maximum allowed: 3)]'),
        ({"text_prompts": [{"text": ""}]}, '[string "" is too short (length: 0, required minimum: 1)]'),
        ({"text_prompts": [{}]}, '[object has missing required properties (["text"])]'),
        ({"name": "A1"}, '[ECMA 262 regex "^[a-z]+$" does not match input string "A1"]'),
        ({"size": []}, "[instance failed to match at least one required schema among 2]"),
        ({"mode": []}, "[instance failed to match exactly one schema (matched 0 out of 2)]"),
        ({"mode": "a"}, "[instance failed to match exactly one schema (matched 2 out of 2)]"),
    ],
)
def test_errors_are_worded_as_api_gateway_does(fields: dict[str, Any], words: str) -> None:
    assert errors_of(**fields) == words


def test_several_errors_stand_side_by_side() -> None:
    words = errors_of(steps=5, sampler="X")

    assert words is not None
    assert "(minimum: 10, found: 5), instance value" in words


def test_nothing_is_said_about_the_inside_of_what_is_wrong_itself() -> None:
    body = json.dumps({"steps": 5}).encode()

    assert validation_errors(json.dumps(SCHEMA), body, schemas={}) == (
        '[object has missing required properties (["text_prompts"])]'
    )


def test_an_empty_body_counts_as_an_empty_object() -> None:
    assert "missing required" in str(validation_errors(json.dumps(SCHEMA), b"", schemas={}))


@pytest.mark.parametrize("body", [b"{", b"\xff\xfe", b"nope"])
def test_a_body_that_is_not_json_is_unreadable(body: bytes) -> None:
    assert validation_errors(json.dumps(SCHEMA), body, schemas={}) == UNREADABLE


def test_a_model_may_refer_to_another() -> None:
    reference = {"$ref": "https://apigateway.amazonaws.com/restapis/abc/models/Size"}
    schema = json.dumps({"properties": {"size": reference}})

    words = validation_errors(schema, b'{"size": "x"}', schemas={"Size": '{"type": "integer"}'})

    assert words == '[instance type (string) does not match any allowed primitive type (allowed: ["integer"])]'


def method(path: str, http_method: str = "GET") -> Method:
    return Method(http_method, path, path, "NONE", None, (), False, (), {}, False, False, None)


ROUTES = [
    method("/"),
    method("/a/{id}"),
    method("/a/list"),
    method("/a/{id}/parts/{part}", "POST"),
    method("/{rest+}", "ANY"),
]


@pytest.mark.parametrize(
    ("http_method", "path", "resource", "parameters"),
    [
        ("GET", "/", "/", {}),
        ("GET", "/a/list", "/a/list", {}),
        ("GET", "/a/list/", "/a/list", {}),
        ("GET", "/a/7", "/a/{id}", {"id": "7"}),
        ("GET", "/a/one%2Ftwo%20three", "/a/{id}", {"id": "one/two three"}),
        ("POST", "/a/7/parts/8", "/a/{id}/parts/{part}", {"id": "7", "part": "8"}),
        ("DELETE", "/b/c/d", "/{rest+}", {"rest": "b/c/d"}),
    ],
)
def test_static_goes_before_parameter_before_greedy(
    http_method: str, path: str, resource: str, parameters: dict[str, str]
) -> None:
    found = find_method(ROUTES, http_method, path)

    assert found is not None
    assert (found.method.resource_path, found.path_parameters) == (resource, parameters)


@pytest.mark.parametrize(("http_method", "path"), [("HEAD", "/"), ("POST", "/")])
def test_a_method_that_no_resource_has_is_not_found(http_method: str, path: str) -> None:
    assert find_method(ROUTES, http_method, path) is None


# Who answers on AWS, as routing.py says.
PROXIED = [
    method("/health"),
    method("/v1/{proxy+}", "ANY"),
    method("/v1/{proxy+}", "OPTIONS"),
    method("/v1/jobs"),
    method("/v1/jobs/{id}", "ANY"),
    method("/v1/jobs/latest", "DELETE"),
]


@pytest.mark.parametrize(
    ("http_method", "path", "resource", "answering"),
    [
        ("GET", "/health", "/health", "GET"),
        ("POST", "/v1/a/b", "/v1/{proxy+}", "ANY"),
        ("PATCH", "/v1/a", "/v1/{proxy+}", "ANY"),
        ("OPTIONS", "/v1/a/b", "/v1/{proxy+}", "OPTIONS"),
        ("GET", "/v1/jobs", "/v1/jobs", "GET"),
        ("POST", "/v1/jobs", "/v1/{proxy+}", "ANY"),
        ("OPTIONS", "/v1/jobs", "/v1/{proxy+}", "OPTIONS"),
        ("DELETE", "/v1/jobs/latest", "/v1/jobs/latest", "DELETE"),
        ("GET", "/v1/jobs/latest", "/v1/jobs/{id}", "ANY"),
        ("OPTIONS", "/v1/jobs/7", "/v1/jobs/{id}", "ANY"),
    ],
)
def test_the_most_specific_resource_that_has_the_method_answers(
    http_method: str, path: str, resource: str, answering: str
) -> None:
    for routes in (PROXIED, PROXIED[::-1]):
        found = find_method(routes, http_method, path)

        assert found is not None
        assert (found.method.resource_path, found.method.http_method) == (resource, answering)


@pytest.mark.parametrize(("http_method", "path"), [("POST", "/health"), ("GET", "/v1"), ("GET", "/v1/"), ("GET", "/")])
def test_a_greedy_resource_takes_nothing_outside_of_its_parent(http_method: str, path: str) -> None:
    assert find_method(PROXIED, http_method, path) is None


def test_a_greedy_parameter_holds_the_rest_of_the_path() -> None:
    found = find_method(PROXIED, "GET", "/v1/generation/a%2Fb/c/")

    assert found is not None
    assert found.path_parameters == {"proxy": "generation/a/b/c"}


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 23, 59, tzinfo=UTC).timestamp()

    def __call__(self) -> float:
        return self.now


def test_a_bucket_holds_its_burst_and_refills_at_its_rate() -> None:
    clock = Clock()
    meter = Meter(clock)
    limit = Throttle(rate=2, burst=3)

    assert [meter.take_token("key", limit) for _ in range(4)] == [True, True, True, False]
    clock.now += 0.5
    assert [meter.take_token("key", limit) for _ in range(2)] == [True, False]
    assert meter.take_token("another key", limit)
    clock.now += 60
    assert [meter.take_token("key", limit) for _ in range(4)] == [True, True, True, False]


def test_a_throttle_of_minus_one_does_not_limit() -> None:
    assert throttle(-1, -1) is None
    assert throttle(None, None) is None
    assert throttle("0", "0") == Throttle(0, 0)


def test_a_quota_starts_again_with_its_period() -> None:
    clock = Clock()
    meter = Meter(clock)

    def count() -> bool:
        return meter.count("key", limit=2, period="MONTH", offset=1)

    assert [count(), count()] == [True, False]
    clock.now += 120
    assert [count(), count(), count()] == [True, True, False]


@pytest.mark.parametrize(("period", "start"), [("DAY", "2026-11-23"), ("WEEK", "2026-11-22"), ("MONTH", "2026-11-01")])
def test_the_start_of_a_period(period: str, start: str) -> None:
    assert period_start(datetime(2026, 11, 23, 5, tzinfo=UTC), period) == start


# As the CDK writes it for a preflight with several origins.
CORS = """#set($origin = $input.params().header.get("Origin"))
#if($origin == "")
  #set($origin = $input.params().header.get("origin"))
#end
#if($origin.matches("https://a[.]example") || $origin.matches("https://b[.]example"))
  #set($context.responseOverride.header.Access-Control-Allow-Origin = $origin)
#end"""


@pytest.mark.parametrize(
    ("origin", "allowed"), [("https://b.example", "https://b.example"), ("https://c.example", None)]
)
def test_the_cdks_cors_template_is_rendered(origin: str, allowed: str | None) -> None:
    override: dict[str, Any] = {"header": {}}
    variables = {"context": {"responseOverride": override}, "input": {"params": lambda: {"header": {"Origin": origin}}}}

    text = vtl.render(CORS, variables)

    assert text.strip() == ""
    assert override["header"].get("Access-Control-Allow-Origin") == allowed


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ('{"id": "$context.requestId"}', '{"id": "r-1"}'),
        ("${context.requestId}x $context.absent.", "r-1x ."),
        ("#if($context.n > 2 && !$context.absent)yes#{else}no#end", "yes"),
        ("#if($context.requestId == 'other')a#elseif($context.requestId != 'x')b#else c#end", "b"),
        ('#set($a = "v-$context.requestId")$a $unknown', "v-r-1 $unknown"),
        ("## a comment\nkept", "kept"),
        ("$context.requestId.toUpperCase() costs $5", "R-1 costs $5"),
    ],
)
def test_templates_are_rendered(template: str, text: str) -> None:
    assert vtl.render(template.replace("#{else}", "#else "), {"context": {"requestId": "r-1", "n": 3}}) == text


@pytest.mark.parametrize("template", ["#foreach($a in $b)#end", "#if($a", "#end", "$context.requestId.explode()"])
def test_what_a_template_cannot_do_is_said(template: str) -> None:
    with pytest.raises(vtl.TemplateError):
        vtl.render(template, {"context": {"requestId": "r-1"}})


@pytest.mark.parametrize(
    ("header", "binary_types", "binary"),
    [
        ("image/png", ["image/png"], True),
        ("image/png, */*", ["image/png"], True),
        ("*/*, image/png", ["image/png"], False),
        ("image/png;q=0.9", ["image/*"], True),
        ("application/json", ["*/*"], True),
        ("application/json", ["image/png"], False),
        (None, ["*/*"], False),
    ],
)
def test_the_first_media_type_decides_what_is_binary(header: str | None, binary_types: list[str], binary: bool) -> None:
    assert is_binary(header, binary_types) is binary
