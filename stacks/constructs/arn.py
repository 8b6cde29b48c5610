"""ARNs of resources in the stack's own account and region."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import IConstruct

from stacks.catalog import partition_of


def local_arn(scope: IConstruct, service: str, resource: str) -> str:
    """`arn:<partition>:<service>:<region>:<account>:<resource>`, in plain text where the CDK would put references."""
    stack = cdk.Stack.of(scope)
    return f"arn:{partition(scope)}:{service}:{stack.region}:{stack.account}:{resource}"


def partition(scope: IConstruct) -> str:
    """AWS partition of the stack's region."""
    return partition_of(cdk.Stack.of(scope).region)
