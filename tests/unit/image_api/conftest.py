"""Fixtures of the image API's unit tests: no sockets, no AWS, and an application on fakes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from image_api_fakes import ApplicationUnderTest, FakeRuntime


@pytest.fixture(autouse=True)
def _no_sockets(socket_disabled: None) -> None:
    """Every call of AWS goes to a fake; one that does not fails here."""


@pytest.fixture(autouse=True)
def _powertools_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "image-api")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "example")


@pytest.fixture
def runtime() -> FakeRuntime:
    """An endpoint that draws."""
    return FakeRuntime()


@pytest.fixture
def make_api(runtime: FakeRuntime) -> Callable[..., ApplicationUnderTest]:
    """Builds the application on `runtime`; keyword arguments change its settings."""

    def make(**changes: object) -> ApplicationUnderTest:
        return ApplicationUnderTest(runtime, **changes)

    return make


@pytest.fixture
def api(make_api: Callable[..., ApplicationUnderTest]) -> ApplicationUnderTest:
    """The application with the optimized variant behind it."""
    return make_api()
