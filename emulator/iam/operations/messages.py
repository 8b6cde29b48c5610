"""SNS and SQS: the topic or queue of a call, its own policy, and the key that encrypts it.

Source: Service Authorization Reference; Amazon SNS and Amazon SQS Developer Guides, "Key management".
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from moto.sns.models import sns_backends
from moto.sqs.models import Queue, sqs_backends

from emulator.iam.evaluation import Permission, ResourcePolicy
from emulator.iam.operations.keys import implied
from emulator.iam.requests import Call, UndeterminedError

_SNS = {"Publish": "Publish", "PublishBatch": "Publish"}
_SQS = {
    "ChangeMessageVisibility": "ChangeMessageVisibility",
    "ChangeMessageVisibilityBatch": "ChangeMessageVisibility",
    "DeleteMessage": "DeleteMessage",
    "DeleteMessageBatch": "DeleteMessage",
    "GetQueueAttributes": "GetQueueAttributes",
    "GetQueueUrl": "GetQueueUrl",
    "ReceiveMessage": "ReceiveMessage",
    "SendMessage": "SendMessage",
    "SendMessageBatch": "SendMessage",
}
# What a queue's key does for a call. Everything else reads no message.
_SQS_KEY = {"SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"), "ReceiveMessage": ("kms:Decrypt",)}


def sns_permissions(call: Call) -> Iterator[Permission]:
    """What a call of SNS needs."""
    action = _SNS.get(call.operation)
    if action is None:
        raise UndeterminedError(f"SNS {call.operation} is not evaluated: {', '.join(sorted(_SNS))} are")
    arn = call.in_own_account(call.parameter("TopicArn"))
    topic = sns_backends[call.account][call.region].topics.get(arn)
    policy = None if topic is None else ResourcePolicy(f"policy of topic {topic.name}", topic.policy)
    yield Permission(f"sns:{action}", arn, {"aws:SourceOwner": call.account}, resource_policy=policy)
    if topic is not None and topic.kms_master_key_id:
        actions, context = ("kms:GenerateDataKey", "kms:Decrypt"), {"aws:sns:topicArn": arn}
        yield from implied(call, actions, topic.kms_master_key_id, via="sns", encryption_context=context)


def sqs_permissions(call: Call) -> Iterator[Permission]:
    """What a call of SQS needs."""
    action = _SQS.get(call.operation)
    if action is None:
        raise UndeterminedError(f"SQS {call.operation} is not evaluated: {', '.join(sorted(_SQS))} are")
    name = call.parameters.get("QueueName") or call.parameter("QueueUrl").rpartition("/")[2]
    queue = sqs_backends[call.account][call.region].queues.get(str(name))
    yield from queue_permissions(call, action, call.arn("sqs", str(name)), queue)


def queue_permissions(call: Call, action: str, arn: str, queue: Queue | None) -> Iterator[Permission]:
    """What one action on a queue needs, and of the queue's key."""
    document = queue_policy(queue)
    policy = None if document is None else ResourcePolicy(f"policy of queue {arn.rpartition(':')[2]}", document)
    yield Permission(f"sqs:{action}", arn, absent=("aws:SourceOwner",), resource_policy=policy)
    if queue is not None and queue.kms_master_key_id:
        context = {"aws:sqs:arn": arn}
        actions = _SQS_KEY.get(action, ())
        yield from implied(call, actions, queue.kms_master_key_id, via="sqs", encryption_context=context)


def queue_policy(queue: Queue | None) -> str | None:
    """A queue's own policy as text, None where it has none."""
    policy = None if queue is None else queue.policy
    if not policy:
        return None
    return policy if isinstance(policy, str) else json.dumps(policy)
