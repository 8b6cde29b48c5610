"""Every declared route: it is documented, it answers, it refuses other methods, and OPTIONS and HEAD are answered."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from image_api.dialects.console import FOLDER
from image_api.dialects.http import FORM, JSON
from image_api.dialects.route import ImagesRoute, PlainRoute
from image_api.dialects.routes import ROUTES, find_path
from image_api.errors import UnknownRouteError
from image_api_documented import DOCUMENT
from image_api_fakes import ENGINE_PATH, REQUEST_ID, ApplicationUnderTest, Reply, proxy_event
from image_api_forms import form, picture, post_http

Make = Callable[..., ApplicationUnderTest]
Route = ImagesRoute | PlainRoute
# The page's files are named by their content: any of them will do.
PARAMETERS = {
    "{engine_id}": "stable-diffusion-xl-1024-v1-0",
    "{model}": "sdxl",
    "{file}": next(path.name for path in FOLDER.iterdir() if path.suffix == ".js"),
}
METHODS = ("DELETE", "GET", "HEAD", "PATCH", "POST", "PUT")
EVERY_ROUTE = pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation_id)
EVERY_PATH = pytest.mark.parametrize("path", dict.fromkeys(route.path for route in ROUTES))


def real_path(path: str) -> str:
    """A path with its parameters filled in."""
    for parameter, value in PARAMETERS.items():
        path = path.replace(parameter, value)
    return path


def methods_at(path: str) -> list[str]:
    return [route.method for route in ROUTES if route.path == path]


def ask(api: ApplicationUnderTest, route: Route) -> Reply:
    """A request that the route can answer."""
    path = real_path(route.path)
    if route.method == "GET":
        return api.get(path)
    if JSON in route.bodies:
        return api.post(json.dumps(route.example), path=path)
    # The forms without an example are those of the OpenAI images API.
    assert FORM in route.bodies
    texts = {"prompt": "a puppy", "steps": "10"} if "edits" in path else {"steps": "10"}
    return post_http(api, path, form(texts, {"image": picture(128, 128)}))


@EVERY_ROUTE
def test_route_is_documented(route: Route) -> None:
    operation = DOCUMENT["paths"][route.path][route.method.lower()]

    assert operation["operationId"] == route.operation_id
    assert operation["summary"] == route.summary
    assert operation.get("requestBody", {}).get("content", {}).keys() == route.bodies.keys()
    assert operation["responses"]["200"]["content"].keys() == route.answers.keys()
    assert ("security" in operation) is route.is_open


@EVERY_ROUTE
def test_route_answers(api: ApplicationUnderTest, route: Route) -> None:
    reply = ask(api, route)

    assert reply.status == 200, reply.text
    assert reply.headers["x-request-id"] == REQUEST_ID


@EVERY_PATH
def test_other_methods_are_refused_with_405(api: ApplicationUnderTest, path: str) -> None:
    allowed = methods_at(path)
    implied = ["HEAD"] if "GET" in allowed else []
    others = [method for method in METHODS if method not in (*allowed, *implied)]

    assert others
    for method in others:
        reply = api.handle(proxy_event(method=method, path=real_path(path)))
        assert reply.status == 405
        assert reply.headers["allow"] == ", ".join([*allowed, *implied, "OPTIONS"])
        # In the convention of the path.
        assert "method_not_allowed" in (reply.json.get("name"), reply.json.get("error", {}).get("code"))
        assert ("error" in reply.json) is path.startswith(("/v1/images", "/v1/models"))


def test_operation_ids_are_unique() -> None:
    assert len({route.operation_id for route in ROUTES}) == len(ROUTES)


@pytest.mark.parametrize("path", [path for path in dict.fromkeys(r.path for r in ROUTES) if "GET" in methods_at(path)])
def test_head_is_answered_as_get_without_a_body(api: ApplicationUnderTest, path: str) -> None:
    get, head = api.get(real_path(path)), api.handle(proxy_event(method="HEAD", path=real_path(path)))

    assert (head.status, head.headers, head.text) == (get.status, get.headers, "")


def test_head_of_ill_health_has_its_status(api: ApplicationUnderTest) -> None:
    api.sagemaker.status = "Creating"

    reply = api.handle(proxy_event(method="HEAD", path="/health"))

    assert (reply.status, reply.headers["retry-after"], reply.text) == (503, "30", "")


@EVERY_PATH
def test_options_name_the_methods(api: ApplicationUnderTest, path: str) -> None:
    reply = api.handle(proxy_event(method="OPTIONS", path=real_path(path), headers={"Origin": "https://a.example"}))

    assert (reply.status, reply.text) == (204, "")
    implied = ["HEAD"] if "GET" in methods_at(path) else []
    assert reply.headers["allow"] == ", ".join([*methods_at(path), *implied, "OPTIONS"])
    assert [name for name in reply.headers if name.startswith("access-control")] == []


@EVERY_PATH
def test_preflight_of_an_allowed_origin_is_answered(make_api: Make, path: str) -> None:
    api = make_api(cors_allow_origins=("https://a.example", "https://b.example"))

    reply = api.handle(proxy_event(method="OPTIONS", path=real_path(path), headers={"origin": "https://b.example"}))

    assert reply.status == 204
    assert reply.headers["access-control-allow-origin"] == "https://b.example"
    assert reply.headers["access-control-allow-methods"].split(",") == reply.headers["allow"].split(", ")
    assert {"Authorization", "Content-Type", "X-Api-Key", "Idempotency-Key"} <= set(
        reply.headers["access-control-allow-headers"].split(",")
    )
    assert reply.headers["access-control-max-age"] == "3600"
    assert reply.headers["vary"] == "Origin"


def test_preflight_of_another_origin_is_not_allowed(make_api: Make) -> None:
    api = make_api(cors_allow_origins=("https://a.example",))

    for headers in ({"Origin": "https://evil.example"}, {}):
        reply = api.handle(proxy_event(method="OPTIONS", path=ENGINE_PATH, headers=headers))
        assert reply.status == 204
        assert "access-control-allow-origin" not in reply.headers
        assert reply.headers["vary"] == "Origin"


def test_options_of_an_unknown_path_is_not_found(api: ApplicationUnderTest) -> None:
    assert api.handle(proxy_event(method="OPTIONS", path="/v1/nothing")).error == (404, "not_found")


def test_event_of_a_proxy_resource_is_routed_by_its_path(api: ApplicationUnderTest) -> None:
    event = proxy_event('{"text_prompts":[{"text":"a puppy"}]}')
    event["resource"] = "/v1/{proxy+}"
    event["pathParameters"] = {"proxy": ENGINE_PATH.removeprefix("/v1/")}

    assert api.handle(event).status == 200


def test_slash_at_the_end_makes_no_difference() -> None:
    assert find_path("/v1/models/") == find_path("/v1/models")


@pytest.mark.parametrize(
    "path", ["/v1", "/console", "/console/a/b", "/v1/generation/{engine_id}", "/v1/models/a/b", "/V1/models"]
)
def test_path_of_no_route_is_not_found(path: str) -> None:
    with pytest.raises(UnknownRouteError):
        find_path(path)


def test_path_that_is_written_as_a_route_is_read_as_a_parameter(api: ApplicationUnderTest) -> None:
    reply = api.post("{}", path="/v1/generation/{engine_id}/text-to-image")

    assert reply.error == (404, "not_found")
    assert re.search("There is no engine '{engine_id}'", reply.json["message"])
