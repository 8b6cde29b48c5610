"""A log group with a retention and a key of our own."""

from __future__ import annotations

from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks.constructs.arn import local_arn


class EncryptedLogGroup(logs.CfnLogGroup):
    """Log group that is deleted with its stack: a kept one would make the next deployment fail on its name."""

    def __init__(self, scope: Construct, construct_id: str, *, name: str, key_arn: str, retention_days: int) -> None:
        super().__init__(scope, construct_id, log_group_name=name, kms_key_id=key_arn, retention_in_days=retention_days)
        # From the name, so that it can stand in a policy without waiting for the log group. Without the `:*` that
        # CloudFormation appends, which access log destinations refuse.
        self.arn = local_arn(scope, "logs", f"log-group:{name}")

    @property
    def streams_arn(self) -> str:
        """ARN of every log stream in the group: what permissions to write need."""
        return f"{self.arn}:*"
