"""The table of answers that were given under an idempotency key, so that a repeated call gets them again."""

from __future__ import annotations

from functools import cached_property

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge
from stacks.constructs.statement import Statement, allow

KEY_ATTRIBUTE = "id"
EXPIRY_ATTRIBUTE = "expiration"


class IdempotencyTable(Construct):
    """Table with generated name, encrypted with `key_arn`. Its items expire by themselves.

    It is deleted with its stack: what it holds is of use for a day, to a client that repeats a call.
    """

    def __init__(self, scope: Construct, construct_id: str, *, key_arn: str) -> None:
        super().__init__(scope, construct_id)
        self.table = dynamodb.CfnTable(
            self,
            "Table",
            key_schema=[dynamodb.CfnTable.KeySchemaProperty(attribute_name=KEY_ATTRIBUTE, key_type="HASH")],
            attribute_definitions=[
                dynamodb.CfnTable.AttributeDefinitionProperty(attribute_name=KEY_ATTRIBUTE, attribute_type="S")
            ],
            billing_mode="PAY_PER_REQUEST",
            time_to_live_specification=dynamodb.CfnTable.TimeToLiveSpecificationProperty(
                enabled=True, attribute_name=EXPIRY_ATTRIBUTE
            ),
            point_in_time_recovery_specification=dynamodb.CfnTable.PointInTimeRecoverySpecificationProperty(
                point_in_time_recovery_enabled=True
            ),
            sse_specification=dynamodb.CfnTable.SSESpecificationProperty(
                sse_enabled=True, sse_type="KMS", kms_master_key_id=key_arn
            ),
        )
        self.table.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        acknowledge(
            self,
            {
                "NIST.800.53.R5-DynamoDBInBackupPlan": (
                    "Items live a day, and point-in-time recovery covers that; a backup would outlive what it holds"
                )
            },
        )

    @cached_property
    def name(self) -> str:
        """Name of the table."""
        return self.table.ref

    @cached_property
    def arn(self) -> str:
        """ARN of the table."""
        return self.table.attr_arn

    def access(self) -> Statement:
        """What keeping and finding answers takes."""
        actions = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
        return allow(actions, [self.arn])
