"""The function's environment variables, typed and read once at cold start."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, cast, get_args

import msgspec

ModelSource = Literal["optimized", "open"]
MODEL_SOURCES: tuple[ModelSource, ...] = get_args(ModelSource)


class SettingsError(Exception):
    """An environment variable of the function is missing or has a value that cannot be used."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the deployment decides for the function; a caller can choose none of it."""

    environment: str
    model_source: ModelSource
    endpoint_name: str
    images_bucket: str
    image_link_ttl_seconds: int
    timeout_seconds: int
    cors_allow_origins: tuple[str, ...]


def load_settings(variables: Mapping[str, str]) -> Settings:
    """Read the settings from environment variables, normally `os.environ`.

    Raises:
        SettingsError: naming every variable that is missing or wrong, with its value and what is allowed.
    """
    problems: list[str] = []

    def text(name: str) -> str:
        value = variables.get(name, "").strip()
        if not value:
            problems.append(f"{name} is not set")
        return value

    def whole_number(name: str, *, least: int, most: int) -> int:
        value = text(name)
        if not value:
            return least
        if not value.isascii() or not value.isdecimal() or not least <= int(value) <= most:
            problems.append(f"{name} is {value!r}, allowed is a whole number from {least} to {most}")
            return least
        return int(value)

    source = text("SDXL_MODEL_SOURCE")
    if source and source not in MODEL_SOURCES:
        problems.append(f"SDXL_MODEL_SOURCE is {source!r}, allowed is one of {', '.join(MODEL_SOURCES)}")
    settings = Settings(
        environment=text("SDXL_ENVIRONMENT"),
        model_source=cast("ModelSource", source),
        endpoint_name=text("SDXL_ENDPOINT_NAME"),
        images_bucket=text("SDXL_IMAGES_BUCKET"),
        # A presigned link lives seven days at most (Signature Version 4).
        image_link_ttl_seconds=whole_number("SDXL_IMAGE_LINK_TTL_SECONDS", least=1, most=604_800),
        # Below 3 s nothing is left for the model beside our own margin; 900 s is the longest a Lambda function runs.
        timeout_seconds=whole_number("SDXL_TIMEOUT_SECONDS", least=3, most=900),
        cors_allow_origins=tuple(
            origin for part in variables.get("SDXL_CORS_ALLOW_ORIGINS", "").split(",") if (origin := part.strip())
        ),
    )
    if problems:
        raise SettingsError(
            f"The function's environment variables are wrong: {'; '.join(problems)}. "
            "The Api stack sets them: deploy it again."
        )
    return settings
