"""Every setting of the environment schema has a change in changed_settings.py, which changes what it names."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from changed_settings import BASES, CHANGES, NAME, REGION, Change, filled, overlaid, write_chain
from pydantic import ValidationError

from stacks.environment import Environment
from stacks.environment.schema import SettingsSchema, environment_schema

_STEP = re.compile(r"(?P<name>\w+)(\[(?P<choice>\w*)\])?(=(?P<value>\w+))?")
# The schema has these, and no file can: only endpoints of mode real-time have further variants.
OF_NO_FILE = {
    f"endpoint.variants[].scaling.target{path}"
    for metric in ("backlog_per_instance", "concurrent_requests_per_copy", "invocations_per_copy")
    for path in (f".metric={metric}", f"[{metric}].target")
}
_DISCRIMINATORS = ("source", "traffic", "mode", "metric")


def settings_of_the_schema() -> Iterator[str]:
    """Every setting: `a.b`; in a list `a[].b`; of a choice `a[choice].b`; the choice itself `a.key=choice`.

    A section that may be left out is `a=null`, and the length of a list of sections `a[]`.
    """
    schema = SettingsSchema(environment_schema())
    yield from _settings(schema, schema.root, "")


def _settings(schema: SettingsSchema, setting: dict[str, Any], path: str) -> Iterator[str]:
    node = schema.resolve(setting)
    by_choice = schema.choices(node)
    key = node["discriminator"]["propertyName"] if by_choice else ""
    item = schema.resolve(node.get("items", {}))
    if (by_choice or "properties" in node) and {"type": "null"} in setting.get("anyOf", ()):
        yield f"{path}=null"
    for choice, option in by_choice.items():
        yield f"{path}.{key}={choice}"
        for name, one in option["properties"].items():
            if name != key:
                yield from _settings(schema, one, f"{path}[{choice}].{name}")
    if by_choice:
        return
    if "properties" in node:
        for name, one in node["properties"].items():
            yield from _settings(schema, one, f"{path}.{name}" if path else name)
    elif "properties" in item:
        yield f"{path}[]"
        yield from _settings(schema, item, f"{path}[]")
    else:
        yield path


def value_of(settings: Any, path: str) -> list[Any]:
    """The values of a setting in an environment: one in every entry of the lists on its way."""
    found = [settings]
    for step in path.split("."):
        match = _STEP.fullmatch(step)
        assert match is not None, step
        values = [getattr(one, match["name"]) for one in found]
        if match["value"] == "null":
            return [value is None for value in values]
        found = [value for value in values if value is not None]
        if match["choice"] == "":
            if path.endswith(step):
                return [len(value) for value in found]
            found = [entry for value in found for entry in value]
        elif match["choice"]:
            found = [one for one in found if match["choice"] in [getattr(one, key, None) for key in _DISCRIMINATORS]]
    return found


@pytest.mark.parametrize("metric", ["backlog_per_instance", "concurrent_requests_per_copy", "invocations_per_copy"])
def test_metrics_of_other_modes_are_refused_for_further_variants(metric: str) -> None:
    document = filled(BASES["variants"], _EXAMPLES)
    (variant,) = document["endpoint"]["variants"]
    scaling = overlaid(variant["scaling"], {"target": {"metric": metric, "target": 1}})

    with pytest.raises(ValidationError, match="metric"):
        Environment.model_validate(
            {"name": NAME, **overlaid(document, {"endpoint": {"variants": [{**variant, "scaling": scaling}]}})}
        )


def test_every_setting_of_the_schema_is_changed_by_an_entry() -> None:
    settings = set(settings_of_the_schema())
    changed = {setting for _, change in CHANGES for setting in change.settings}

    assert changed & OF_NO_FILE == set()
    assert sorted(settings - changed - OF_NO_FILE) == [], "add a change of these settings to changed_settings.py"
    assert sorted(changed - settings) == [], "changed_settings.py names settings that are no more"


@pytest.mark.parametrize("change", [change for _, change in CHANGES], ids=lambda change: change.name)
def test_an_entry_changes_the_settings_that_it_names(change: Change) -> None:
    before, after = (
        Environment.model_validate({"name": NAME, **filled(document, _EXAMPLES)}) for document in change.files()
    )

    for setting in change.settings:
        old, new = value_of(before, setting), value_of(after, setting)
        assert old != new, setting
        _, is_choice, choice = setting.partition("=")
        assert not is_choice or choice == "null" or choice in old + new, setting


class _Examples(dict[str, str]):
    """What stands for the ids that an account gives, where nothing is deployed."""

    def __missing__(self, name: str) -> str:
        if name.endswith("_file"):
            self.update(write_chain(Path(tempfile.mkdtemp(prefix="sdxl-chain-"))))
            return self[name]
        kinds = {"vpc_endpoint": "vpce", "route_table": "rtb", "subnet": "subnet", "group": "sg", "vpc": "vpc"}
        kind = next((kind for word, kind in kinds.items() if word in name), "")
        number = name.encode().hex()[-17:].zfill(17)
        return f"{kind}-{number}" if kind else f"arn:aws:kms:{REGION}:111122223333:key/{number}"


_EXAMPLES = _Examples(account="111122223333")
