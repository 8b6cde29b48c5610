"""Lambda as moto lacks it: settings that moto drops, and published versions that stay what they were."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

from moto.awslambda.models import LambdaFunction, LambdaStorage

SETTINGS = {"SnapStart": "snap_start", "LoggingConfig": "logging_config", "DeadLetterConfig": "dead_letter_config"}
"""What moto knows nothing of: request member to attribute."""
UPDATED_SETTINGS = {"TracingConfig": "tracing_config", "KMSKeyArn": "kms_key_arn"}
"""What moto takes at creation but not from UpdateFunctionConfiguration."""
HIGHEST_VERSION = "highest_published_version"


def install() -> None:
    """Change moto's Lambda."""
    if hasattr(LambdaFunction, "settings_kept"):
        return
    LambdaFunction.settings_kept = True
    LambdaFunction.__init__ = _remember_settings(LambdaFunction.__init__)
    LambdaFunction.update_configuration = _update_settings(LambdaFunction.update_configuration)
    LambdaFunction.get_configuration = _show_settings(LambdaFunction.get_configuration)
    LambdaStorage.publish_version = _publish_version


def _remember_settings(original: Callable[..., None]) -> Callable[..., None]:
    @functools.wraps(original)
    def initialize(self: LambdaFunction, account_id: str, spec: dict[str, Any], *args: Any, **kwargs: Any) -> None:
        original(self, account_id, spec, *args, **kwargs)
        for member, attribute in SETTINGS.items():
            setattr(self, attribute, spec.get(member))

    return initialize


def _update_settings(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(original)
    def update_configuration(self: LambdaFunction, config_updates: dict[str, Any]) -> dict[str, Any]:
        for member, attribute in (SETTINGS | UPDATED_SETTINGS).items():
            if member in config_updates:
                setattr(self, attribute, config_updates[member])
        if "EphemeralStorage" in config_updates:
            self.ephemeral_storage = config_updates["EphemeralStorage"]["Size"]
        return original(self, config_updates)

    return update_configuration


def _show_settings(original: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    @functools.wraps(original)
    def get_configuration(self: LambdaFunction, *args: Any, **kwargs: Any) -> dict[str, Any]:
        configuration = original(self, *args, **kwargs)
        apply_on = (self.snap_start or {}).get("ApplyOn", "None")
        published = str(self.version) != "$LATEST"
        optimized = "On" if apply_on == "PublishedVersions" and published else "Off"
        configuration["SnapStart"] = {"ApplyOn": apply_on, "OptimizationStatus": optimized}
        if self.logging_config:
            configuration["LoggingConfig"] = self.logging_config
        if self.dead_letter_config:
            configuration["DeadLetterConfig"] = self.dead_letter_config
        return configuration

    return get_configuration


def _publish_version(self: LambdaStorage, name_or_arn: str, description: str = "") -> LambdaFunction:
    """Publish a version, or answer the newest where nothing has changed since, as on AWS.

    moto counts versions to number the next one, so that it gives a deleted version's number out again.
    """
    latest = self.get_function_by_name_or_arn_forbid_qualifier(name_or_arn)
    versions: list[LambdaFunction] = self._functions[latest.function_name]["versions"]
    if versions and not latest.code_or_config_updated:
        return versions[-1]
    number = getattr(latest, HIGHEST_VERSION, 0) + 1
    setattr(latest, HIGHEST_VERSION, number)
    latest.code_or_config_updated = False
    version = copy.copy(latest)
    # moto changes the code's location in place when the code is updated.
    version.code = dict(latest.code)
    version.set_version(number)
    version.description = description or latest.description
    versions.append(version)
    self._arns[version.function_arn] = version
    return version
