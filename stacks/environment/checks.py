"""Checks that need more than one section of an environment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stacks.environment.access_checks import access_problems
from stacks.environment.bedrock import bedrock_problems
from stacks.environment.endpoint_checks import endpoint_problems
from stacks.environment.network import network_problems
from stacks.environment.operations import operations_problems
from stacks.environment.organization import organization_problems
from stacks.environment.problems import SettingProblem
from stacks.environment.storage import storage_problems


def environment_problems(sections: Mapping[str, Any]) -> Iterator[SettingProblem]:
    """Problems between the sections of an environment; sections that are absent are left out of the checks."""
    region, model = sections.get("region"), sections.get("model")
    endpoint, scaling = sections.get("endpoint"), sections.get("scaling")
    yield from access_problems(sections)
    yield from operations_problems(sections.get("api"), sections.get("operations"))
    yield from network_problems(sections)
    yield from organization_problems(sections)
    yield from storage_problems(sections)
    if model is not None and model.source == "bedrock":
        yield from bedrock_problems(region, model, endpoint, scaling)
    else:
        yield from endpoint_problems(region, model, endpoint, scaling)
