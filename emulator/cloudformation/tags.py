"""Tags in the two forms that APIs want them."""

from collections.abc import Mapping
from typing import Any


def tag_list(properties: Mapping[str, Any]) -> list[dict[str, str]]:
    """The Tags property as a list of Key and Value."""
    return [{"Key": str(tag["Key"]), "Value": str(tag["Value"])} for tag in properties.get("Tags") or []]


def tag_map(properties: Mapping[str, Any]) -> dict[str, str]:
    """The Tags property as a mapping."""
    return {tag["Key"]: tag["Value"] for tag in tag_list(properties)}


def removed_keys(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    """The tags that a change takes away."""
    return sorted(set(tag_map(before)) - set(tag_map(after)))
