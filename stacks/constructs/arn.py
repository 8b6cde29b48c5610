"""ARNs of resources in the stack's own account and region."""

from __future__ import annotations

import weakref
from typing import NamedTuple

import aws_cdk as cdk
from constructs import IConstruct

from stacks.catalog import partition_of


class Place(NamedTuple):
    """Where a stack is deployed."""

    partition: str
    region: str
    account: str


# Finding a stack and each of its properties is a call into the CDK's engine, and they are asked for all over.
_PLACES: weakref.WeakKeyDictionary[IConstruct, Place] = weakref.WeakKeyDictionary()


def place_of(scope: IConstruct) -> Place:
    """Partition, region and account of the stack that `scope` is in."""
    if scope not in _PLACES:
        stack = scope if isinstance(scope, cdk.Stack) else cdk.Stack.of(scope)
        if stack not in _PLACES:
            region = stack.region
            _PLACES[stack] = Place(partition=partition_of(region), region=region, account=stack.account)
        _PLACES[scope] = _PLACES[stack]
    return _PLACES[scope]


def local_arn(scope: IConstruct, service: str, resource: str) -> str:
    """`arn:<partition>:<service>:<region>:<account>:<resource>`, in plain text where the CDK would put references."""
    place = place_of(scope)
    return f"arn:{place.partition}:{service}:{place.region}:{place.account}:{resource}"


def partition(scope: IConstruct) -> str:
    """AWS partition of the stack's region."""
    return place_of(scope).partition
