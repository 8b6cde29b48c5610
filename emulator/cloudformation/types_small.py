"""Types of services of which the stacks use one or two: CloudWatch Logs, SSM, ECR, SNS, CDK."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import Any, ClassVar

from moto.logs.models import logs_backends

from emulator.cloudformation.resource_type import DOCUMENTED, Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import boolean, call, removed_keys, tag_list, tag_map, unless


class LogGroup(ResourceType):
    """A CloudWatch log group."""

    name = "AWS::Logs::LogGroup"
    carried = words("KmsKeyId LogGroupClass LogGroupName RetentionInDays Tags")
    # AWS CloudFormation User Guide, AWS::Logs::LogGroup: "Update requires: Updates are not supported".
    fixed: ClassVar[dict[str, str]] = {"LogGroupClass": "The class of a log group cannot be changed"}
    name_property = "LogGroupName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the group, then set its retention."""
        logs = context.client("logs")
        group = properties.get("LogGroupName") or context.physical_name(512)
        fields = {"logGroupName": group, "tags": tag_map(properties)}
        fields |= {
            api: properties[cfn]
            for cfn, api in (("KmsKeyId", "kmsKeyId"), ("LogGroupClass", "logGroupClass"))
            if cfn in properties
        }
        call(logs, "CreateLogGroup", fields, of=self.name)
        made = Made(group, {"Arn": context.arn("logs", f"log-group:{group}:*")})
        context.initiated(made)
        self._set_retention(logs, group, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change retention, key and tags."""
        logs, group = context.client("logs"), made.physical_id
        self._set_retention(logs, group, after)
        # moto has neither AssociateKmsKey nor DisassociateKmsKey.
        logs_backends[context.account][context.region].groups[group].kms_key_id = after.get("KmsKeyId")
        if removed_keys(before, after):
            logs.untag_log_group(logGroupName=group, tags=removed_keys(before, after))
        if tag_map(after):
            logs.tag_log_group(logGroupName=group, tags=tag_map(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the group with its streams."""
        unless("ResourceNotFoundException", context.client("logs").delete_log_group, logGroupName=made.physical_id)

    @staticmethod
    def _set_retention(logs: Any, group: str, properties: Properties) -> None:
        if "RetentionInDays" in properties:
            logs.put_retention_policy(logGroupName=group, retentionInDays=int(properties["RetentionInDays"]))
        else:
            logs.delete_retention_policy(logGroupName=group)


class Parameter(ResourceType):
    """An SSM parameter."""

    name = "AWS::SSM::Parameter"
    carried = words("AllowedPattern DataType Description Name Tags Tier Type Value")
    more_attributes: ClassVar[dict[str, str]] = dict.fromkeys(("Type", "Value"), DOCUMENTED)
    name_property = "Name"

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the parameter."""
        name = properties.get("Name") or context.physical_name(1011)
        return self._put(context, name, properties, overwrite=False)

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the parameter anew, with its tags."""
        changed = self._put(context, made.physical_id, after, overwrite=True)
        ssm, old, new = context.client("ssm"), before.get("Tags") or {}, after.get("Tags") or {}
        resource = {"ResourceType": "Parameter", "ResourceId": made.physical_id}
        if gone := sorted(set(old) - set(new)):
            ssm.remove_tags_from_resource(**resource, TagKeys=gone)
        if new:
            ssm.add_tags_to_resource(**resource, Tags=[{"Key": key, "Value": str(new[key])} for key in new])
        return changed

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the parameter."""
        unless("ParameterNotFound", context.client("ssm").delete_parameter, Name=made.physical_id)

    def _put(self, context: Context, name: str, properties: Properties, *, overwrite: bool) -> Made:
        # Tags may come with a new parameter only.
        fields = {**properties, "Name": name, "Overwrite": overwrite}
        fields["Tags"] = [{"Key": key, "Value": value} for key, value in (properties.get("Tags") or {}).items()]
        if overwrite:
            del fields["Tags"]
        call(context.client("ssm"), "PutParameter", fields, of=self.name)
        attributes = {"Type": properties["Type"], "Value": str(properties["Value"])}
        return Made(name, attributes | {"Arn": context.arn("ssm", f"parameter/{name.removeprefix('/')}")})


class Repository(ResourceType):
    """An ECR repository, which the CDK bootstrap makes."""

    name = "AWS::ECR::Repository"
    carried = words(
        "EncryptionConfiguration ImageScanningConfiguration ImageTagMutability LifecyclePolicy RepositoryName "
        "RepositoryPolicyText Tags"
    )
    name_property = "RepositoryName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the repository, then put its policies."""
        ecr = context.client("ecr")
        name = properties.get("RepositoryName") or context.physical_name(256, lower_case=True)
        names = words("EncryptionConfiguration ImageScanningConfiguration ImageTagMutability")
        fields = {key: properties[key] for key in names if key in properties}
        fields |= {"RepositoryName": name, "Tags": tag_list(properties)}
        repository = call(ecr, "CreateRepository", fields, of=self.name)["repository"]
        made = Made(name, {"Arn": repository["repositoryArn"], "RepositoryUri": repository["repositoryUri"]})
        context.initiated(made)
        self._put_policies(ecr, name, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change scanning, mutability, policies and tags."""
        ecr, name = context.client("ecr"), made.physical_id
        scanning = {"scanOnPush": boolean(after.get("ImageScanningConfiguration", {}).get("ScanOnPush", False))}
        ecr.put_image_scanning_configuration(repositoryName=name, imageScanningConfiguration=scanning)
        ecr.put_image_tag_mutability(repositoryName=name, imageTagMutability=after.get("ImageTagMutability", "MUTABLE"))
        self._put_policies(ecr, name, after)
        if "LifecyclePolicy" in before and "LifecyclePolicy" not in after:
            ecr.delete_lifecycle_policy(repositoryName=name)
        if "RepositoryPolicyText" in before and "RepositoryPolicyText" not in after:
            ecr.delete_repository_policy(repositoryName=name)
        arn = made.attributes["Arn"]
        ecr.untag_resource(resourceArn=arn, tagKeys=removed_keys(before, after))
        ecr.tag_resource(resourceArn=arn, tags=tag_list(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the repository."""
        ecr = context.client("ecr")
        unless("RepositoryNotFoundException", ecr.delete_repository, repositoryName=made.physical_id)

    @staticmethod
    def _put_policies(ecr: Any, name: str, properties: Properties) -> None:
        if "LifecyclePolicy" in properties:
            text = properties["LifecyclePolicy"]["LifecyclePolicyText"]
            ecr.put_lifecycle_policy(repositoryName=name, lifecyclePolicyText=text)
        if "RepositoryPolicyText" in properties:
            ecr.set_repository_policy(repositoryName=name, policyText=json.dumps(properties["RepositoryPolicyText"]))


class Topic(ResourceType):
    """An SNS topic."""

    name = "AWS::SNS::Topic"
    carried = words("DisplayName FifoTopic KmsMasterKeyId Subscription Tags TopicName")
    more_attributes: ClassVar[dict[str, str]] = {"TopicName": DOCUMENTED}
    name_property = "TopicName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the topic with its subscriptions."""
        sns = context.client("sns")
        name = properties.get("TopicName") or context.physical_name(256)
        attributes = {key: str(properties[key]) for key in words("DisplayName KmsMasterKeyId") if key in properties}
        if boolean(properties.get("FifoTopic", False)):
            attributes["FifoTopic"] = "true"
        arn = sns.create_topic(Name=name, Attributes=attributes, Tags=tag_list(properties))["TopicArn"]
        made = Made(arn, {"TopicArn": arn, "TopicName": name})
        context.initiated(made)
        for item in properties.get("Subscription", []):
            sns.subscribe(TopicArn=arn, Protocol=item["Protocol"], Endpoint=item["Endpoint"])
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the topic's attributes, subscriptions and tags."""
        sns, arn = context.client("sns"), made.physical_id
        for key in sorted(words("DisplayName KmsMasterKeyId")):
            sns.set_topic_attributes(TopicArn=arn, AttributeName=key, AttributeValue=str(after.get(key, "")))
        for item in after.get("Subscription", []):
            sns.subscribe(TopicArn=arn, Protocol=item["Protocol"], Endpoint=item["Endpoint"])
        wanted = [(item["Protocol"], item["Endpoint"]) for item in after.get("Subscription", [])]
        dropped = [(item["Protocol"], item["Endpoint"]) for item in before.get("Subscription", [])]
        for item in sns.list_subscriptions_by_topic(TopicArn=arn)["Subscriptions"]:
            pair = (item["Protocol"], item["Endpoint"])
            if pair in dropped and pair not in wanted:
                sns.unsubscribe(SubscriptionArn=item["SubscriptionArn"])
        sns.untag_resource(ResourceArn=arn, TagKeys=removed_keys(before, after))
        sns.tag_resource(ResourceArn=arn, Tags=tag_list(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the topic."""
        unless("NotFound", context.client("sns").delete_topic, TopicArn=made.physical_id)


class Subscription(ResourceType):
    """A subscription to a topic. Nothing is delivered to email addresses."""

    name = "AWS::SNS::Subscription"
    carried = words("Endpoint Protocol RawMessageDelivery TopicArn")

    def create(self, context: Context, properties: Properties) -> Made:
        """Subscribe, then say how messages are written."""
        fields = {key: value for key, value in properties.items() if key != "RawMessageDelivery"}
        arn = call(context.client("sns"), "Subscribe", fields, of=self.name)["SubscriptionArn"]
        made = Made(arn, {"Arn": arn})
        context.initiated(made)
        self._set_raw(context, arn, properties)
        return made

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change how messages are written."""
        self._set_raw(context, made.physical_id, after)
        return made

    @staticmethod
    def _set_raw(context: Context, arn: str, properties: Properties) -> None:
        # moto takes any text that is not empty for true.
        is_raw = boolean(properties.get("RawMessageDelivery", False))
        context.client("sns").set_subscription_attributes(
            SubscriptionArn=arn, AttributeName="RawMessageDelivery", AttributeValue="true" if is_raw else ""
        )

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Unsubscribe."""
        unless("NotFound", context.client("sns").unsubscribe, SubscriptionArn=made.physical_id)


class TopicPolicy(ResourceType):
    """The policy of SNS topics."""

    name = "AWS::SNS::TopicPolicy"
    carried = words("PolicyDocument Topics")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the policy on its topics."""
        physical_id = context.physical_name(256)
        self.update(context, Made(physical_id), {}, properties)
        return Made(physical_id, {"Id": physical_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the policy anew."""
        document = json.dumps(after["PolicyDocument"])
        for arn in after["Topics"]:
            context.client("sns").set_topic_attributes(TopicArn=arn, AttributeName="Policy", AttributeValue=document)
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Leave the topics with their last policy: SNS has no call that takes one away."""


class CdkMetadata(ResourceType):
    """What the CDK writes into a template about itself; it makes nothing, on AWS either."""

    name = "AWS::CDK::Metadata"
    carried = words("Analytics")

    def create(self, context: Context, properties: Properties) -> Made:
        """Nothing but an id."""
        made_id = context.physical_name(128)
        return Made(made_id, {"Id": made_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Nothing."""
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Nothing."""
