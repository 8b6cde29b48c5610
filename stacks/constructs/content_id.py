"""Logical ids that change with content, for resources that AWS takes a snapshot into only when they are new."""

from __future__ import annotations

import hashlib
import json

import aws_cdk as cdk


def rename_with_content(resource: cdk.CfnResource, *content: object) -> None:
    """Append a hash of `content` to the logical id of `resource`, so that a change of content makes a new resource.

    References between resources count by logical id. The construct's own id stays as it is.
    """
    stack = cdk.Stack.of(resource)
    text = json.dumps(stack.resolve(list(content)), sort_keys=True)
    logical_id = stack.get_logical_id(resource)
    resource.override_logical_id(f"{logical_id}{hashlib.sha256(text.encode()).hexdigest()[:16]}")
