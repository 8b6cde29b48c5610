"""A log group with a fixed name, encrypted with the environment's key."""

from __future__ import annotations

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs.template_metadata import keep_logical_id


def encrypted_log_group(
    scope: Construct, construct_id: str, *, name: str, key: kms.IKey, retention_days: int
) -> logs.LogGroup:
    """Return a log group that is deleted with its stack: a kept one would make the next deployment fail on its name."""
    group = logs.LogGroup(
        scope, construct_id, log_group_name=name, encryption_key=key, removal_policy=cdk.RemovalPolicy.DESTROY
    )
    set_retention(group, retention_days)
    keep_logical_id(group)
    return group


def set_retention(group: logs.LogGroup, days: int) -> None:
    """Set how many days the events of `group` are kept. The construct takes names for these numbers."""
    cast(logs.CfnLogGroup, group.node.default_child).retention_in_days = days
