"""AWS::SQS: queues with their dead-letter queues, and the policies of queues."""

# ruff: noqa: ARG002 - all types have one interface, and few need every argument
from __future__ import annotations

import json
from typing import Any, ClassVar

from emulator.cloudformation.resource_type import DOCUMENTED, Context, Made, Properties, ResourceType, words
from emulator.cloudformation.shapes import removed_keys, tag_map, unless

GONE = "AWS.SimpleQueueService.NonExistentQueue QueueDoesNotExist"
_ATTRIBUTES = words(
    "ContentBasedDeduplication DeduplicationScope DelaySeconds FifoQueue FifoThroughputLimit "
    "KmsDataKeyReusePeriodSeconds KmsMasterKeyId MaximumMessageSize MessageRetentionPeriod "
    "ReceiveMessageWaitTimeSeconds RedrivePolicy SqsManagedSseEnabled VisibilityTimeout"
)


class Queue(ResourceType):
    """A queue."""

    name = "AWS::SQS::Queue"
    carried = _ATTRIBUTES | words("QueueName Tags")
    without_effect: ClassVar[dict[str, str]] = {
        "RedriveAllowPolicy": "it limits which queues may name this one as their dead-letter queue"
    }
    more_attributes: ClassVar[dict[str, str]] = {"QueueName": DOCUMENTED}
    name_property = "QueueName"

    def create(self, context: Context, properties: Properties) -> Made:
        """Make the queue."""
        suffix = ".fifo" if str(properties.get("FifoQueue", "")).lower() == "true" else ""
        name = properties.get("QueueName") or context.physical_name(80 - len(suffix)) + suffix
        url = context.client("sqs").create_queue(
            QueueName=name, Attributes=_attributes(properties), tags=tag_map(properties)
        )["QueueUrl"]
        return Made(url, {"Arn": context.arn("sqs", name), "QueueName": name, "QueueUrl": url})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Change the attributes that a queue lets change, and the tags."""
        sqs, url = context.client("sqs"), made.physical_id
        left_out = {"RedrivePolicy": ""} if "RedrivePolicy" in before and "RedrivePolicy" not in after else {}
        attributes = {key: value for key, value in _attributes(after).items() if key != "FifoQueue"}
        if attributes | left_out:
            sqs.set_queue_attributes(QueueUrl=url, Attributes=attributes | left_out)
        if removed_keys(before, after):
            sqs.untag_queue(QueueUrl=url, TagKeys=removed_keys(before, after))
        if tag_map(after):
            sqs.tag_queue(QueueUrl=url, Tags=tag_map(after))
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Delete the queue with its messages."""
        unless(GONE, context.client("sqs").delete_queue, QueueUrl=made.physical_id)


class QueuePolicy(ResourceType):
    """The policy of queues."""

    name = "AWS::SQS::QueuePolicy"
    carried = words("PolicyDocument Queues")

    def create(self, context: Context, properties: Properties) -> Made:
        """Put the policy on its queues."""
        physical_id = context.physical_name(256)
        self.update(context, Made(physical_id), {}, properties)
        return Made(physical_id, {"Id": physical_id})

    def update(self, context: Context, made: Made, before: Properties, after: Properties) -> Made:
        """Put the policy anew."""
        self._put(context, after["Queues"], json.dumps(after["PolicyDocument"]))
        self._put(context, [url for url in before.get("Queues", []) if url not in after["Queues"]], "")
        return made

    def delete(self, context: Context, made: Made, properties: Properties) -> None:
        """Take the policy from its queues."""
        self._put(context, properties["Queues"], "")

    @staticmethod
    def _put(context: Context, urls: list[str], document: str) -> None:
        change = context.client("sqs").set_queue_attributes
        for url in urls:
            unless(GONE, change, QueueUrl=url, Attributes={"Policy": document})


def _attributes(properties: Properties) -> dict[str, str]:
    def text(value: Any) -> str:
        if isinstance(value, dict):
            return json.dumps(value)
        return str(value).lower() if isinstance(value, bool) else str(value)

    return {key: text(properties[key]) for key in sorted(_ATTRIBUTES) if key in properties}
