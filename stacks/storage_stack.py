"""What must outlive a redeploy: images, answers under an idempotency key, and the key that encrypts everything."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.acknowledgments import acknowledge, skip_checkov
from stacks.constructs.arn import local_arn, place_of
from stacks.constructs.idempotency_table import IdempotencyTable
from stacks.constructs.private_bucket import PrivateBucket
from stacks.environment import Storage


class StorageStack(cdk.Stack):
    """Images bucket, the bucket of its access log, the key, and the table of given answers.

    All are kept when the stack is deleted, unless `storage` says otherwise, except the table, whose items live a day.
    With `has_alarms` the key also encrypts the topic that they tell. A key that `storage` names is not the stack's.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: Storage,
        has_alarms: bool = False,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: images and encryption key", tags=tags)
        removal_policy = cdk.RemovalPolicy.RETAIN if storage.on_destroy == "keep" else cdk.RemovalPolicy.DESTROY
        # One reference for all: each read is a call into the CDK's engine.
        self.key_arn = storage.key_arn or self._add_key(removal_policy, has_alarms=has_alarms)

        access_log = PrivateBucket(
            self, "AccessLog", expiration_days=storage.log_retention_days, removal_policy=removal_policy
        )
        self.images = PrivateBucket(
            self,
            "Images",
            expiration_days=storage.image_expiration_days,
            key_arn=self.key_arn,
            removal_policy=removal_policy,
            logging=s3.CfnBucket.LoggingConfigurationProperty(
                destination_bucket_name=access_log.name, log_file_prefix="images/"
            ),
        )
        access_log.add_policy([self._delivery_of_access_log(access_log)])
        self.images.add_policy()
        _acknowledge_buckets(images=self.images, access_log=access_log)

        self.idempotency = IdempotencyTable(self, "Idempotency", key_arn=self.key_arn)
        cdk.CfnOutput(self, "ImagesBucketName", value=self.images.name, description="Bucket of the generated images")
        cdk.CfnOutput(self, "KeyArn", value=self.key_arn, description="Key of images and logs")

    def _add_key(self, removal_policy: cdk.RemovalPolicy, *, has_alarms: bool) -> str:
        key = kms.CfnKey(
            self,
            "Key",
            description=f"Images and logs of {self.stack_name}",
            enable_key_rotation=True,
            key_policy=self._key_policy(has_alarms=has_alarms),
        )
        key.apply_removal_policy(removal_policy)
        return key.attr_arn

    def _key_policy(self, *, has_alarms: bool) -> dict[str, object]:
        publishers = [self._publisher_to_topic()] if has_alarms else []
        place = place_of(self)
        return {
            "Version": "2012-10-17",
            "Statement": [
                # What every key starts with: the account's IAM policies decide. Without it nobody could manage the key.
                {
                    "Sid": "AccountPolicies",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:{place.partition}:iam::{place.account}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                {
                    "Sid": "CloudWatchLogs",
                    "Effect": "Allow",
                    "Principal": {"Service": f"logs.{place.region}.amazonaws.com"},
                    "Action": [
                        "kms:Decrypt*",
                        "kms:Describe*",
                        "kms:Encrypt*",
                        "kms:GenerateDataKey*",
                        "kms:ReEncrypt*",
                    ],
                    "Resource": "*",
                    "Condition": {
                        "ArnLike": {"kms:EncryptionContext:aws:logs:arn": local_arn(self, "logs", "log-group:*")}
                    },
                },
                *publishers,
            ],
        }

    def _publisher_to_topic(self) -> dict[str, object]:
        """Alarms and budgets publish to the encrypted topic of the operations stack by themselves, with no role."""
        return {
            "Sid": "AlarmTopic",
            "Effect": "Allow",
            "Principal": {"Service": ["budgets.amazonaws.com", "cloudwatch.amazonaws.com"]},
            "Action": ["kms:Decrypt", "kms:GenerateDataKey*"],
            "Resource": "*",
            "Condition": {"StringEquals": {"aws:SourceAccount": place_of(self).account}},
        }

    def _delivery_of_access_log(self, access_log: PrivateBucket) -> dict[str, object]:
        return {
            "Sid": "AccessLogDelivery",
            "Effect": "Allow",
            "Principal": {"Service": "logging.s3.amazonaws.com"},
            "Action": "s3:PutObject",
            "Resource": f"{access_log.arn}/images/*",
            "Condition": {
                "ArnEquals": {"aws:SourceArn": self.images.arn},
                "StringEquals": {"aws:SourceAccount": place_of(self).account},
            },
        }


def _acknowledge_buckets(*, images: PrivateBucket, access_log: PrivateBucket) -> None:
    acknowledge(
        images,
        {
            "NIST.800.53.R5-S3BucketReplicationEnabled": (
                "Images expire within days and can be generated again from prompt, seed and settings"
            )
        },
    )
    acknowledge(
        access_log,
        {
            "NIST.800.53.R5-S3BucketReplicationEnabled": "An access log of expiring images is of no use without them",
            "NIST.800.53.R5-S3DefaultEncryptionKMS": (
                "S3 delivers access logs only to buckets encrypted with SSE-S3, not with a KMS key"
            ),
        },
    )
    skip_checkov(
        access_log.bucket,
        {"CKV_AWS_18": "Receives the access log: logging into itself would log every delivery again, without end"},
    )
