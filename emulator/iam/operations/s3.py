"""S3: which actions a call needs, on the bucket or the object, and of the key that encrypts the object.

Source: Amazon S3 User Guide, "Required permissions for Amazon S3 API operations" and "Using server-side encryption with
AWS KMS keys (SSE-KMS)".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

from moto.s3.models import FakeBucket, FakeKey, s3_backends

from emulator.iam.conditions import Value
from emulator.iam.evaluation import Permission, ResourcePolicy
from emulator.iam.operations.keys import implied
from emulator.iam.requests import Call, UndeterminedError

_OBJECT_ACTIONS = {
    "AbortMultipartUpload": "AbortMultipartUpload",
    "CompleteMultipartUpload": "PutObject",
    "CopyObject": "PutObject",
    "CreateMultipartUpload": "PutObject",
    "DeleteObject": "DeleteObject",
    "DeleteObjectTagging": "DeleteObjectTagging",
    "GetObject": "GetObject",
    "GetObjectTagging": "GetObjectTagging",
    "HeadObject": "GetObject",
    "ListParts": "ListMultipartUploadParts",
    "PutObject": "PutObject",
    "PutObjectTagging": "PutObjectTagging",
    "UploadPart": "PutObject",
}
_OF_VERSIONS = {"DeleteObject": "DeleteObjectVersion", "GetObject": "GetObjectVersion"}
_BUCKET_ACTIONS = {
    "GetBucketLocation": "GetBucketLocation",
    "HeadBucket": "ListBucket",
    "ListObjects": "ListBucket",
    "ListObjectsV2": "ListBucket",
}
_HEADER_KEYS = (
    *("x-amz-acl", "x-amz-copy-source", "x-amz-server-side-encryption", "x-amz-storage-class"),
    "x-amz-server-side-encryption-aws-kms-key-id",
)
_QUERY_KEYS = {
    "Prefix": "s3:prefix",
    "Delimiter": "s3:delimiter",
    "MaxKeys": "s3:max-keys",
    "VersionId": "s3:VersionId",
}


def permissions(call: Call) -> Iterator[Permission]:
    """What a call of S3 needs."""
    _check_address(call)
    if call.operation == "ListBuckets":
        yield Permission("s3:ListAllMyBuckets", "*")
        return
    bucket_name = call.parameter("Bucket")
    bucket = _bucket(call, bucket_name)
    if call.operation in _BUCKET_ACTIONS:
        yield _on_bucket(call, bucket, _BUCKET_ACTIONS[call.operation])
    elif call.operation in _OBJECT_ACTIONS:
        yield from _of_object(call, bucket)
    else:
        known = ", ".join(sorted({*_BUCKET_ACTIONS, *_OBJECT_ACTIONS}))
        raise UndeterminedError(f"S3 {call.operation} is not evaluated: {known} are")


def _of_object(call: Call, bucket: FakeBucket | None) -> Iterator[Permission]:
    action = _OBJECT_ACTIONS[call.operation]
    if call.parameters.get("VersionId"):
        action = _OF_VERSIONS.get(action, action)
    yield _on_object(call, bucket, action)
    if "x-amz-tagging" in call.headers:
        yield _on_object(call, bucket, "PutObjectTagging")
    if "x-amz-acl" in call.headers:
        yield _on_object(call, bucket, "PutObjectAcl")
    if call.operation == "CopyObject":
        yield from _of_source(call)
    if bucket is None:
        return
    if call.operation in {"CopyObject", "CreateMultipartUpload", "PutObject"}:
        yield from _writing_key(call, bucket)
    elif call.operation in {"GetObject", "HeadObject"}:
        yield from _reading(call, bucket, call.parameter("Key"))


def _of_source(call: Call) -> Iterator[Permission]:
    name, _, key = unquote(call.parameter("CopySource").partition("?")[0]).lstrip("/").partition("/")
    source = _bucket(call, name)
    reading = replace(call, operation="GetObject", parameters={"Bucket": name, "Key": key}, headers={})
    yield _on_object(reading, source, "GetObject")
    if source is not None:
        yield from _reading(reading, source, key)


def _reading(call: Call, bucket: FakeBucket, key: str) -> Iterator[Permission]:
    found: FakeKey | None = bucket.keys.get(key)
    if found is None:
        # S3 answers 403 in place of 404 to callers who may not list the bucket.
        yield _on_bucket(call, bucket, "ListBucket")
    elif call.operation == "GetObject" and found.encryption == "aws:kms":
        by_bucket = bool(found.bucket_key_enabled)
        yield from _key(call, bucket, ("kms:Decrypt",), found.kms_key_id, key=key, by_bucket=by_bucket)


def _writing_key(call: Call, bucket: FakeBucket) -> Iterator[Permission]:
    rule: dict[str, Any] = (bucket.encryption or {}).get("Rule") or {}
    default = rule.get("ApplyServerSideEncryptionByDefault") or {}
    algorithm = call.headers.get("x-amz-server-side-encryption") or default.get("SSEAlgorithm")
    if algorithm != "aws:kms":
        return
    key_id = call.headers.get("x-amz-server-side-encryption-aws-kms-key-id") or default.get("KMSMasterKeyID")
    # The parts of an upload are read again to be put together.
    actions = ("kms:GenerateDataKey", *(["kms:Decrypt"] if call.operation == "CreateMultipartUpload" else []))
    by_bucket = str(rule.get("BucketKeyEnabled")).lower() == "true"
    yield from _key(call, bucket, actions, key_id, key=call.parameter("Key"), by_bucket=by_bucket)


def _key(
    call: Call, bucket: FakeBucket, actions: tuple[str, ...], key_id: str | None, *, key: str, by_bucket: bool
) -> Iterator[Permission]:
    encrypted = bucket.name if by_bucket else f"{bucket.name}/{key}"
    context = {"aws:s3:arn": call.arn("s3", encrypted, region="", account="")}
    yield from implied(call, actions, key_id, via="s3", encryption_context=context)


def _on_object(call: Call, bucket: FakeBucket | None, action: str) -> Permission:
    return _permission(call, bucket, action, f"{call.parameter('Bucket')}/{call.parameter('Key')}")


def _on_bucket(call: Call, bucket: FakeBucket | None, action: str) -> Permission:
    return _permission(call, bucket, action, call.parameter("Bucket"))


def _permission(call: Call, bucket: FakeBucket | None, action: str, resource: str) -> Permission:
    context: dict[str, Value] = {"s3:ResourceAccount": call.account}
    context |= {f"s3:{name}": call.headers[name] for name in _HEADER_KEYS if name in call.headers}
    context |= {key: str(call.parameters[name]) for name, key in _QUERY_KEYS.items() if name in call.parameters}
    policy = bucket.policy if bucket else None
    return Permission(
        action=f"s3:{action}",
        resource=call.arn("s3", resource, region="", account=""),
        context=context,
        absent=(*(f"s3:{name}" for name in _HEADER_KEYS), *_QUERY_KEYS.values()),
        resource_policy=ResourcePolicy(f"policy of bucket {bucket.name}", policy.decode())
        if bucket and policy
        else None,
    )


def _bucket(call: Call, name: str) -> FakeBucket | None:
    """A bucket of the caller's account, None where no account has it; raises UndeterminedError for another's."""
    partition, owner = s3_backends.bucket_accounts.get(name, (call.partition, call.account))
    if owner != call.account:
        raise UndeterminedError(f"bucket {name} is in another account: calls over accounts are not evaluated")
    return s3_backends[owner][partition].buckets.get(name)


def _check_address(call: Call) -> None:
    host = call.headers.get("host", "").partition(":")[0]
    if host != "localhost" and not host.replace(".", "").isdigit():
        raise UndeterminedError(f"the host {host!r} may name a bucket: address S3 by path, as botocore does here")
