"""Where the results of an asynchronous endpoint go: places in the images bucket, and topics that announce each one."""

from __future__ import annotations

from typing import cast

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_sagemaker as sagemaker
from aws_cdk import aws_sns as sns
from constructs import Construct

from stacks.catalog import dns_suffix_of
from stacks.constructs.service_role import ServiceRole
from stacks.constructs.template_metadata import acknowledge, keep_logical_id, resource_of
from stacks.environment import RESULT_TOPICS

# In the images bucket, whose objects expire. Nothing else uses it.
PREFIX = "asynchronous/"
INPUT_PREFIX = f"{PREFIX}input/"
OUTPUT_PREFIX = f"{PREFIX}output/"
FAILURE_PREFIX = f"{PREFIX}failure/"


class AsynchronousResults(Construct):
    """Output and failure places in `images`, and the topics `<name>-succeeded` and `<name>-failed`.

    Everything is encrypted with `key`. SageMaker publishes a message for each request that ended, with the place of its
    result; a message may come twice, late or not at all.
    """

    def __init__(self, scope: Construct, construct_id: str, *, name: str, images: s3.IBucket, key: kms.IKey) -> None:
        super().__init__(scope, construct_id)
        self._images, self._key = images, key
        succeeded, failed = RESULT_TOPICS
        self.success_topic = self._add_topic("Succeeded", f"{name}-{succeeded}")
        self.error_topic = self._add_topic("Failed", f"{name}-{failed}")

    def output_config(self) -> sagemaker.CfnEndpointConfig.AsyncInferenceOutputConfigProperty:
        """Return what the endpoint configuration says of results."""
        config = sagemaker.CfnEndpointConfig
        return config.AsyncInferenceOutputConfigProperty(
            kms_key_id=self._key.key_arn,
            s3_output_path=self._images.s3_url_for_object(OUTPUT_PREFIX.removesuffix("/")),
            s3_failure_path=self._images.s3_url_for_object(FAILURE_PREFIX.removesuffix("/")),
            notification_config=config.AsyncInferenceNotificationConfigProperty(
                success_topic=self.success_topic.topic_arn, error_topic=self.error_topic.topic_arn
            ),
        )

    def grant_deliver(self, policy: iam.ManagedPolicy) -> None:
        """Allow in SageMaker's `policy` to read inputs, to write results, and to announce them.

        Amazon SageMaker AI Developer Guide, "Complete the prerequisites" of asynchronous inference, narrowed to these
        places and topics.
        """
        inputs, outputs, failures = (
            self._images.arn_for_objects(f"{prefix}*") for prefix in (INPUT_PREFIX, OUTPUT_PREFIX, FAILURE_PREFIX)
        )
        topics = [self.success_topic.topic_arn, self.error_topic.topic_arn]
        policy.add_statements(
            iam.PolicyStatement(actions=["s3:GetObject"], resources=[inputs]),
            iam.PolicyStatement(actions=["s3:AbortMultipartUpload", "s3:PutObject"], resources=[outputs, failures]),
            iam.PolicyStatement(actions=["sns:Publish"], resources=topics),
            self._key_statement("s3", "sns"),
        )
        acknowledge(policy, self._reasons())

    def grant_use(self, grantee: iam.IGrantable) -> None:
        """Allow to put inputs, to read results, and to delete both."""
        prefixes = (INPUT_PREFIX, OUTPUT_PREFIX, FAILURE_PREFIX)
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["s3:DeleteObject", "s3:GetObject"],
            resource_arns=[self._images.arn_for_objects(f"{prefix}*") for prefix in prefixes],
        )
        iam.Grant.add_to_principal(
            grantee=grantee,
            actions=["s3:PutObject"],
            resource_arns=[self._images.arn_for_objects(f"{INPUT_PREFIX}*")],
        )
        role = grantee.grant_principal
        role.add_to_principal_policy(self._key_statement("s3"))
        if isinstance(role, ServiceRole):
            acknowledge(role.permissions, self._reasons())

    def _reasons(self) -> dict[str, str]:
        """Why statements about these places have a wildcard."""
        bucket = cdk.Stack.of(self._images).resolve(resource_of(self._images).logical_id)
        reason = "Each request has object keys of its own under this prefix"
        prefixes = (INPUT_PREFIX, OUTPUT_PREFIX, FAILURE_PREFIX)
        return {f"AwsSolutions-IAM5[Resource::<{bucket}.Arn>/{prefix}*]": reason for prefix in prefixes}

    def _key_statement(self, *services: str) -> iam.PolicyStatement:
        """Allow the key's use through these services alone."""
        region = cdk.Stack.of(self).region
        # AWS documents the names for its commercial partition only. China's domain names have another suffix.
        suffixes = dict.fromkeys(("amazonaws.com", dns_suffix_of(region)))
        via = [f"{service}.{region}.{suffix}" for service in services for suffix in suffixes]
        return iam.PolicyStatement(
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[self._key.key_arn],
            conditions={"StringEquals": {"kms:ViaService": via[0] if len(via) == 1 else via}},
        )

    def _add_topic(self, construct_id: str, name: str) -> sns.Topic:
        topic = sns.Topic(self, construct_id, topic_name=name, master_key=self._key, enforce_ssl=True)
        keep_logical_id(topic)
        keep_logical_id(cast(Construct, topic.node.find_child("Policy")))
        return topic
