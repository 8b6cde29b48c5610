"""What must outlive a redeploy: images, answers under an idempotency key, and the key that encrypts everything."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.catalog import dns_suffix_of
from stacks.constructs.service_role import managed_policy, service_principal
from stacks.constructs.template_metadata import acknowledge, keep_logical_id, skip_checkov
from stacks.constructs.vpc import acknowledge_interfaces, interface_removal
from stacks.environment import ContentCredentials, Storage

# Images too large for an answer are kept under this prefix, and the function reaches nothing else in the bucket.
IMAGES_PREFIX = "generated/"
# Images of calls that may be repeated, as the function names them: of no use once the record of the call has expired.
KEPT_PREFIX = "generated/kept/"
# A record lives a day. S3 expires objects at the midnight (UTC) after their day is over, so never before the record.
_KEPT_DAYS = 1
IMAGES_ACTIONS = ("s3:GetObject", "s3:PutObject")
IDEMPOTENCY_ACTIONS = ("dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:UpdateItem")
# For the load of the endpoint, which is an item of the same table.
LOAD_ACTIONS = ("dynamodb:GetItem",)
# Attributes of the idempotency table, as the function writes them.
KEY_ATTRIBUTE = "id"
EXPIRY_ATTRIBUTE = "expiration"


class StorageStack(cdk.Stack):
    """Images bucket, the bucket of its access log, the keys, and the table of idempotent answers.

    All are kept when the stack is deleted, unless `storage.on_destroy` is `delete`. The table is always deleted: its
    items live for a day. With `has_alarms` the key also encrypts the topic to which alarms publish. Where `storage`
    names a key, the stack makes none. `content_credentials` are those of the environment that signs its images: its key
    is here, made or named, because a certificate is for this one key.

    The endpoint's execution role is here, too: SageMaker needs it after the stack with the endpoint is deleted. An
    environment on Bedrock has it as well, without a permission, so that the model source can be changed: CloudFormation
    deletes nothing of this stack that the stack of an earlier endpoint still imports. `models_in_vpc` lets it remove
    network interfaces.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        storage: Storage,
        has_alarms: bool = False,
        models_in_vpc: bool = False,
        content_credentials: ContentCredentials | None = None,
        tags: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(scope, construct_id, description="SDXL: images and encryption key", tags=tags)
        removal_policy = (
            # A first deployment that fails deletes them: nothing is in them yet, and the next one makes others.
            cdk.RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE if storage.on_destroy == "keep" else cdk.RemovalPolicy.DESTROY
        )
        self.key: kms.IKey = (
            self._add_key(removal_policy, has_alarms=has_alarms)
            if storage.key_arn is None
            else kms.Key.from_key_arn(self, "Key", storage.key_arn)
        )
        self.signing_key: kms.IKey | None = None
        if content_credentials is not None:
            self.signing_key = self._add_signing_key(content_credentials, removal_policy)
        access_log = self._add_bucket(
            "AccessLog", expiration_days=storage.log_retention_days, removal_policy=removal_policy
        )
        self.images = self._add_bucket(
            "Images",
            expiration_days=storage.image_expiration_days,
            removal_policy=removal_policy,
            key=self.key,
            access_log=access_log,
            expiration_days_by_prefix={KEPT_PREFIX: _KEPT_DAYS},
        )
        _acknowledge_buckets(images=self.images, access_log=access_log)
        self.idempotency = self._add_idempotency_table()
        self.execution_role = self._add_execution_role(models_in_vpc=models_in_vpc)
        cdk.CfnOutput(
            self, "ImagesBucketName", value=self.images.bucket_name, description="Bucket of the generated images"
        )
        cdk.CfnOutput(self, "KeyArn", value=self.key.key_arn, description="Key of images and logs")

    @property
    def image_objects_arn(self) -> str:
        """ARN of the objects under `IMAGES_PREFIX`."""
        return self.images.arn_for_objects(f"{IMAGES_PREFIX}*")

    def grant_images(self, grantee: iam.IGrantable) -> None:
        """Allow reading and writing the objects under `IMAGES_PREFIX`, and no other."""
        iam.Grant.add_to_principal(
            grantee=grantee, actions=list(IMAGES_ACTIONS), resource_arns=[self.image_objects_arn]
        )
        self._grant_key(grantee, "s3", ["kms:Decrypt", "kms:GenerateDataKey"])

    def grant_idempotency(self, grantee: iam.IGrantable, *, has_endpoint: bool) -> None:
        """Allow storing and reading the answers under idempotency keys, and the load of the endpoint if there is one.

        Reading and writing decrypts the table's key as the caller. All else that DynamoDB does with a customer's key it
        does as the table's creator, or by its grant (DynamoDB Developer Guide, "Monitoring DynamoDB interaction with
        AWS KMS").
        """
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=sorted((*IDEMPOTENCY_ACTIONS, *(LOAD_ACTIONS if has_endpoint else ()))),
            resource_arns=[self.idempotency.table_arn],
        )
        self._grant_key(grantee, "dynamodb", ["kms:Decrypt"])

    def grant_signing(self, grantee: iam.IGrantable) -> None:
        """Allow signing with the key of content credentials, and nothing else with it. Without a key, nothing."""
        if self.signing_key is not None:
            iam.Grant.add_to_principal(grantee=grantee, actions=["kms:Sign"], resource_arns=[self.signing_key.key_arn])

    def _grant_key(self, grantee: iam.IGrantable, service: str, actions: list[str]) -> None:
        """Allow the key's use through one service alone."""
        # AWS documents the names for its commercial partition only. China's domain names have another suffix.
        services = [
            f"{service}.{self.region}.{suffix}"
            for suffix in dict.fromkeys(("amazonaws.com", dns_suffix_of(self.region)))
        ]
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=actions,
            resource_arns=[self.key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": services[0] if len(services) == 1 else services}},
        )

    def _add_bucket(
        self,
        construct_id: str,
        *,
        expiration_days: int,
        removal_policy: cdk.RemovalPolicy,
        key: kms.IKey | None = None,
        access_log: s3.Bucket | None = None,
        expiration_days_by_prefix: Mapping[str, int] | None = None,
    ) -> s3.Bucket:
        """Add a private bucket. Without a key, S3's own encrypts it.

        Its objects expire after `expiration_days`, or sooner where `expiration_days_by_prefix` says so.
        """
        bucket = s3.Bucket(
            self,
            construct_id,
            encryption=s3.BucketEncryption.S3_MANAGED if key is None else s3.BucketEncryption.KMS,
            encryption_key=key,
            bucket_key_enabled=None if key is None else True,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            enforce_ssl=True,
            versioned=True,
            server_access_logs_bucket=access_log,
            server_access_logs_prefix=None if access_log is None else f"{construct_id.lower()}/",
            lifecycle_rules=[
                s3.LifecycleRule(
                    id="Expire",
                    expiration=cdk.Duration.days(expiration_days),
                    # Expiration only hides the current version. One day later it is gone.
                    noncurrent_version_expiration=cdk.Duration.days(1),
                    abort_incomplete_multipart_upload_after=cdk.Duration.days(1),
                ),
                # S3 refuses this in one rule with an expiration in days.
                s3.LifecycleRule(id="RemoveDeleteMarkers", expired_object_delete_marker=True),
                *(
                    s3.LifecycleRule(
                        id=f"Expire-{prefix.rstrip('/').replace('/', '-')}",
                        prefix=prefix,
                        expiration=cdk.Duration.days(days),
                        noncurrent_version_expiration=cdk.Duration.days(1),
                    )
                    for prefix, days in (expiration_days_by_prefix or {}).items()
                ),
            ],
            removal_policy=removal_policy,
        )
        keep_logical_id(bucket, f"{construct_id}/Bucket")
        policy = cast(s3.BucketPolicy, bucket.policy)
        # A bucket that is kept must not lose its protection with the stack.
        policy.apply_removal_policy(removal_policy)
        keep_logical_id(policy)
        return bucket

    def _add_idempotency_table(self) -> dynamodb.Table:
        table = dynamodb.Table(
            self,
            "Idempotency",
            partition_key=dynamodb.Attribute(name=KEY_ATTRIBUTE, type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            time_to_live_attribute=EXPIRY_ATTRIBUTE,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=self.key,
            removal_policy=cdk.RemovalPolicy.DESTROY,
        )
        keep_logical_id(table, "Idempotency/Table")
        no_backup = "Items live a day, and point-in-time recovery covers that; a backup would outlive what it holds"
        acknowledge(table, {"NIST.800.53.R5-DynamoDBInBackupPlan": no_backup})
        return table

    def _add_execution_role(self, *, models_in_vpc: bool) -> iam.Role:
        policies = []
        if models_in_vpc:
            removal = managed_policy(
                self,
                "InterfaceRemoval",
                description="What SageMaker does after an endpoint in a VPC is deleted",
                statements=interface_removal(self),
            )
            acknowledge_interfaces(removal)
            acknowledge(removal, {"AwsSolutions-IAM5[Resource::*]": "Descriptions of networks have no resource level"})
            policies.append(removal)
        role = iam.Role(
            self,
            "EndpointExecutionRole",
            assumed_by=service_principal(self, "sagemaker.amazonaws.com"),
            description="SageMaker execution role of the SDXL endpoint",
            managed_policies=policies,
        )
        # The stack of the endpoint imports both, or imported them until the model source was changed.
        self.export_value(role.role_arn)
        self.export_value(role.role_name)
        return role

    def _add_key(self, removal_policy: cdk.RemovalPolicy, *, has_alarms: bool) -> kms.Key:
        log_groups = self.format_arn(
            service="logs", resource="log-group", resource_name="*", arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME
        )
        statements = [
            # What every key starts with: the account's IAM policies decide. Without it nobody could manage the key.
            iam.PolicyStatement(
                sid="AccountPolicies", principals=[iam.AccountRootPrincipal()], actions=["kms:*"], resources=["*"]
            ),
            iam.PolicyStatement(
                sid="CloudWatchLogs",
                principals=[iam.ServicePrincipal(f"logs.{self.region}.{dns_suffix_of(self.region)}")],
                actions=["kms:Decrypt*", "kms:Describe*", "kms:Encrypt*", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                resources=["*"],
                conditions={"ArnLike": {"kms:EncryptionContext:aws:logs:arn": log_groups}},
            ),
        ]
        if has_alarms:
            statements.append(
                # Alarms and budgets publish to the encrypted topic of the operations stack themselves, with no role.
                iam.PolicyStatement(
                    sid="AlarmTopic",
                    principals=[iam.ServicePrincipal(f"{name}.amazonaws.com") for name in ("budgets", "cloudwatch")],
                    actions=["kms:Decrypt", "kms:GenerateDataKey*"],
                    resources=["*"],
                    conditions={"StringEquals": {"aws:SourceAccount": self.account}},
                )
            )
        key = kms.Key(
            self,
            "Key",
            description=f"Images and logs of {self.stack_name}",
            enable_key_rotation=True,
            policy=iam.PolicyDocument(statements=statements),
            removal_policy=removal_policy,
        )
        keep_logical_id(key)
        return key

    def _add_signing_key(self, settings: ContentCredentials, removal_policy: cdk.RemovalPolicy) -> kms.IKey:
        if settings.key_arn is not None:
            key: kms.IKey = kms.Key.from_key_arn(self, "SigningKey", settings.key_arn)
        else:
            made = kms.Key(
                self,
                "SigningKey",
                description=f"Signs the images of {self.stack_name}",
                # KMS rotates no asymmetric key, and a certificate is for this one.
                key_spec=kms.KeySpec.ECC_NIST_P256,
                key_usage=kms.KeyUsage.SIGN_VERIFY,
                policy=iam.PolicyDocument(
                    statements=[
                        iam.PolicyStatement(
                            sid="AccountPolicies",
                            principals=[iam.AccountRootPrincipal()],
                            actions=["kms:*"],
                            resources=["*"],
                        )
                    ]
                ),
                removal_policy=removal_policy,
            )
            keep_logical_id(made)
            # Exported also while nothing is signed: the stack of the API may still import it from when it signed.
            self.export_value(made.key_arn)
            key = made
        cdk.CfnOutput(self, "SigningKeyArn", value=key.key_arn, description="Key that signs the images")
        return key


def _acknowledge_buckets(*, images: s3.Bucket, access_log: s3.Bucket) -> None:
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
        access_log,
        {"CKV_AWS_18": "Receives the access log: logging into itself would log every delivery again, without end"},
    )
