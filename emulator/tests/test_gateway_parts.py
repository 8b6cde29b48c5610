"""The gateway's parts by themselves: routes, throttles and quotas, media types."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from emulator.gateway.deployed import Method, Throttle, throttle
from emulator.gateway.lambda_proxy import is_binary
from emulator.gateway.routing import find_method
from emulator.gateway.usage import Meter, period_start


def method(path: str, http_method: str = "GET") -> Method:
    return Method(http_method, path, path, "NONE", None, (), False, None)


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
