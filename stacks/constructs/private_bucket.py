"""A bucket that keeps what is in it: private, versioned, encrypted, TLS only; retained with its policy unless told."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.constructs.statement import Statement, allow


class PrivateBucket(Construct):
    """Bucket with generated name whose objects expire after `expiration_days`.

    Encrypted with `key_arn`, or with S3's own key (SSE-S3) where none is given. `logging` says where the access log
    goes. `removal_policy` is what becomes of bucket and policy with their stack, which is
    empty then: CloudFormation deletes no other.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        expiration_days: int,
        key_arn: str | None = None,
        logging: s3.CfnBucket.LoggingConfigurationProperty | None = None,
        removal_policy: cdk.RemovalPolicy = cdk.RemovalPolicy.RETAIN,
    ) -> None:
        super().__init__(scope, construct_id)
        self.bucket = s3.CfnBucket(
            self,
            "Bucket",
            bucket_encryption=_encryption(key_arn),
            lifecycle_configuration=_lifecycle(expiration_days),
            logging_configuration=logging,
            ownership_controls=s3.CfnBucket.OwnershipControlsProperty(
                rules=[s3.CfnBucket.OwnershipControlsRuleProperty(object_ownership="BucketOwnerEnforced")]
            ),
            public_access_block_configuration=s3.CfnBucket.PublicAccessBlockConfigurationProperty(
                block_public_acls=True,
                block_public_policy=True,
                ignore_public_acls=True,
                restrict_public_buckets=True,
            ),
            versioning_configuration=s3.CfnBucket.VersioningConfigurationProperty(status="Enabled"),
        )
        self._removal_policy = removal_policy
        self.bucket.apply_removal_policy(removal_policy)

    def add_policy(self, statements: Sequence[dict[str, object]] = ()) -> None:
        """Attach the bucket's policy: refuse plain HTTP, and allow `statements`. Called once for each bucket."""
        tls_only = {
            "Sid": "TlsOnly",
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "s3:*",
            "Resource": [self.arn, f"{self.arn}/*"],
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policy = s3.CfnBucketPolicy(
            self,
            "Policy",
            bucket=self.name,
            policy_document={"Version": "2012-10-17", "Statement": [tls_only, *statements]},
        )
        # A bucket that is kept must not lose its protection with the stack.
        policy.apply_removal_policy(self._removal_policy)

    def access(self, prefix: str) -> Statement:
        """What reading and writing the objects under `prefix` takes, beside their key."""
        return allow(["s3:GetObject", "s3:PutObject"], [f"{self.arn}/{prefix}*"])

    @property
    def logical_id(self) -> str:
        """Logical id of the bucket in its stack."""
        return cdk.Stack.of(self).get_logical_id(self.bucket)

    @cached_property
    def name(self) -> str:
        """Name of the bucket."""
        return self.bucket.ref

    @cached_property
    def arn(self) -> str:
        """ARN of the bucket."""
        return self.bucket.attr_arn


def _encryption(key_arn: str | None) -> s3.CfnBucket.BucketEncryptionProperty:
    default = s3.CfnBucket.ServerSideEncryptionByDefaultProperty(
        sse_algorithm="AES256" if key_arn is None else "aws:kms", kms_master_key_id=key_arn
    )
    rule = s3.CfnBucket.ServerSideEncryptionRuleProperty(
        server_side_encryption_by_default=default, bucket_key_enabled=None if key_arn is None else True
    )
    return s3.CfnBucket.BucketEncryptionProperty(server_side_encryption_configuration=[rule])


def _lifecycle(expiration_days: int) -> s3.CfnBucket.LifecycleConfigurationProperty:
    return s3.CfnBucket.LifecycleConfigurationProperty(
        rules=[
            s3.CfnBucket.RuleProperty(
                id="Expire",
                status="Enabled",
                expiration_in_days=expiration_days,
                # Expiration only hides the current version. One day later it is gone.
                noncurrent_version_expiration=s3.CfnBucket.NoncurrentVersionExpirationProperty(noncurrent_days=1),
                abort_incomplete_multipart_upload=s3.CfnBucket.AbortIncompleteMultipartUploadProperty(
                    days_after_initiation=1
                ),
            ),
            # S3 refuses this beside an expiration in days, in one rule.
            s3.CfnBucket.RuleProperty(id="RemoveDeleteMarkers", status="Enabled", expired_object_delete_marker=True),
        ]
    )
