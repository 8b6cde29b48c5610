"""What AWS publishes about IAM actions and CloudFormation types, in the data files that cfn-lint ships.

The actions are those of the Service Authorization Reference, the types those of the CloudFormation registry. cfn-lint
renews both with each of its versions, so `make lock` renews them here. Its Python package is not imported: that takes a
second, and the files are all that is needed.
"""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

from sdxl.errors import SdxlError

HANDLERS = ("create", "read", "update", "delete")
"""What CloudFormation does with a resource of a stack. `list` is for the resource scanner only."""


class ResourceType(NamedTuple):
    """A type of resource as IAM knows it: `ResourceType("s3", "bucket")`."""

    service: str
    name: str


@cache
def action_resources(action: str) -> tuple[ResourceType, ...] | None:
    """Return the types of resources that an action takes, in any case of letters.

    Empty where the action has no resource level, so that a policy can only say `*`. None where there is no such action.
    """
    service, _, name = action.lower().partition(":")
    found = _services().get(service, {}).get("Actions", {}).get(name)
    if found is None:
        return None
    # "-" stands in the data for an action without a resource level.
    names = dict.fromkeys(str(each).lower() for each in found.get("Resources", ()) if each != "-")
    return tuple(ResourceType(service, each) for each in names)


@cache
def actions_matching(pattern: str) -> tuple[str, ...]:
    """Return the actions that a pattern such as `s3:Get*` names, in small letters; empty where there are none."""
    service, _, name = pattern.lower().partition(":")
    names = _services().get(service, {}).get("Actions", {})
    return tuple(f"{service}:{each}" for each in names if fnmatch.fnmatchcase(each, name))


@cache
def arn_prefixes(resource: ResourceType) -> tuple[str, ...]:
    """Return how the ARNs of a type begin, up to the name, with `*` for partition, region and account."""
    found = _services()[resource.service]["Resources"][resource.name]["ARNFormats"]
    prefixes = []
    for text in found:
        before_name = text.split(".*")[0]
        for variable in ("${Partition}", "${Region}", "${Account}"):
            before_name = before_name.replace(variable, "*")
        prefixes.append(before_name)
    return tuple(prefixes)


@cache
def handler_actions(resource_type: str, region: str) -> frozenset[str]:
    """Return the actions that CloudFormation calls for a resource type, by the type's `handlers` in the registry.

    Empty where the type has no handlers in the registry, as of types that CloudFormation still implements itself.

    Raises:
        SdxlError: the region does not have the type.
    """
    schemas = _data() / "schemas"
    types: Mapping[str, str] = _json(schemas / "providers" / f"{region}.json")
    if resource_type not in types:
        raise SdxlError(f"{region} has no resource type {resource_type}, by the CloudFormation registry in cfn-lint.")
    handlers = _json(schemas / "resources" / f"{types[resource_type]}.json").get("handlers", {})
    return frozenset(action for name in HANDLERS for action in handlers.get(name, {}).get("permissions", ()))


@cache
def _services() -> Mapping[str, Any]:
    return _json(_data() / "AdditionalSpecs" / "Policies.json")


@cache
def _data() -> Path:
    spec = find_spec("cfnlint")
    if spec is None or not spec.submodule_search_locations:
        raise SdxlError("cfn-lint is not installed: run `make setup`.")
    return Path(spec.submodule_search_locations[0]) / "data"


@cache
def _json(path: Path) -> dict[str, Any]:
    try:
        read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except OSError as exc:
        raise SdxlError(f"{path} of cfn-lint cannot be read: {exc}. Run `make setup`.") from exc
    return read
