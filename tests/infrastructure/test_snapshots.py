"""Every stack of dev, whole, and how the other environments differ. Renew with `make snapshots`, and read the diff."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from infrastructure_synthesis import (
    Synthesis,
    Template,
    access_environments,
    example_environments,
    without_hashes,
)
from syrupy.assertion import SnapshotAssertion
from syrupy.extensions.json import JSONSnapshotExtension

WHOLE = [("dev", "Storage"), ("dev", "Inference"), ("dev", "Api"), ("dev", "Operations"), ("vpc", "Network")]
OTHERS = [one.name for one in (*example_environments(), *access_environments()) if one.name != "dev"]


def template_of(name: str, stack: str, *syntheses: Synthesis) -> Template:
    """A template without hashes, and without what every environment has of its own: name, account and region."""
    (environment,) = (one for one in (*example_environments(), *access_environments()) if one.name == name)
    (templates,) = (synthesis.templates[name] for synthesis in syntheses if name in synthesis.templates)
    text = json.dumps(without_hashes(templates[stack])) if stack in templates else "{}"
    for value, word in (
        (f"sdxl-{name}", "sdxl-<name>"),
        (f"sdxl{name}", "sdxl<name>"),
        (f'"{name}"', '"<name>"'),
        (f'\\"{name}\\"', '\\"<name>\\"'),
        (f"${name}", "$<name>"),
        (environment.account, "<account>"),
        (environment.region, "<region>"),
    ):
        text = text.replace(value, word)
    found: Template = json.loads(text)
    return found


def leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Each value of a template by its path. A list is a value, and so is an intrinsic function."""
    if isinstance(value, dict) and value and not any(key == "Ref" or key.startswith("Fn::") for key in value):
        for key, item in value.items():
            yield from leaves(item, f"{path}/{key}" if path else key)
    else:
        yield path, value


def differences(before: Template, after: Template) -> dict[str, Any]:
    """What is different in `after`, by path; `None` is what it does not have."""
    found: dict[str, Any] = {}
    for section in sorted(before.keys() | after.keys()):
        old, new = before.get(section, {}), after.get(section, {})
        if not isinstance(old, dict) or not isinstance(new, dict):
            found |= changes({section: old}, {section: new})
            continue
        for name in sorted(old.keys() | new.keys()):
            if name in old and name in new:
                found |= changes(dict(leaves(old[name], name)), dict(leaves(new[name], name)))
            else:
                found[name] = new.get(name)
    return found


def changes(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    return {path: new.get(path) for path in sorted(old.keys() | new.keys()) if old.get(path) != new.get(path)}


@pytest.mark.parametrize(("environment", "stack"), WHOLE)
def test_template_is_as_recorded(
    examples: Synthesis, access: Synthesis, snapshot: SnapshotAssertion, environment: str, stack: str
) -> None:
    assert template_of(environment, stack, examples, access) == snapshot(extension_class=JSONSnapshotExtension)


@pytest.mark.parametrize("environment", OTHERS)
def test_template_differs_from_that_of_dev_as_recorded(
    examples: Synthesis, access: Synthesis, snapshot: SnapshotAssertion, environment: str
) -> None:
    found = {
        stack: differences(
            template_of("dev", stack, examples, access), template_of(environment, stack, examples, access)
        )
        for stack in ("Storage", "Inference", "Api", "Operations")
    }

    assert found == snapshot(extension_class=JSONSnapshotExtension)


def test_network_stack_is_only_there_with_a_vpc(examples: Synthesis, access: Synthesis) -> None:
    stacks = {name: set(found) for one in (examples, access) for name, found in one.templates.items()}

    assert [name for name, found in stacks.items() if "Network" in found] == ["vpc"]
    assert stacks["dev"] == {"Storage", "Inference", "Api", "Operations"}
