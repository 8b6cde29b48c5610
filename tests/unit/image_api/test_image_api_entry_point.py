"""The function's entry point and its environment variables."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from image_api.settings import Settings, SettingsError, load_settings
from image_api.styles import Style, StyleParameters
from image_api_fakes import FakeContext, proxy_event

VARIABLES = {
    "SDXL_ENVIRONMENT": "dev",
    "SDXL_MODEL_SOURCE": "open",
    "SDXL_ENDPOINT_NAME": "sdxl-dev",
    "SDXL_IMAGES_BUCKET": "images",
    "SDXL_IMAGE_LINK_TTL_SECONDS": "3600",
    "SDXL_TIMEOUT_SECONDS": "29",
    "SDXL_CORS_ALLOW_ORIGINS": "https://a.example, https://b.example",
}


@pytest.fixture
def entry_point(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    sys.modules.pop("image_api.api", None)
    yield importlib.import_module("image_api.api")
    sys.modules.pop("image_api.api", None)


def test_handler_answers(entry_point: ModuleType) -> None:
    context: Any = FakeContext()

    answer = entry_point.handler(proxy_event(method="GET", path="/v1/engines/list"), context)

    assert answer["statusCode"] == 200


def test_clients_are_warm_in_a_snapshot(entry_point: ModuleType) -> None:
    snapshot_restore_py = pytest.importorskip("snapshot_restore_py")
    hooks = [hook for hook, _, _ in snapshot_restore_py.get_before_snapshot()]
    assert entry_point.warm_clients in hooks

    entry_point.warm_clients()

    assert entry_point._image_store.client.meta.service_model.service_name == "s3"
    assert entry_point._endpoint_health.client.meta.service_model.service_name == "sagemaker"


def test_function_starts_without_the_snapshot_library(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in VARIABLES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", None)
    sys.modules.pop("image_api.api", None)

    assert importlib.import_module("image_api.api").register_before_snapshot is None

    sys.modules.pop("image_api.api", None)


def test_settings_are_typed() -> None:
    assert load_settings(VARIABLES) == Settings(
        environment="dev",
        model_source="open",
        endpoint_name="sdxl-dev",
        images_bucket="images",
        image_link_ttl_seconds=3600,
        timeout_seconds=29,
        cors_allow_origins=("https://a.example", "https://b.example"),
    )


@pytest.mark.parametrize("value", ["", " ", ","])
def test_no_origins_is_an_empty_list(value: str) -> None:
    assert load_settings(VARIABLES | {"SDXL_CORS_ALLOW_ORIGINS": value}).cors_allow_origins == ()


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("SDXL_ENVIRONMENT", " ", "SDXL_ENVIRONMENT is not set"),
        ("SDXL_ENDPOINT_NAME", "", "SDXL_ENDPOINT_NAME is not set"),
        ("SDXL_IMAGES_BUCKET", "", "SDXL_IMAGES_BUCKET is not set"),
        ("SDXL_MODEL_SOURCE", "cloud", "'cloud', allowed is one of optimized, open, bedrock"),
        ("SDXL_IMAGE_LINK_TTL_SECONDS", "soon", "'soon', allowed is a whole number from 1 to 604800"),
        ("SDXL_IMAGE_LINK_TTL_SECONDS", "0", "'0', allowed is"),
        ("SDXL_TIMEOUT_SECONDS", "29.5", "'29.5', allowed is a whole number from 3 to 900"),
        ("SDXL_TIMEOUT_SECONDS", "²", "allowed is a whole number"),
        ("SDXL_REFUSED_TERMS", "gun", "SDXL_REFUSED_TERMS is 'gun', which cannot be read"),
        ("SDXL_REFUSED_TERMS", '["!!"]', "which cannot be read"),
        ("SDXL_STYLES", "[{}]", "SDXL_STYLES is '[{}]', which cannot be read"),
        ("SDXL_STYLES", '[{"name":"a","description":"b","prompt":"c","parameters":{"steps":5}}]', "steps"),
    ],
)
def test_wrong_setting_says_what_is_allowed(name: str, value: str, words: str) -> None:
    with pytest.raises(SettingsError) as error:
        load_settings(VARIABLES | {name: value})

    assert words in str(error.value)
    assert "deploy it again" in str(error.value)


def test_optional_settings_are_typed() -> None:
    settings = load_settings(
        VARIABLES
        | {
            "SDXL_REFUSED_TERMS": '["gun","machine rifle"]',
            "SDXL_STYLES": '[{"name":"house","description":"Our own","prompt":"in style","parameters":{"steps":40}}]',
            "SDXL_IDEMPOTENCY_TABLE": "answers",
        }
    )

    assert settings.refused_terms == ("gun", "machine rifle")
    assert settings.styles == (Style("house", "Our own", "in style", parameters=StyleParameters(steps=40)),)
    assert settings.idempotency_table == "answers"


def test_bedrock_needs_no_endpoint() -> None:
    variables = {name: value for name, value in VARIABLES.items() if name != "SDXL_ENDPOINT_NAME"}
    bedrock = {
        "SDXL_MODEL_SOURCE": "bedrock",
        "SDXL_BEDROCK_MODEL_ID": "stability.stable-image-core-v1:1",
        "SDXL_BEDROCK_MODEL_FAMILY": "stable-image",
        "SDXL_BEDROCK_REGION": "us-west-2",
    }

    settings = load_settings(variables | bedrock)

    assert settings.endpoint_name == settings.bedrock_inpaint_model_id == ""
    assert settings.bedrock_model_id == "stability.stable-image-core-v1:1"
    with pytest.raises(SettingsError, match="SDXL_BEDROCK_MODEL_FAMILY is 'sdxl', allowed is one of sdxl-v1"):
        load_settings(variables | bedrock | {"SDXL_BEDROCK_MODEL_FAMILY": "sdxl"})


def test_all_missing_settings_are_named_at_once() -> None:
    with pytest.raises(SettingsError) as error:
        load_settings({})

    for name in VARIABLES.keys() - {"SDXL_CORS_ALLOW_ORIGINS"}:
        assert name in str(error.value)
