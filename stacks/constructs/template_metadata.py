"""What a template says about a resource next to its properties: a kept logical id, and exceptions with their reason."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

import aws_cdk as cdk
from constructs import IConstruct


def keep_logical_id(construct: IConstruct, path: str | None = None) -> None:
    """Give the resource of an L2 construct the logical id that an L1 resource at `path` of the stack has.

    `path` is by default that of the construct itself. Deployed stacks know these ids. CloudFormation replaces a
    resource whose id changes: data would stay behind in the old one, and a resource with a fixed name would fail,
    because the new one is created while the old one still has the name. tests/infrastructure/test_logical_ids.py lists
    the ids that no change of this code may change.
    """
    resource_of(construct).override_logical_id(logical_id_at(path_in_stack(construct) if path is None else path))


def logical_id_at(path: str) -> str:
    """Return the logical id that the CDK gives an L1 resource at `path` of its stack."""
    steps: list[str] = []
    for step in path.split("/"):
        # A step that repeats the end of the one before it stands in the hash alone.
        if not steps or not steps[-1].endswith(step):
            steps.append(step)
    name = "".join(character for step in steps for character in step if character.isalnum())
    if "/" not in path:
        return name
    # The hash tells apart paths whose names are the same without punctuation.
    return name + hashlib.md5(path.encode(), usedforsecurity=False).hexdigest()[:8].upper()


def resource_of(construct: IConstruct) -> cdk.CfnResource:
    """Return the resource that an L2 construct wraps, or the construct where it is one. Raises TypeError for others."""
    resource = construct if isinstance(construct, cdk.CfnResource) else construct.node.default_child
    if not isinstance(resource, cdk.CfnResource):
        raise TypeError(f"{construct.node.path} wraps no resource")
    return resource


def path_in_stack(construct: IConstruct) -> str:
    """Path of `construct` below its stack, such as `ImageFunction/Function`."""
    return construct.node.path.removeprefix(f"{cdk.Stack.of(construct).node.path}/")


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Record for each cdk-nag rule why `construct` may break it. A rule with findings is named `Rule[Finding]`."""
    cdk.Validations.of(construct).acknowledge(
        *(cdk.Acknowledgment(id=rule, reason=reason) for rule, reason in reasons.items())
    )


def skip_checkov(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Record for each checkov rule why the construct's resource may break it. checkov reads the template's metadata."""
    resource_of(construct).add_metadata(
        "checkov", {"skip": [{"id": rule, "comment": reason} for rule, reason in reasons.items()]}
    )
